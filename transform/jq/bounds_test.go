package jq

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// hostile are expressions that somebody may write who means well, on an event
// of hostileEvent, which does not. gojq alone would take seconds or gigabytes
// for most of them. Each ends with an error or with the right answer.
var hostile = []struct{ expr, want string }{
	// endless, whoever wrote it
	{`def f: f; f`, "takes more than"},
	{`[range(1e12)]`, "takes more than"},
	{`repeat(1)`, "returns more than 1000 values"},
	{`last(range(1e12))`, "takes more than"},
	{`until(false; .)`, "takes more than"},
	{`try (def f: f; f) catch "caught"`, "takes more than"},
	// regular expressions
	{`.text | gsub("a"; "bb") | length`, "than"}, // makes more than 40 MiB or, on a busy machine, takes longer than 1 s
	{`.text[:65536] | gsub("a"; "bb") | length`, `131072`},
	{`.text[:65536] | [match("a"; "g").offset] | length`, "than"},
	{`.text[:65536] | [scan("a")] | length`, "than"},
	{`.text | [splits("a")] | length`, "than"},
	{`.text[:65536] | gsub("(?<x>a)"; "\(.x)b") | length`, "than"},
	{`.text | gsub("b"; "c") | length`, `1048576`},
	{`.text | test("(a*)*b")`, `false`},
	{`.text | test("(a{0,500}){0,2}b")`, "too long for a regular expression"},
	{`.text | .[:5000] as $re | test($re)`, "longer than 2048 bytes"},
	{`"(?:" + .text[:2000] + "){1000}" as $re | .small | test($re)`, "a regular expression is too large"},
	{`"(?i)(?:" + .text[:1000] + "){19}" as $re | .small | test($re)`, `false`},
	{`.text | gsub("a.*b|a"; "c") | length`, "than"},
	// sums, products, texts
	{`.small * 60000000`, "makes more than"},
	{`.small * .number`, "makes more than"},
	{`.text as $s | reduce .list[] as $x (""; . + $s)`, "makes more than"},
	{`.text as $s | reduce .list[] as $x (""; "\(.)\($s)")`, "makes more than"},
	{`.text as $s | {} | reduce range(100) as $x (.; .out += $s)`, "makes more than"},
	{`. as $e | reduce .list[] as $x ([]; . + $e.list)`, "makes more than"},
	{`.text as $s | [.list[] | $s] | add`, "than"},
	{`.text as $s | add(.list[] | $s)`, "than"},
	{`.text as $s | [.list[:1000][] | $s] | join(",")`, "than"},
	{`.text as $s | .list | join($s)`, "than"},
	{`. as $e | [.list[] | $e | tojson] | length`, "makes more than"},
	{`. as $e | [.list[] | $e | tostring] | length`, "makes more than"},
	// a text or a list of the event, made anew for each value of a list
	{`. as $e | [.list[] | $e | @json] | length`, "makes more than"},
	{`. as $e | [.list[] | $e.text | @text, @html] | length`, "makes more than"},
	{`. as $e | [.list[] | $e.text | @base64] | length`, "makes more than"},
	{`. as $e | [.list[] | $e.text | @base64d] | length`, "makes more than"},
	{`. as $e | [.list[] | @uri "\($e.text)"] | length`, "makes more than"},
	{`. as $e | [.list[] | $e.text | @urid] | length`, "makes more than"},
	{`. as $e | [.list[] | $e.text | format("base64")] | length`, "makes more than"},
	{`. as $e | [.list[] | $e.list | @csv] | length`, "makes more than"},
	{`. as $e | [.list[] | $e.list | @tsv, @sh] | length`, "makes more than"},
	{`. as $e | [.list[] | $e.text | ascii_upcase] | length`, "makes more than"},
	{`. as $e | [.list[] | $e.text | ascii_downcase] | length`, "makes more than"},
	{`. as $e | [.list[] | $e.numbers | implode] | length`, "makes more than"},
	{`. as $e | [.list[] | $e.list | reverse] | length`, "makes more than"},
	{`. as $e | [.list[] | $e.list | sort] | length`, "makes more than"},
	{`. as $e | [.list[] | $e.numbers | unique] | length`, "makes more than"},
	{`. as $e | [.list[] | $e.list | keys] | length`, "makes more than"},
	{`. as $e | [.list[] | $e.list | flatten] | length`, "makes more than"},
	{`. as $e | [.list[] | [$e.list] | flatten(1)] | length`, "makes more than"},
	{`.text | explode | length`, `1048576`},
	{`[.text, .text, .text] | map(explode) | length`, "makes more than"},
	{`.text | split("a") | length`, "makes more than"},
	{`[.text, .text, .text] | map(split("")) | length`, "makes more than"},
	{`. as $e | [.list[] | $e.text / "a"] | length`, "makes more than"},
	{`[.text, .text, .text] | .[] /= "a" | length`, "makes more than"},
	{`. as $e | [.list[] | [$e.list[:5000], $e.list[:5000]] | transpose] | length`, "makes more than"},
	{`[.list, (.list[] | [])] | transpose | length`, "than"},
	// comparing each with each
	{`.list - .list | length`, "takes more than"},
	{`.list[:2000] - .numbers[:2000] | length`, `0`},
	{`.list - [1] | length`, `50000`},
	{`.list | contains([range(1000) | 1])`, `false`},
	{`.numbers | contains(.)`, "takes more than"},
	{`.numbers as $n | .numbers | inside($n)`, "takes more than"},
	{`.list | indices([0, 0]) | length`, `49999`},
	{`.list as $l | .list | index($l[:25000])`, "takes more than"},
	{`.list[.list[:25000]]`, "used as an index"},
	{`.text | rindex("b")`, `null`},
	{`.text[:500000] | index("no needle of forty letters is in this hay")`, `null`},
	{`.text | indices("ba")`, `[]`},
	{`.text | [index("b"), rindex("ab"), indices("ba")]`, "makes more than"},
	// numbers, indexes, times
	{`.digits | tonumber`, "at most 1000 bytes"},
	{`.digits | fromjson`, `1.7976931348623157e+308`},
	{`.json | fromjson | length`, "makes more than"},
	{`.list[.number] = 1`, "too large"},
	{`.list[.number] |= 1`, "too large"},
	{`.list[.number] += 1`, "too large"},
	{`setpath(["list", .number]; 1)`, "too large"},
	{`. as $e | pick(.list[$e.number])`, "too large"},
	{`getpath(["list", .number]) = 1`, "too large"},
	{`. as $e | fromstream([["a", $e.number], 1], [["a", $e.number]])`, "too large"},
	{`.text as $f | 0 | strftime($f)`, "longer than 512 bytes"},
	// deletions
	{`del(.list[] | select(. == 0)) | .list | length`, `0`},
	{`.list |= map(select(. > 0)) | .list | length`, `0`},
	{`.deep | [paths] | length`, "makes more than"},
	{`[.deep | tostream] | length`, "than"},
}

