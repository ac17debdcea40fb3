package transform

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

// hostile are expressions that would take the agent down if they could, on an
// event of hostileEvent. Each ends with an error or with the right answer.
var hostile = []struct{ expr, want string }{
	// endless
	{`def f: f; f`, "takes more than"},
	{`def f: 1 + f; f`, "takes more than"},
	{`def f: (1, 2) | f; f`, "takes more than"},
	{`def f: .[]?, f; f`, "gives more than 1000 values"},
	{`[range(1e12)]`, "takes more than"},
	{`[range(1e12) | {a: ., b: .}]`, "takes more than"},
	{`[limit(1e9; repeat(1))]`, "takes more than"},
	{`[repeat(1)]`, "takes more than"},
	{`repeat(1)`, "gives more than 1000 values"},
	{`last(range(1e12))`, "takes more than"},
	{`until(false; .)`, "takes more than"},
	{`[while(true; .)]`, "takes more than"},
	{`[recurse(1)]`, "takes more than"},
	{`try (def f: f; f) catch "caught"`, "takes more than"},
	{`[.[]?, (def f: f; f)?] | length`, "takes more than"},
	{`label $x | foreach range(1e12) as $i (0; 1; empty)`, "takes more than"},
	// much from little
	{`reduce range(40) as $i ("x"; . + .)`, "makes more than"},
	{`reduce range(40) as $i ("x"; "\(.)\(.)")`, "makes more than"},
	{`reduce range(40) as $i ([1]; . + .)`, "makes more than"},
	{`reduce range(40) as $i ({a: 1}; . + {"\($i)": .})`, "makes more than"},
	{`reduce range(40) as $i (1; [., .])`, "makes more than"},
	{`reduce range(40) as $i (1; [., .]) | tojson`, "makes more than"},
	{`reduce range(40) as $i (1; [., .]) | flatten`, "makes more than"},
	{`reduce range(40) as $i (1; [., .]) | . == (.[0] | [., .])`, "makes more than"},
	{`reduce range(40) as $i (1; [., .]) | [., .] | sort, unique`, "makes more than"},
	{`reduce range(40) as $i (1; [., .]) | contains([1])`, "makes more than"},
	{`reduce range(40) as $i (1; [., .]) | del(.[0][0])`, "makes more than"},
	{`reduce range(40) as $i (1; [., .]) | @html`, "makes more than"},
	{`reduce range(40) as $i (1; [., .]) | index([1])`, "makes more than"},
	{`reduce range(40) as $i ({}; {a: ., b: .}) | . * .`, "makes more than"},
	{`reduce range(1e6) as $i (0; [.])`, "takes more than"},
	{`reduce range(2000) as $i (0; [.])`, "nested"},
	{`reduce range(2000) as $i (0; [.]) | tojson`, "nested"},
	{`reduce range(5000) as $i (0; {a: .}) | [paths] | length`, "makes more than"},
	{`reduce range(40) as $i (10; . * .)`, "too many digits"},
	{`"1" * 1000 | tonumber | [limit(20; repeat(. * .))] | length`, `20`},
	{`"x" * 1e9`, "makes more than"},
	{`["x" * 1000000] * 100`, "cannot multiply"},
	{`"x" * 1000000 as $s | [range(1000) | $s] | add`, "makes more than"},
	{`"x" * 1000000 as $s | [range(1000) | $s] | join("")`, "more than"},
	{`"x" * 1000000 as $s | [range(1000) | $s + "y"] | length`, "makes more than"},
	{`"x" * 1000000 as $s | [range(1000) | $s | explode] | length`, "makes more than"},
	{`[range(1000)] as $l | [range(100000) | $l | map(.)] | length`, "takes more than"},
	{`.b[500000000] = 1`, "index 500000000 is too large"},
	{`setpath(["b", 500000000]; 1)`, "index 500000000 is too large"},
	{`.b[500000000] |= 1`, "index 500000000 is too large"},
	{`.b[500000000] += 1`, "index 500000000 is too large"},
	{`pick(.b[500000000])`, "index 500000000 is too large"},
	{`fromstream([["a", 500000000], 1], [["a", 500000000]])`, "index 500000000 is too large"},
	{`[.list, .list, .list] | combinations | length`, "gives more than"},
	{`reduce range(5000) as $i ([]; . + [[1, 2]]) | combinations | length`, "makes more than"},
	{`.list | combinations(1e6)`, "takes more than"},
	{`[.list[]] as $l | [$l[] | $l[] | $l[]] | length`, "takes more than"},
	{`. as $x | def f: $x.list[] | f; f`, "than"},
	{`[.list, [range(1000) | [1]][]] | transpose | length`, "makes more than"},
	{`.list[.list[:25000]]`, "used as an index"},
	{`getpath(["list", .list[:25000]])`, "used as an index"},
	{`.list | . as {(.[:25000]): $x} | $x`, "used as an index"},
	{`.list[[0, 0]] | length`, `49999`},
	{`"9" * 3000000 | fromjson`, `1.7976931348623157e+308`},
	{`.list - .list | length`, "takes more than"},
	{`.list | indices([0, 0]) | length`, `49999`},
	{`.list | indices(.[:25000]) | length`, "takes more than"},
	// text
	{`.text | gsub("a"; "bb") | length`, "makes more than"},
	{`.text | gsub("a"; .) | length`, "makes more than"},
	{`.text | gsub("(?<x>a)"; "\(.x)b") | length`, "makes more than"},
	{`.text | [match("a"; "g")] | length`, "makes more than"},
	{`.text | test("(a*)*b")`, `false`},
	{`.text | test("(a{0,500}){0,2}b")`, "too long for a regular expression"},
	{`"a" * 5000 | test(.)`, "longer than 2048 bytes"},
	{`"(" * 1000 + ")" * 1000 | . as $x | "a" | test($x)`, "invalid regular expression"},
	{`"a" | test("(((a{1,10}){1,10}){1,10}){1,10}")`, "invalid regular expression"},
	{`.text[:100000] | gsub("a"; "b") | length`, `100000`},
	{`.text | gsub("b"; "c") | length`, `1048576`},
	{`.text | [splits("b")] | length`, `1`},
	{`.text | explode | implode | length`, "makes more than"},
	{`.text | split("") | length`, "makes more than"},
	{`.text | indices("a" * 1000) | length`, "takes more than"},
	{`.text | @uri | @uri | length`, `1048576`},
	{`.text | fromjson`, "not JSON"},
	{`"[" * 100000 | fromjson`, "not JSON"},
	{`"[" * 5000 + "]" * 5000 | fromjson`, "nested"},
	{`"[0" + ",0" * 2000000 + "]" | fromjson | length`, "makes more than"},
	{`"9" * 100000 | tonumber`, "no number"},
	{`[limit(10; repeat("x" * 3000000))] | length`, `10`},
	// others
	{`jn(1e9; 1e10)`, "not between"},
	{`0 | strftime("%1000d" * 100000)`, "longer than 512 bytes"},
	{`[range(1e5)] | group_by(.) | length`, "takes more than"},
	{`[range(10000)] | sort_by(-.) | .[0]`, `9999`},
	{`[range(30000)] | [.[] |= . + 1] | .[0][0]`, "takes more than"},
	{`[range(5000)] | (.[] |= . + 1) | .[0]`, `1`},
	{`nan | [., -., . + 1]`, `[null,null,null]`},
	{`[splits(1)]`, "cannot be applied"},
}

