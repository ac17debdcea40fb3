package jq

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/itchyny/gojq"
)

// grammar makes expressions: each name in angle brackets is replaced by one of
// its texts.
var grammar = map[string][]string{
	"e": {"<v>", "<v>", "<e> | <e>", "<e>, <e>", "<e> <op> <e>", "<e> // <e>", "(<e>)", "[<e>]", "{k: (<e>), (<k>): 1}",
		"<f>", "if <e> then <e> else <e> end", "if <e> then <e> end", "try (<e>) catch \"caught\"", "(<e>)?", "<v> as $x | <e> | ., $x",
		"reduce (<e>) as $i (<v>; . <op> $i)", "[foreach (<e>) as $i (0; <e>; [$i, .])]", "[limit(3; <e>)]", "first(<e>)", "<upd>",
		"\"<t>\\(<e>)<t>\"", "@<fmt> \"\\(<v>)\"", "@<fmt>", "label $l | <e>, break $l, <e>", "def f(g): g | <e>; f(<e>)", "def f: <e>; f",
		". as {a: $y, l: [$z]} | [$y, $z, <e>]", "<e> | <path>", "(<e> | numbers) * (<e> | numbers)", "(<e> | objects) * (<e> | objects)", "-(<v>)", "<e> and <e> or <e>", "[<e> | not]", "[..] | length", "isempty(<e>)"},
	"v":   {".", ".a", ".a.b", ".l", ".l[0]", ".l[1:]", ".o", ".o.k", ".s", ".n", ".z", ".l[]", ".o[]", ".a.b.c", ".[\"s\"]", ".l[-1]", ".l[<n>]", "1", "-2", "0.5", "null", "true", "\"x\"", "[]", "{}", "[1, 2]", "{\"b\": 2}", "$ENV.TOKEN"},
	"n":   {"0", "1", "5", "-1", "\"a\"", ".n"},
	"k":   {"\"a\"", ".s", "\"k\\(.n)\"", ".n"},
	"t":   {"", "a", "é"},
	"op":  {"+", "-", "/", "%", "==", "!=", "<", "<=", ">", ">="},
	"fmt": {"json", "text", "csv", "tsv", "html", "sh", "base64", "base64d"},
	"path": {".a", ".a.b", ".l[0]", ".l[]", ".o", ".o.k", ".l[1:]", ".[\"s\"]", ".l[5]", "..", ".a, .o", "(.l[] | select(. == 1))", "first(.l[])",
		"getpath([\"a\", \"b\"])", "paths", "recurse", ".z.y", "(.a | .b)", "if .a then .a else .o end", ".l[-1]", "(.o // .a)"},
	"upd": {"(<path>) = (<e>)", "(<path>) |= (<e>)", "(<path>) += (<v>)", "(<path>) //= (<v>)", "(<path>) -= (<v>)", "del(<path>)", "[path(<path>)]", "map_values(<e>)",
		"to_entries", "(objects | with_entries(.value |= (<e>)))", "delpaths([[\"a\"], [\"l\", 0]])", "setpath([\"l\", <n>]; <v>)", "pick(.a.b)", "walk(<e>)"},
	"f": {"length", "keys", "type", "tostring", "tojson", "tonumber", "add", "add(<e>)", "sort", "sort_by(<v>)", "unique", "group_by(<v>)", "min", "max_by(<v>)", "(arrays | reverse)", "flatten",
		"map(<e>)", "select(<e>)", "has(<n>)", "contains(<e>)", "inside(<e>)", "index(<e>)", "indices(<v>)", "rindex(\"x\")", "join(\"-\")", "join(<v>)", "split(\"x\")", "splits(\" \")",
		"startswith(\"x\")", "endswith(<v>)", "ascii_upcase", "explode", "implode", "test(\"X\"; \"i\")", "gsub(\"[xy]\"; \"-\")", "gsub(\"(?<c>[xy])\"; \"<\\(.c)>\")", "sub(\"x\"; <v>)",
		"scan(\"[a-z]\")", "match(\"x\").offset", "capture(\"(?<w>.) \")", "any", "all(<e>)", "any(<v>; <e>)", "range(3)", "range(0; 4; 2)", "floor", "fromjson", "error(<v>)", "empty",
		"tostream", "[paths]", "transpose", "combinations", "to_entries", "last(<e>)", "nth(1; <e>)", "until(. == null; null)", "IN(<e>)", "INDEX(.)", "getpath([\"a\"])",
		"(strings | ltrimstr(\"x\"))", "trim", "utf8bytelength", "abs", "toarray", "env.TOKEN", "bsearch(1)", "tojson | fromjson", "limit(2; repeat(1))", "isvalid(<e>)?", "@json"},
}

