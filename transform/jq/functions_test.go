package jq

import (
	"strings"
	"testing"
	"time"
)

var testEnv = []string{"TOKEN=tok", "EMPTY="}

// evaluate gives what an expression gives for a JSON input, as JSON.
func evaluate(t *testing.T, text, input string) (string, error) {
	t.Helper()
	e, cerr := NewEnvironment(testEnv, time.Second).Compile(text)
	if cerr != nil {
		t.Fatalf("compile %s: at %d: %s", text, cerr.Start, cerr.Message)
	}
	v, err := e.Eval(t.Context(), decode(t, input))
	return asJSON(v), err
}

// evalEvent is what evalTests are evaluated on.
const evalEvent = `{"a":{"b":1,"c":[3,1,2],"s":"x y"},"id":12345678901234567890,"n":9007199254740993,"f":1.0,"e":1e17,"t":true,"z":null}`

var evalTests = []struct{ expr, want string }{
	// the outputs
	{``, goJSON(evalEvent)},
	{"  \n", goJSON(evalEvent)},
	{`# nothing but a comment`, goJSON(evalEvent)},
	{`empty`, `null`},
	{`.a.c[]`, `3`},
	{`1, 2`, `1`},
	{`halt`, `null`},
	// numbers
	{`.id`, `12345678901234567890`},
	{`.id | tostring`, `"12345678901234567890"`},
	{`.n + 1`, `9007199254740994`},
	{`.id * 10`, `123456789012345678900`},
	{`.id - .id`, `0`},
	{`.id % 7`, `1`},
	{`.id / 2`, `6172839450617283945`},
	{`7 / 2`, `3.5`},
	{`6 / 2`, `3`},
	{`-7 % 3`, `-1`},
	{`.f | tostring`, `"1"`},
	{`.e | tostring`, `"100000000000000000"`},
	{`9223372036854775807 + 1`, `9223372036854775808`},
	{`-9223372036854775808 - 1`, `-9223372036854775809`},
	{`4611686018427387904 * 2`, `9223372036854775808`},
	{`nan`, `null`},
	{`[infinite, -infinite]`, `[1.7976931348623157e+308,-1.7976931348623157e+308]`},
	{`[nan] | .[0] < 1`, `true`},
	{`"12345678901234567890" | tonumber`, `12345678901234567890`},
	{`"+07.50" | tonumber`, `7.5`},
	{`[".5", "1.", "1e3", "-0"] | map(tonumber)`, `[0.5,1,1000,0]`},
	// the environment
	{`env.TOKEN`, `"tok"`},
	{`$ENV.TOKEN`, `"tok"`},
	{`env["TOKEN"] + $ENV["EMPTY"]`, `"tok"`},
	{`env.NONE // "none"`, `"none"`},
	{`{$ENV} | .ENV.TOKEN`, `"tok"`},
	// what jq 1.5 has and gojq has not, or has otherwise
	{`debug | debug("x") | stderr | .a.b`, `1`},
	{`[inputs]`, `[]`},
	{`input_filename`, `null`},
	{`input_line_number`, `0`},
	{`$__loc__`, `{"file":"\u003ctop-level\u003e","line":1}`},
	{`{$__loc__} | .__loc__.line`, `1`},
	{`.a | keys_unsorted`, `["b","c","s"]`},
	{`[.a | leaf_paths]`, `[["b"],["c",0],["c",1],["c",2],["s"]]`},
	{`"a b/c!*'()~-_.é" | @uri`, `"a%20b%2Fc!*'()~-_.%C3%A9"`},
	{`@uri "x=\("a&b")&y=\(1)"`, `"x=a%26b\u0026y=1"`},
	{`[1, null, {}] | map(ltrimstr("x"), rtrimstr(1))`, `[1,1,null,null,{},{}]`},
	{`"xay" | ltrimstr("x") | rtrimstr("y")`, `"a"`},
	{`"x" * 0`, `""`},
	{`"ab" * 2`, `"abab"`},
	{`"abc" | reverse?`, `null`},
	{`[{"name":"a","value":1},{"k":"b","v":2},{"key":3}] | from_entries`, `{"3":null,"a":1,"b":2}`},
	{`now | date | type`, `"string"`},
	// text
	{`"a\(.a.b)c\(.a.c)"`, `"a1c[3,1,2]"`},
	{`@base64 "\(.a.s)!"`, `"eCB5!"`},
	{`@json`, asJSON(JSON(decodeOrPanic(evalEvent)))},
	{`[.a.c | @csv, @tsv, @sh, @html, @text]`, `["3,1,2","3\t1\t2","3 1 2","[3,1,2]","[3,1,2]"]`},
	{`"eHk" | @base64d`, `"xy"`},
	{`"gAE=" | @base64d`, `"` + "\ufffd" + `\u0001"`},
	{`{"a\(1)": 2, "b\(2)"}`, `{"a1":2,"b2":null}`},
	{`{"x\(1)": 5} | ."x\(1)", .["x\(1)"]`, `5`},
	{`.a | join(",")?`, `null`},
	{`[1, null, "a", true] | join("-")`, `"1--a-true"`},
	{`"a,b" / ","`, `["a","b"]`},
	{`"aXbxc" | [splits("x"; "i")]`, `["a","b","c"]`},
	{`"a1b22" | [scan("[0-9]+")], [scan("([a-z])([0-9])")]`, `["1","22"]`},
	{`"a1b22" | [scan("([a-z])([0-9])")]`, `[["a","1"],["b","2"]]`},
	{`"test" | gsub("t"; "T")`, `"TesT"`},
	{`"test" | sub("t"; "T")`, `"Test"`},
	{`"tEst" | [sub("T"; ""; "i"), gsub("e|T"; "-"; "i"), gsub("t"; "x"; null), sub("t"; "x"; "g")]`, `["Est","--s-","xEsx","xEsx"]`},
	{`"test" | gsub("(?<x>t)"; .x + "!")`, `"t!est!"`},
	{`"test" | sub("(?<x>t)"; "<\(.x)>")`, `"\u003ct\u003eest"`},
	{`"xay" | gsub("[xy]"; null)`, `"a"`},
	{`"ab" | [sub("(?<x>.)"; "1", "2")]`, `["1b","2b"]`},
	{`"äbä" | gsub("ä"; "a")`, `"aba"`},
	{`"abc" | gsub(""; "-")`, `"-a-b-c-"`},
	{`"abc" | gsub("^"; "x")`, `"xabc"`},
	{`"äbä" | [match("ä"; "g") | .offset]`, `[0,2]`},
	{`"xay" | capture("(?<l>x)(?<m>b)?")`, `{"l":"x","m":null}`},
	{`"A" | test("a"), test("a"; "i"), test(["a", "i"])`, `false`},
	{`["A" | test("a"), test("a"; "i"), test(["a", "i"]), test("."; "gim")]`, `[false,true,true,true]`},
	{`"äXäX" | [index("X"), rindex("X"), indices("X")]`, `[1,3,[1,3]]`},
	{`[1,2,1,2] | [index(2), rindex(2), indices([1,2])]`, `[1,3,[0,2]]`},
	{`"foobar" | contains("bar")`, `true`},
	{`{"a":["foobar"],"b":1} | contains({"a":["bar"]})`, `true`},
	{`["a"] | inside(["ab","c"])`, `true`},
	{`"x" | ascii_downcase, ascii_upcase`, `"x"`},
	{`"abc" | explode | implode`, `"abc"`},
	{`"aé" | length, utf8bytelength`, `2`},
	{`"{\"a\":[1,2.5,12345678901234567890]}" | fromjson`, `{"a":[1,2.5,12345678901234567890]}`},
	// lists and objects
	{`.a.c | sort, add, min, max`, `[1,2,3]`},
	{`[.a.c | add, min, max, length]`, `[6,1,3,3]`},
	{`[{"a":2},{"a":1}] | sort_by(.a), group_by(.a), unique_by(.a), min_by(.a)`, `[{"a":1},{"a":2}]`},
	{`[[1,2],[3]] | flatten, add, transpose`, `[1,2,3]`},
	{`[[1,2],null,[3],[]] | add`, `[1,2,3]`},
	{`[{"a":1},{"b":2},{"a":3}] | add`, `{"a":3,"b":2}`},
	{`["a","b"] | add`, `"ab"`},
	{`{"a":{"b":1}} * {"a":{"c":2}}`, `{"a":{"b":1,"c":2}}`},
	{`[1,2,3] - [2]`, `[1,3]`},
	{`.a | to_entries | map(.key) | from_entries?`, `null`},
	{`.a | with_entries(select(.key == "b"))`, `{"b":1}`},
	{`.a | del(.c, .s)`, `{"b":1}`},
	{`[1,2,3,4] | del(.[1,3])`, `[1,3]`},
	{`[1,2,3,4] | del(.[1:3])`, `[1,4]`},
	{`[1,2,3] | delpaths([[0],[0],[-1]])`, `[2]`},
	{`getpath(["a","b"]), getpath(["z","x"])`, `1`},
	{`[path(getpath(["a","b"]), .a.c[1], .a[("b", "s")])]`, `[["a","b"],["a","c",1],["a","b"],["a","s"]]`},
	{`getpath(["a","b"]) |= . + 1 | .a.b`, `2`},
	{`.a["b"] = 7 | .a[("b" | .)]`, `7`},
	{`.a.c[[1,2]]`, `[1]`},
	{`. as {("a"): {(["b"][0]): $x}} | $x`, `1`},
	{`.a.b = 5 | .a.b`, `5`},
	{`.a.b += 4 | .a.b`, `5`},
	{`.a.b |= . + 1 | .a.b -= 1 | .a.b *= 6 | .a.b /= 3 | .a.b %= 2 | .a.b`, `0`},
	{`.z //= "d" | .z`, `"d"`},
	{`.a.c[1:] = ["x"] | .a.c`, `[3,"x"]`},
	{`.a.c[1:] |= map(. * 2) | .a.c`, `[3,2,4]`},
	{`[1,2,3,4] | .[] |= (select(. != 2))`, `[1,3,4]`},
	{`[range(5)] | (.[] | select(. % 2 == 0)) |= empty`, `[1,3]`},
	{`.x.y[2] = 1 | .x`, `{"y":[null,null,1]}`},
	{`[1] | .[-1] = 2`, `[2]`},
	{`.a | map_values(empty)`, `{}`},
	{`{"a":1,"b":2} | map_values(. + 1)`, `{"a":2,"b":3}`},
	{`[[1,[2]],3] | walk(if type == "number" then . + 1 else . end)`, `[[2,[3]],4]`},
	{`[.. | numbers] | length`, `8`},
	{`[paths] | length`, `13`},
	{`pick(.a.b)`, `{"a":{"b":1}}`},
	{`[limit(3; repeat(1))]`, `[1,1,1]`},
	{`[limit(3; 1 | repeat(. * 2))]`, `[2,2,2]`},
	{`[range(0; 10; 3)]`, `[0,3,6,9]`},
	{`[first(range(5)), last(range(5)), nth(2; range(5))]`, `[0,4,2]`},
	{`[1, 2] | any(. > 1), all(. > 1)`, `true`},
	{`[IN(.a.b; 1, 2), IN(3)]`, `[true,false]`},
	{`INDEX(.a.c[]; .) | keys`, `["1","2","3"]`},
	{`[[1,2],[3,4]] | [combinations]`, `[[1,3],[1,4],[2,3],[2,4]]`},
	{`fromstream({"a":[1,{"b":2}]} | tostream)`, `{"a":[1,{"b":2}]}`},
	{`[1 | truncate_stream([[0],1],[[1,0],2],[[1,0]],[[1]])]`, `[[[0],2],[[0]]]`},
	{`"2015-03-05T23:51:47Z" | fromdate`, `1425599507`},
	{`1425599507 | todate`, `"2015-03-05T23:51:47Z"`},
	{`"2015 03" | strptime("%Y %m") | mktime`, `1425168000`},
	// control
	{`if .t then "y" else "n" end`, `"y"`},
	{`if .z then 1 elif .t then 2 end`, `2`},
	{`try error("x") catch .`, `"x"`},
	{`try error({"a":1}) catch .a`, `1`},
	{`[.[]?] | length`, `7`},
	{`.a.b.c?`, `null`},
	{`.z.x.y`, `null`},
	{`.t and .z`, `false`},
	{`.t or error`, `true`},
	{`.t | not`, `false`},
	{`.a as {b: $x, c: [$y]} | [$x, $y]`, `[1,3]`},
	{`.a as {"b": $x} | $x`, `1`},
	{`[[1,2]] | .[] as [$x, $y] | $x + $y`, `3`},
	{`[[1,{"a":2}]] | .[] as [$x] ?// $x | [$x]`, `[1]`},
	{`reduce range(5) as $i (0; . + $i)`, `10`},
	{`[foreach range(3) as $i (0; . + $i; [$i, .])]`, `[[0,0],[1,1],[2,3]]`},
	{`label $f | 1, break $f, 2`, `1`},
	{`def f(x; $y): x + $y; f(1; 2)`, `3`},
	{`def tojson: "mine"; tojson`, `"mine"`},
	{`def f: def g: 3; g; f`, `3`},
	{`def map(f): "mine"; [1] | map(.)`, `"mine"`},
	{`def gsub(a; b): "mine"; "x" | gsub("x"; "y")`, `"mine"`},
	{`def _modify(a; b): "mine"; .a.b |= 5`, `"mine"`},
	{`def _at(f): "mine"; def _count(n): n; [_at(.), _count(2)]`, `["mine",2]`},
	{`. as $x | [$x.a.b, $x.f]`, `[1,1]`},
	{`1 as $x | 2 as $y | 3 as $x | [$x, $y]`, `[3,2]`},
	{`.a.b == 1 and .a.s == "x y" and (.t | not | not)`, `true`},
	{`[1 < 2, 2 <= 2, "a" > "b", [1] >= [0], {} != {}]`, `[true,true,false,true,false]`},
}