func hostileEvent() any {
	list := make([]any, 50_000)
	for i := range list {
		list[i] = 0
	}
	return map[string]any{"text": strings.Repeat("a", 1<<20), "list": list}
}

// TestHostile runs one hostile expression after the other and watches the
// heap. It is not parallel: what others take would count as well.
func TestHostile(t *testing.T) {
	const (
		timeout   = 30 * time.Second // what is to end them is the other bounds
		maxMemory = 64 << 20
	)
	event := hostileEvent()
	env := newEnvironment(nil)
	runtime.GC()
	base := heap()
	var worst uint64
	for i, test := range hostile {
		if underRace && i%5 != 0 {
			continue // one goroutine has nothing to race with
		}
		e, cerr := compile(test.expr, place{field: "body"}, timeout, env)
		if cerr != nil {
			t.Fatalf("%s: %s", test.expr, cerr.message)
		}
		v, err := e.eval(t.Context(), event)
		grown := max(heap(), base) - base
		worst = max(worst, grown)

		got := asJSON(v)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, test.want) {
			t.Errorf("%s gives %.200s, want %q", test.expr, got, test.want)
		}
		if grown > maxMemory {
			t.Errorf("%s: the heap has grown by %d MiB", test.expr, grown>>20)
		}
		runtime.GC()
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

// TestHostileTogether has many hostile events at once, and others that have to
// go on meanwhile.
func TestHostileTogether(t *testing.T) {
	env := newEnvironment(nil)
	bad, cerr := compile(`def f: (1, 2) | f; f`, place{field: "body"}, time.Minute, env)
	if cerr != nil {
		t.Fatal(cerr.message)
	}
	good, cerr := compile(`[.list[:10][] | tostring] | join(",")`, place{field: "body"}, time.Minute, env)
	if cerr != nil {
		t.Fatal(cerr.message)
	}
	event := hostileEvent()
	runtime.GC()
	base := heap()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if _, err := bad.eval(ctx, event); !errors.Is(err, errSteps) && ctx.Err() == nil {
				t.Errorf("error %v, want %v", err, errSteps)
			}
		})
	}
	var worst uint64
	for range 10 {
		if _, err := good.eval(t.Context(), event); err != nil {
			t.Error(err)
		}
		runtime.GC() // what they hold counts, not what they have made
		worst = max(worst, max(heap(), base)-base)
	}
	cancel() // those that still wait for their turn end now
	wg.Wait()
	// Those that wait hold some 150 KiB each; without a turn to wait for it
	// would be 40 MiB.
	if worst > 192<<20 {
		t.Errorf("the heap has grown by %d MiB", worst>>20)
	}
	t.Logf("the heap grew by %d MiB at most", worst>>20)
}

