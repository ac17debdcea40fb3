package jq

import (
	"testing"
	"time"

	"github.com/itchyny/gojq"
)

// otherwise are the expressions of evalTests that plain gojq evaluates
// otherwise or not at all, and why the agent differs.
var otherwise = map[string]string{
	``:                                   "blank is the event, as it has always been",
	"  \n":                               "blank is the event, as it has always been",
	`# nothing but a comment`:            "blank is the event, as it has always been",
	`debug | debug("x") | stderr | .a.b`: "jq 1.5 has stderr and debug; nothing is printed",
	`[inputs]`:                           "there is one event; jq 1.5 gives nothing for it",
	`input_filename`:                     "jq 1.5",
	`input_line_number`:                  "jq 1.5",
	`$__loc__`:                           "jq 1.5",
	`{$__loc__} | .__loc__.line`:         "jq 1.5",
	`.a | keys_unsorted`:                 "jq 1.5",
	`[.a | leaf_paths]`:                  "jq 1.5",
	"\"a b/c!*'()~-_.é\" | @uri":         "jq 1.5 leaves !*'() alone",
	`[1, null, {}] | map(ltrimstr("x"), rtrimstr(1))`:                   "jq 1.5 passes on what is no text",
	`[{"name":"a","value":1},{"k":"b","v":2},{"key":3}] | from_entries`: "jq 1.5 knows k and v, and keys that are no text",
	`now | date | type`: "jq 1.5 has date",
}