func hostileEvent() any {
	list, numbers := make([]any, 50_000), make([]any, 50_000)
	for i := range list {
		list[i], numbers[i] = 0, i
	}
	deep := any(1)
	for range 900 {
		deep = []any{deep}
	}
	wide := make([]any, 20_000)
	for i := range wide {
		wide[i] = i
	}
	deep = any(wide)
	for range 900 {
		deep = []any{deep}
	}
	return map[string]any{"text": strings.Repeat("a", 1<<20), "list": list, "numbers": numbers, "number": 500_000_000,
		"small": "sixteen letters!", "digits": strings.Repeat("9", 1_000_000), "deep": deep,
		"json": "[" + strings.Repeat("{},", 1_000_000) + "{}]"}
}

// TestHostile runs one hostile expression after the other and watches time and
// heap. It is not parallel: what others take would count as well.
func TestHostile(t *testing.T) {
	const (
		maxTime   = 1500 * time.Millisecond
		maxMemory = 64 << 20
	)
	event := hostileEvent()
	env := NewEnvironment(nil, time.Second)
	var worst uint64
	for i, test := range hostile {
		if underRace && i%5 != 0 {
			continue // one goroutine has nothing to race with
		}
		e, cerr := env.Compile(test.expr)
		if cerr != nil {
			t.Fatalf("%s: %s", test.expr, cerr.Message)
		}
		for try := 1; ; try++ {
			runtime.GC()
			base := heap()
			began := time.Now()
			v, err := e.Eval(t.Context(), event)
			took := time.Since(began)
			grown := max(heap(), base) - base
			got := asJSON(v)
			if err != nil {
				got = err.Error()
			}
			ok := strings.Contains(got, test.want) && (underRace || took <= maxTime && grown <= maxMemory)
			if !ok && try < 3 {
				continue // the machine may be busy with something else
			}
			if !ok {
				t.Errorf("%s gives %.200s, want %q; it took %v and %d MiB", test.expr, got, test.want, took, grown>>20)
			}
			worst = max(worst, grown)
			break
		}
	}
	t.Logf("the heap grew by %d MiB at most", worst>>20)
}