func TestManyRegularExpressions(t *testing.T) {
	e, cerr := compile(`. as $e | "some text" | test($e)`, place{field: "enabled"}, time.Second, newEnvironment(nil))
	if cerr != nil {
		t.Fatal(cerr.message)
	}
	runtime.GC()
	base := heap()
	n := 100_000
	if underRace {
		n /= 10
	}
	for i := range n {
		if _, err := e.eval(t.Context(), fmt.Sprintf("(some|[a-f]+ %d)$", i)); err != nil {
			t.Fatal(err)
		}
		if i%10_000 == 0 {
			runtime.GC()
			if grown := max(heap(), base) - base; grown > 16<<20 {
				t.Fatalf("after %d expressions the heap has grown by %d MiB", i, grown>>20)
			}
		}
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
		{"deep in tojson", `tojson`, deep, "nested more than"},
		{"deep in comparison", `. == .`, deep, "nested more than"},
		{"deep in an error", `.x`, deep, "expected an object but got: array"},
		{"deep below", `.[0] | type`, deep, `"array"`},
		{"NaN", `.`, math.NaN(), `null`},
		{"infinity", `[.]`, math.Inf(-1), `[-1.7976931348623157e+308]`},
		{"invalid UTF-8", `.`, "a\xff\xfeb", "\"a\ufffdb\""},
		{"invalid UTF-8 in a key", `.`, map[string]any{"a\xff": 1}, "{\"a\ufffd\":1}"},
		{"invalid UTF-8 in functions", `[explode, length, @uri, ascii_upcase, test("a.")]`, "a\xff", "[[97,65533],2,\"a%FF\",\"A\ufffd\",true]"},
		{"no value", `.a.b`, nil, `null`},
		{"another type", `.a`, struct{}{}, "the evaluation broke down"},
		{"another type in tojson", `tojson`, struct{}{}, "the evaluation broke down"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e, cerr := compile(test.expr, place{field: "body"}, time.Second, newEnvironment(nil))
			if cerr != nil {
				t.Fatal(cerr.message)
			}
			v, err := e.eval(t.Context(), test.event)
			got := asJSON(v)
			if err != nil {
				got = err.Error()
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
	e, cerr := compile(`[range(1e12)]`, place{field: "body"}, time.Second, newEnvironment(nil))
	if cerr != nil {
		t.Fatal(cerr.message)
	}
	if _, err := e.eval(ctx, nil); !errors.Is(err, cause) {
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
		e, cerr := compile(x, place{field: "body"}, 50*time.Millisecond, newEnvironment(nil))
		if cerr != nil {
			t.Fatal(cerr.message)
		}
		began := time.Now()
		if _, err := e.eval(t.Context(), hostileEvent()); err == nil {
			t.Errorf("%s has ended after %v, want an error", x, time.Since(began))
		}
	}
}