// moreExprs are what TestSameAsGojq compares beside evalTests.
var moreExprs = []string{
	// join, products and reverse, which an older engine of the agent did otherwise
	`["a", "b"] | join(null)`, `[] | join(null)`, `["a"] | join(null)`, `["a", 1] | join(",")`, `[["a"]] | join(",")`, `{"a": "x", "b": "y"} | join("-")`,
	`"x" * 0.5`, `"x" * -1`, `"x" * 1.5`, `0 * "x"`, `"x" * nan`, `"abc" | reverse`, `"" | reverse`, `null | reverse`, `{} | reverse`, `1 | reverse`,
	// sums
	`null + 1`, `1 + null`, `null + null`, `"a" + null`, `[1] + null`, `{} + null`, `[1] + [2, 3]`, `{"a": 1} + {"a": 2, "b": 3}`, `"a" + 1`, `[] + {}`,
	`(1, 2) + (10, 20)`, `[(1, 2) + (10, 20)]`, `[(1, 2) * (3, 4), (5, 6) - (1, 2)]`, `[1, 2, 1, 3] - [1]`, `[[1], {"a": 2}, "x", null] - [{"a": 2}, null]`, `[] - [1]`, `[1] - []`, `{} - {}`,
	`{"a": {"b": 1, "c": 2}} * {"a": {"b": 3}}`, `.id + 1`, `.id - 1`, `-.id`, `1.5 + 1`, `9223372036854775807 * 2`, `-9223372036854775808 - 1 + 1`, `0.1 + 0.2`,
	`[] | add`, `{} | add`, `null | add`, `[null, null] | add`, `["a", null, "b"] | add`, `[[1], [2]] | add`, `[{"a": 1}, {"b": 2}] | add`, `[1, "a"] | add`, `{"x": 1, "y": 2} | add`, `add(.a.c[])`, `"abc" | add`,
	// updates
	`.a.b += 1`, `.a.b -= 1`, `.a.b *= 5`, `.a.s += "!"`, `.a.c += [4]`, `.a.none += 1`, `.a.c[] += 1`, `.a.c[1:] = [9]`, `.a.c[-1] = 9`, `.a.c[5] = 1`, `.x.y.z = 1`,
	`.a.c |= sort`, `.a.c[] |= empty`, `.a.c |= map(select(. > 1))`, `. as $e | .a.c[$e.a.b] = 7`, `. as $e | .a[$e.a | keys[0]] |= tostring`, `. as $e | .a.c[$e.a.b] += 1`, `getpath(["a", "c", 0]) = 5`, `.a.c[.a.b] |= 3`,
	`del(.a.c[0, 2])`, `del(.a.c[] | select(. == 2))`, `del(.a, .id, .n)`, `to_entries | map(select(.key | test("^[af]"))) | from_entries`, `setpath(["a", "c", 1]; 0)`, `delpaths([["a"], ["n"]])`, `paths(type == "number")`, `[tostream] | fromstream(.[])`,
	// text
	`"a,b;c" | split(",")`, `"" | split(",")`, `"abc" | split("")`, `"a1b2" | split("[0-9]"; null)`, `"a1b2" | [splits("[0-9]")]`, `"abab" | index("b"), rindex("b")`, `"abab" | [indices("ab")]`, `"aaa" | indices("aa")`,
	`"äöä" | indices("ä")`, `"" | indices("")`, `null | index("a")`, `[1, 2, 1, 2] | indices([1, 2])`, `[1, 2, 1] | indices(1)`, `[1, 2] | index(5)`, `"abc" | indices(1)`, `[1, [2]] | .[[2]]`,
	`"foo bar" | contains("bar")`, `["foobar", "baz"] | contains(["bar"])`, `{"a": [1, "xyz"]} | contains({"a": ["y"]})`, `1 | contains(1)`, `1 | contains("1")`, `null | contains(null)`, `[[1]] | contains([[]])`, `"bar" | inside("foobar")`, `true | contains(true)`, `{} | contains({"a": null})`,
	`"test" | ascii_upcase | explode | implode`, `"x" | ltrimstr("y")`, `"xyx" | trimstr("x")`, `" a " | trim, ltrim`, `"a\("b" + "c")d"`, `@json "v=\(.a.c)"`, `@html "<\("<&>")>"`, `@sh "echo \("it's")"`, `@csv "\([1, "a\"b"])"`, `@base64d "\("eHk=")"`, `@uri "\("ä ")"`,
	// regular expressions
	`"abc" | [match("";"g").offset]`, `"aXbxc" | [match("x"; "gi") | .offset, .string]`, `"foo bar" | capture("(?<a>\\w+) (?<b>\\w+)")`, `"xyz" | capture("(?<n>a)?")`, `"abc" | [match("(a)(x)?").captures[].string]`, `"aaa" | gsub("a"; "b", "c")`, `[ "aaa" | gsub("a"; "b", "c") ]`,
	`"abc" | gsub("^"; ">")`, `"abc" | gsub("$"; "<")`, `"a.b" | gsub("\\."; "_")`, `"aé😀b" | gsub("(?<x>[^a-z])"; "<\(.x)>")`, `"aé😀b" | [match("b").offset]`, `"abc" | gsub("(?<x>.)"; empty)`, `[ "abc" | gsub("b"; empty) ]`, `"abc" | sub("(?<x>b)"; .x | ascii_upcase)`,
	`"abc" | gsub("[a-z]*"; "x")`, `"a b" | [match("[a-z]*"; "g").length]`, `"test" | test("T"; "i")`, `"test" | test(["T", "i"])`, `"a\nb" | test("a.b"; "m")`, `"abc" | [scan("b|c")]`, `"abc" | [scan("(a)(b)")]`, `"abc" | sub("b"; 1)`, `1 | test("a")`, `"a" | test("(")`,
	// numbers and times
	`"12" | tonumber`, `"0x1" | tonumber`, `"nan" | tonumber`, `" 1" | tonumber`, `"1e1000" | tonumber`, `[.[] | numbers]`, `"[1, {\"a\": 1e400}]" | fromjson`, `"1 2" | fromjson`, `"nan" | fromjson`, `12345678901234567890123 | tostring`,
	`0 | todate`, `0 | strftime("%A %d %B %Y")`, `"10:15" | strptime("%H:%M")`, `1425599621 | gmtime | mktime`, `0 | strflocaltime("%H")`, `"2015-03-05T23:51:47.123Z" | try fromdate catch "no"`,
	// the rest
	`[.a.c | min, max, sort, unique, reverse]`, `.a.c | group_by(. % 2)`, `.a.c | transpose?`, `[[1], [2, 3]] | transpose`, `[limit(0; 1, 2)]`, `[.a.c | .[1:], .[:-1]]`, `.a | to_entries | map(.key)`, `.a | with_entries(.value |= tostring)`, `[splits("a")?]`,
	`$ENV.TOKEN, env.EMPTY`, `[., 1] | first | type`, `getpath(["a", "x", "y"])`, `[paths(..)] | length`, `.a | has("b"), has("x")`, `[.a.c[] as $x | $x * 2]`, `error(null)?`, `try error catch .id`, `[range(0, 1; 3, 4)]`, `isempty(empty)`,
}