func expand(r *rand.Rand, s string, depth int) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(s, "<")
		name, after, closed := strings.Cut(rest, ">")
		texts := grammar[name]
		if !ok || !closed || texts == nil {
			b.WriteString(before)
			if !ok {
				return b.String()
			}
			b.WriteByte('<')
			s = rest
			continue
		}
		b.WriteString(before)
		if depth <= 0 && name == "e" {
			texts = grammar["v"]
		}
		b.WriteString(expand(r, texts[r.IntN(len(texts))], depth-1))
		s = after
	}
}

// TestRandom compares what random expressions give with what they give in
// gojq: the first value, or that there is an error.
func TestRandom(t *testing.T) {
	t.Parallel()
	inputs := []string{
		`{"a":{"b":1},"l":[1,"x",null,{"a":2},[3]],"o":{"k":"v","n":[1]},"s":"x y x","n":3,"z":null}`,
		`{"a":{"b":{"c":"x"}},"l":[3,1,2],"o":{},"s":"","n":-1.5,"z":null}`,
		`[1,[2,3],{"a":1}]`, `"x,y"`, `null`,
	}
	n := 3000
	if underRace {
		n /= 10
	}
	r := rand.New(rand.NewPCG(1, 2))
	compared := 0
	for range n {
		x, input := expand(r, "<e>", 4), inputs[r.IntN(len(inputs))]
		q, err := gojq.Parse(x)
		if err != nil || strings.Contains(x, "isvalid") { // which gojq lacks
			continue
		}
		code, err := gojq.Compile(q, gojq.WithEnvironLoader(func() []string { return testEnv }))
		if err != nil {
			continue
		}
		want, ok, wantErr := gojqFirst(code, decode(t, input))
		if !ok {
			continue
		}
		e, cerr := NewEnvironment(testEnv, time.Minute).Compile(x)
		if cerr != nil {
			t.Errorf("%s does not compile: %s", x, cerr.Message)
			continue
		}
		got, gotErr := e.Eval(t.Context(), decode(t, input))
		compared++
		if (gotErr == nil) != (wantErr == nil) || asJSON(got) != asJSON(want) {
			t.Errorf("%s\non   %s\ngot  %s, %v\ngojq %s, %v", x, input, asJSON(got), gotErr, asJSON(want), wantErr)
		}
	}
	if compared < n/4 {
		t.Errorf("%d of %d expressions were compared", compared, n)
	}
	t.Logf("%d expressions", compared)
}

// gojqFirst gives the first output of code. ok is false where gojq panics,
// which some assignments make it do.
func gojqFirst(code *gojq.Code, input any) (first any, ok bool, err error) {
	defer func() {
		if recover() != nil {
			first, ok, err = nil, false, nil
		}
	}()
	outputs := code.Run(input)
	for n := 0; ; n++ {
		v, more := outputs.Next()
		if !more {
			break
		}
		if err, failed := v.(error); failed {
			return nil, true, err
		}
		if n == 0 {
			first = v
		}
		if n >= maxOutputs {
			return nil, true, errSteps
		}
	}
	first, err = settle(first)
	return first, true, err
}