func TestEval(t *testing.T) {
	t.Parallel()
	for _, test := range evalTests {
		t.Run(test.expr, func(t *testing.T) {
			t.Parallel()
			got, err := evaluate(t, test.expr, evalEvent)
			if err != nil {
				t.Fatalf("error: %v", err)
			}
			if got != test.want {
				t.Errorf("got %s\nwant %s", got, test.want)
			}
		})
	}
}

// goJSON is JSON as encoding/json prints it.
func goJSON(s string) string { return asJSON(decodeOrPanic(s)) }

func TestEvalErrors(t *testing.T) {
	t.Parallel()
	const event = `{"secret":"s3cr3t-value","list":["s3cr3t"],"o":{"k":"s3cr3t"}}`
	tests := []struct{ expr, want string }{
		{`.secret.x`, "expected an object but got: string"},
		{`.secret[0:1] | .x`, "expected an object but got: string"},
		{`.secret[]`, "cannot iterate over: string"},
		{`.secret + 1`, "cannot add: string and number"},
		{`.o - 1`, "cannot subtract: object and number"},
		{`.list * .list`, "cannot multiply: array and array"},
		{`1 / 0`, "cannot divide by zero"},
		{`1 % 0`, "cannot divide by zero"},
		{`.o | has(.)`, "has cannot be applied to: object"},
		{`.o | has(1)`, "has cannot be applied to: object"},
		{`.secret | keys`, "keys cannot be applied to: string"},
		{`.secret | tonumber`, "invalid number"},
		{`.secret | fromjson`, "fromjson cannot be applied to: this text is not JSON"},
		{`.secret | @base64d`, "@base64d cannot be applied to this value"},
		{`.secret | strptime("%Y")`, "strptime cannot read the text as \"%Y\""},
		{`{(.o): 1}`, "expected a string for object key but got: object"},
		{`-.secret`, "cannot negate: string"},
		{`.list | implode`, "implode cannot be applied to: array"},
		{`.secret | test("(")`, "invalid regular expression: missing closing )"},
		{`.secret | test("s(?=3)")`, "invalid regular expression: invalid or unsupported Perl syntax"},
		{`.secret | test("s"; "q")`, `a regular expression has no flag "q": there are g, i and m`},
		{`.secret | test("s"; "gxi")`, `a regular expression has no flag "x": there are g, i and m`},
		{`.secret | gsub("s"; "x"; "n")`, `a regular expression has no flag "n": there are g, i and m`},
		{`.secret | gsub("s"; 1)`, "cannot add: number and string"},
		{`.o |= error`, "raised an error that is object"},
		{`error("no project")`, "error: no project"},
		{`error`, "raised an error that is object"},
		{`error(.secret * 1000)`, "raised an error of 12000 bytes"},
		{`input`, "error: there is no further input"},
		{`.list["a"]`, "expected an object but got: array"},
		{`(.secret | explode) |= 1`, "invalid path against: array"},
		{`.secret = 1 | .secret.x = 1`, "expected an object but got: number"},
		{`.o[0] = 1`, "expected an array but got: object"},
		{`.list[-5] = 1`, "array index should not be negative"},
		{`.list["x":]`, "expected a number for indexing an array but got: string"},
		{`[.list[] | {a: .}] | .[0].a.b`, "expected an object but got: string"},
		{`format("x")`, "format not defined: @x"},
		{`halt_error`, "raised an error that is object"},
		{`.list + .list | join(1)`, "cannot add: string and number"},
		{`label $x | .list | splits("a")`, "a regular expression cannot be applied to: array"},
	}
	for _, test := range tests {
		t.Run(test.expr, func(t *testing.T) {
			t.Parallel()
			_, err := evaluate(t, test.expr, event)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("error %q, want %q", got, test.want)
			}
			if strings.Contains(got, "s3c") {
				t.Error("the error holds a value of the event")
			}
		})
	}
}

// TestFraction names kind, format and hint where a time has milliseconds.
func TestFraction(t *testing.T) {
	t.Parallel()
	for x, want := range map[string]string{
		`"2024-01-02T03:04:05.678Z" | fromdate`: `strptime cannot read the text as "%Y-%m-%dT%H:%M:%S%z", because it has a fraction of a second; take that out before: sub("\\.[0-9]+"; "")`,
		`"yesterday" | fromdate`:                `strptime cannot read the text as "%Y-%m-%dT%H:%M:%S%z"`,
		`12 | strptime("%H")`:                   `strptime reads text, not: number`,
		`"12" | strptime(1)`:                    `strptime needs a format, which is text of at most 512 bytes`,
	} {
		if _, err := evaluate(t, x, `{}`); err == nil || err.Error() != want {
			t.Errorf("%s fails with %v, want %s", x, err, want)
		}
	}
	if got, err := evaluate(t, `"2024-01-02T03:04:05.678Z" | sub("\\.[0-9]+"; "") | fromdate`, `{}`); got != "1704164645" {
		t.Errorf("got %s, %v", got, err)
	}
}