// heap is what is in use or not yet collected, in bytes: after an evaluation
// that is about its peak, since the collector waits for the heap to double.
func heap() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// TestHostileTogether has a hundred hostile events at once, and others that
// have to go on meanwhile.
func TestHostileTogether(t *testing.T) {
	env := NewEnvironment(nil, time.Minute)
	event := hostileEvent()
	good, cerr := env.Compile(`[.list[:10][] | tostring] | join(",")`)
	if cerr != nil {
		t.Fatal(cerr.Message)
	}
	var bad []*Expr
	for _, x := range []string{`. as $e | [.list[] | $e | tojson]`, `.text | gsub("a"; "bb")`, `[.text, .text, .text] | map(explode)`,
		`.numbers | contains(.)`, `del(.list[] | select(. == 0))`} {
		e, cerr := env.Compile(x)
		if cerr != nil {
			t.Fatal(cerr.Message)
		}
		bad = append(bad, e)
	}
	runtime.GC()
	base := heap()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() { _, _ = bad[i%len(bad)].Eval(ctx, event) })
	}
	var worst uint64
	for range 20 {
		if v, err := good.Eval(t.Context(), event); err != nil || v != "0,0,0,0,0,0,0,0,0,0" {
			t.Errorf("got %v, %v", v, err)
		}
		worst = max(worst, max(heap(), base)-base)
		runtime.Gosched()
	}
	cancel() // those that still wait for their turn end now
	wg.Wait()
	if worst > 256<<20 && !underRace {
		t.Errorf("the heap has grown by %d MiB", worst>>20)
	}
	t.Logf("the heap grew by %d MiB at most", worst>>20)
}

// TestManyRegularExpressions evaluates a different regular expression for each
// event, as an event can make it do: what is kept of them is bounded.
func TestManyRegularExpressions(t *testing.T) {
	tests := []struct {
		name, pattern string
		events        int
	}{
		{"small", "(some|[a-f]+ %d)$", 10_000},
		{"tiny", "%d", 10_000},
		{"large", "(?:" + strings.Repeat("ab", 400) + "%d){20}", 300},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e, fault := NewEnvironment(nil, time.Second).Compile(`. as $e | "some text" | test($e)`)
			if fault != nil {
				t.Fatal(fault.Message)
			}
			runtime.GC()
			base := heap()
			for i := range test.events {
				if _, err := e.Eval(t.Context(), fmt.Sprintf(test.pattern, i)); err != nil {
					t.Fatal(err)
				}
				if i%(test.events/5) == 0 || i == test.events-1 {
					runtime.GC()
					if grown := max(heap(), base) - base; grown > 16<<20 {
						t.Fatalf("after %d expressions the heap has grown by %d MiB", i+1, grown>>20)
					}
				}
			}
		})
	}
}

func TestHostileEvents(t *testing.T) {
	t.Parallel()
	deep := any(1)
	for range 100_000 {
		deep = []any{deep}
	}
	tests := []struct {
		name, expr string
		event      any
		want       string
	}{
		{"deep", `.`, deep, "nested more than"},
		{"deep in an error", `.x`, deep, "expected an object but got: array"},
		{"deep below", `.[0] | type`, deep, `"array"`},
		{"NaN", `.`, math.NaN(), `null`},
		{"infinity", `[.]`, math.Inf(-1), `[-1.7976931348623157e+308]`},
		{"invalid UTF-8", `.`, "a\xff\xfeb", "\"a\ufffdb\""},
		{"invalid UTF-8 in a key", `.`, map[string]any{"a\xff": 1}, "{\"a\ufffd\":1}"},
		{"invalid UTF-8 in functions", `[explode, length, @uri, ascii_upcase, test("a.")]`, "a\xff", "[[97,65533],2,\"a%FF\",\"A\ufffd\",true]"},
		{"no value", `.a.b`, nil, `null`},
		{"another type", `.a`, struct{}{}, "the evaluation failed"},
		{"another type in tojson", `tojson`, struct{}{}, "the evaluation failed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e, cerr := NewEnvironment(nil, time.Second).Compile(test.expr)
			if cerr != nil {
				t.Fatal(cerr.Message)
			}
			v, err := e.Eval(t.Context(), test.event)
			got := asJSON(v)
			if err != nil {
				if got = err.Error(); v != nil {
					t.Errorf("a part of the value comes with the error %s", got)
				}
			}
			if !strings.Contains(got, test.want) {
				t.Errorf("got %.200s, want %s", got, test.want)
			}
		})
	}
}
func TestCanceled(t *testing.T) {
	t.Parallel()
	cause := errors.New("shut down")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	e, cerr := NewEnvironment(nil, time.Second).Compile(`[range(1e12)]`)
	if cerr != nil {
		t.Fatal(cerr.Message)
	}
	if _, err := e.Eval(ctx, nil); !errors.Is(err, cause) {
		t.Errorf("error %v, want %v", err, cause)
	}
}

// TestTimeout stops what takes few steps but much time.
func TestTimeout(t *testing.T) {
	t.Parallel()
	for _, x := range []string{
		`.text as $s | [range(1e6) | $s[1:]] | length`,
		`.text | gsub("a.*b|a"; "c") | length`,
		`.text | [match("a.*b|a"; "g")] | length`,
	} {
		e, cerr := NewEnvironment(nil, 50*time.Millisecond).Compile(x)
		if cerr != nil {
			t.Fatal(cerr.Message)
		}
		began := time.Now()
		if _, err := e.Eval(t.Context(), hostileEvent()); err == nil {
			t.Errorf("%s has ended after %v, want an error", x, time.Since(began))
		}
	}
}