// TestSameAsGojq compares what the expressions of evalTests give with what
// plain gojq gives, and holds otherwise to the ones that differ.
func TestSameAsGojq(t *testing.T) {
	t.Parallel()
	compared, differ := 0, 0
	exprs := moreExprs
	for _, test := range evalTests {
		exprs = append(exprs, test.expr)
	}
	seen := map[string]bool{}
	for _, x := range exprs {
		if seen[x] {
			t.Errorf("%s is there twice", x)
		}
		seen[x] = true
		got, err := evaluate(t, x, evalEvent)
		if err != nil {
			got = "null" // TestEvalErrors looks at failures
		}
		same := plainGojq(t, x) == got
		compared++
		if !same {
			differ++
		}
		if _, listed := otherwise[x]; listed == same {
			t.Errorf("%s gives %s and in gojq %s; is it among otherwise: %t", x, got, plainGojq(t, x), listed)
		}
	}
	if compared < 242 {
		t.Errorf("%d expressions were compared, want 242 or more", compared)
	}
	t.Logf("%d expressions, %d differ", compared, differ)
}

// plainGojq gives the first value of an expression in gojq as JSON, null where
// it fails and "" where it does not compile.
func plainGojq(t *testing.T, text string) string {
	t.Helper()
	q, err := gojq.Parse(text)
	if err != nil {
		return ""
	}
	code, err := gojq.Compile(q, gojq.WithEnvironLoader(func() []string { return testEnv }))
	if err != nil {
		return ""
	}
	v, _ := code.Run(decode(t, evalEvent)).Next()
	if _, ok := v.(error); ok {
		return "null"
	}
	if v, err = settle(v); err != nil {
		t.Fatal(err)
	}
	return asJSON(v)
}

// TestDirect holds the direct evaluation to the interpreter's,
// failures included.
func TestDirect(t *testing.T) {
	t.Parallel()
	direct := []string{
		`.`, `.a.b`, `.a["b"]`, `."a"`, `.a.c.d`, `.f.g`, `.z.y.x`, `.["a"].b`, `null`, `true`, `false`, `3`, `"x"`,
		`.a.b == 1`, `.a.b != 1`, `.id == 12345678`, `.t == true`, `.z == null`, `.f == 1`, `.a.b == "1"`, `.a.s == "x y"`, `.a.s != "x y"`, `.none == .none`,
		`.t and .z`, `.z and .a.b.c`, `.a.b.c and .t`, `.t or .a.b.c`, `.z or .t`, `(.a.s == "x y") and (.t | not | not)`,
		`.a | .b`, `.a | .b | .c`, `.a | not`, `.a.s | test("^x")`, `.a.s | test("y$")`, `.a.b | test("x")`,
	}
	interpreted := []string{
		`.a as $x | $x.b`, `. as {a: $x} | $x`, `def not: 1; .z | not`, `.a.c[0]`, `.a?`, `{a: 1}`, `[.a]`, `.a, .b`, `.a.c[]`, `..`, `.a == .a`, `-1`, `1.5`, `12345678901234567890`,
		`.z // 1`, `.a.s | startswith("x")`, `.a.s | test("^x"; "i")`, `.a.s | test(.)`, `.a.b + 1`, `env.TOKEN`, `.id > .n`, `.a.s | contains("x")`, `.a[.a.s]`,
	}
	for i, x := range append(direct, interpreted...) {
		e, cerr := NewEnvironment(testEnv, time.Second).Compile(x)
		if cerr != nil {
			t.Fatal(x, cerr.Message)
		}
		event := decode(t, evalEvent)
		_, ok := e.env.direct(e.query, event)
		got, gotErr := e.Eval(t.Context(), event)
		want, wantErr := e.interpret(t.Context(), event)
		if ok != (i < len(direct) && wantErr == nil) {
			t.Errorf("%s is evaluated directly: %t", x, ok)
		}
		if asJSON(got) != asJSON(want) || (gotErr == nil) != (wantErr == nil) || gotErr != nil && gotErr.Error() != wantErr.Error() {
			t.Errorf("%s: direct gives %s, %v; the interpreter %s, %v", x, asJSON(got), gotErr, asJSON(want), wantErr)
		}
	}
}
