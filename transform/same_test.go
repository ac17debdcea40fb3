package transform

import (
	"slices"
	"testing"
	"time"

	"github.com/itchyny/gojq"
)

// otherwise are the expressions of evalTests that gojq evaluates otherwise, or
// not at all: where jq 1.5 did.
var otherwise = []string{
	``, "  \n", `# nothing but a comment`, `halt`,
	`debug | debug("x") | stderr | .a.b`, `[inputs]`, `input_filename`, `input_line_number`,
	`$__loc__`, `{$__loc__} | .__loc__.line`, `.a | keys_unsorted`, `[.a | leaf_paths]`,
	`"a b/c!*'()~-_.é" | @uri`, `[1, null, {}] | map(ltrimstr("x"), rtrimstr(1))`,
	`"x" * 0`, `null | reverse`, `[{"name":"a","value":1},{"k":"b","v":2},{"key":3}] | from_entries`,
	`"x" | @base32 | ., @base32d`, `now | date | type`, `" +07.50 " | tonumber`,
	`"gAE=" | @base64d`, `["A" | test("a"), test("a"; "i"), test(["a", "i"]), test("a #c"; "ix")]`,
	`def _modify(a; b): "mine"; .a.b |= 5 | .a.b`,
}

// TestSameAsGojq holds the bounded evaluation to gojq's own.
func TestSameAsGojq(t *testing.T) {
	t.Parallel()
	for _, test := range evalTests {
		if slices.Contains(otherwise, test.expr) {
			continue
		}
		t.Run(test.expr, func(t *testing.T) {
			t.Parallel()
			q, err := gojq.Parse(test.expr)
			if err != nil {
				t.Fatal(err)
			}
			code, err := gojq.Compile(q, gojq.WithEnvironLoader(func() []string { return testEnv }))
			if err != nil {
				t.Fatal(err)
			}
			v, _ := code.Run(decode(t, evalEvent)).Next()
			if _, ok := v.(error); ok {
				v = nil // TestEvalErrors compares failures
			}
			v, err = (&run{}).settle(v)
			if err != nil {
				t.Fatal(err)
			}
			if got := asJSON(v); got != test.want {
				t.Errorf("gojq gives %s, the package %s", got, test.want)
			}
		})
	}
}

// TestDirect holds direct evaluation to the interpreter's, failures included.
func TestDirect(t *testing.T) {
	t.Parallel()
	exprs := []string{
		`.`, `.a.b`, `.a["b"]`, `."a"`, `.a.c.d`, `.f.g`, `.z.y.x`, `.["a"].b`, `null`, `true`, `false`, `3`, `"x"`,
		`.a.b == 1`, `.a.b != 1`, `.id == 12345678901234567890`, `.id > .n`, `.a == .a`, `.a < .f`, `.t == true`,
		`.t and .z`, `.z and .a.b.c`, `.a.b.c and .t`, `.t or .a.b.c`, `.z or .t`, `.z // 1`, `.z // .a.b.c`, `.a.b.c // 1`, `.t // .z`,
		`if .t then 1 else 2 end`, `if .z then 1 elif .t then 2 else 3 end`, `if .z then 1 end`, `if .a.b.c then 1 end`,
		`.a | .b`, `.a | .b | .c`, `.a.b as $x | .f as $y | $x + $y`, `.a as $x | (.f as $x | $x) + $x.b`, `. as $x | $x.a.c`,
		`1 as $x | 2 as $x | $x`, `.a.s + "y" + env.TOKEN`, `"a\(.a.b)c\(.z)"`, `.a.b + .a.s`, `env.NONE`, `env.TOKEN`, `$ENV.TOKEN.x`,
		`.a.s | @uri`, `@uri "x\(.a.s)"`, `.a | not`, `.a.s | startswith("x")`, `.a.b | startswith("x")`, `.a.s | test("^x")`, `.a.b | test("x")`,
		`.a.s | contains("x")`, `.a | type`, `.a | tojson | tostring`, `.a.b / 0`, `(.a | .b) - 1`, `.a.s | ltrimstr("x")`, `.a.c | join("-")`,
		`. as {a: $x} | $x`, `def f: 1; f`, `.a.c[0]`, `.a?`, `{a: 1}`, `[.a]`, `.a, .b`, `.a.c[]`, `..`, `-1`, `1.5`, `not`, `$__loc__`,
	}
	n := 0
	for _, x := range exprs {
		e, cerr := compile(x, place{field: "body"}, time.Second, newEnvironment(testEnv))
		if cerr != nil {
			t.Fatal(x, cerr.message)
		}
		event := decode(t, evalEvent)
		got, gotErr := e.eval(t.Context(), event)
		if e.direct != nil {
			n++
		}
		e.direct = nil
		want, wantErr := e.eval(t.Context(), event)
		if asJSON(got) != asJSON(want) || (gotErr == nil) != (wantErr == nil) || gotErr != nil && gotErr.Error() != wantErr.Error() {
			t.Errorf("%s: direct gives %s, %v; the interpreter %s, %v", x, asJSON(got), gotErr, asJSON(want), wantErr)
		}
	}
	if n < 50 {
		t.Errorf("%d expressions were evaluated directly, want at least 50", n)
	}
}
