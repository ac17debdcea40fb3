package jq

import (
	"reflect"
	"slices"
	"testing"
	"time"
)

// TestFaultPlace compares where the fault of an expression is with the text that
// it is about.
func TestFaultPlace(t *testing.T) {
	t.Parallel()
	tests := []struct{ expr, part, message string }{
		{`.a | ]`, "]", `unexpected token "]"`},
		{`.a |`, "", "the expression ends too early"},
		{`"é" + nope`, "nope", "function not defined: nope/0"},
		{`.nope | nope(1; 2)`, "nope", "function not defined: nope/2"},
		{`.run-id`, "id", "function not defined: id/0"},
		{`.x | $x`, "$x", "variable not defined: $x"},
		{`.x | @foo`, "@foo", "format not defined: @foo"},
		{".x\x00 == nonsense(", "\x00", "the expression holds a NUL character"},
	}
	for _, test := range tests {
		e, fault := NewEnvironment(nil, time.Second).Compile(test.expr)
		if fault == nil {
			t.Errorf("%q compiles to %+v", test.expr, e)
			continue
		}
		if part := test.expr[fault.Start:fault.End]; part != test.part || fault.Message != test.message {
			t.Errorf("%q: %s, at %q; want %s, at %q", test.expr, fault.Message, part, test.message, test.part)
		}
	}
}

// TestFacts looks at what is known of an expression before it is evaluated.
func TestFacts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		expr                    string
		unset, literals, faults []string // those that are open end in "..."; what has no place is ""
	}{
		{expr: `.a`},
		{expr: `env.TOKEN + env.NONE + $ENV["OTHER"] + env.NONE`, unset: []string{"NONE", "OTHER"}},
		{expr: `env.NONE // "none"`, literals: []string{`"none"`}},
		{expr: `if .a then "yes" elif .b then "perhaps" else "no" end`, literals: []string{`"yes"`, `"no"`, `"perhaps"`}},
		{expr: `.a // ("x" + .b), .c | ("y", "z\(.d)")`, literals: []string{`"y"`, `...`}},
		{expr: `"https://" + .host`, literals: []string{`"https://"...`}},
		{expr: `test("a(?=b)") or test("a(b)")`, faults: []string{`"a(?=b)"`}},
		{expr: `gsub("\\u00e9"; "e") | sub("("; "")`, faults: []string{`"\\u00e9"`, `"("`}},
		{expr: `test("a"; "x"), test(.re; "x")`, faults: []string{`"a"`}},
		{expr: `strftime("%Q %Y"), strptime("%Y-%m-%d 100%%")`, faults: []string{`"%Q %Y"`}},
		{expr: `split("("), split("("; "g")`, faults: []string{`"("`}},
	}
	for _, test := range tests {
		e, fault := NewEnvironment(testEnv, time.Second).Compile(test.expr)
		if fault != nil {
			t.Fatalf("%s: %s", test.expr, fault.Message)
		}
		var literals, faults []string
		for _, l := range e.Literals {
			part := test.expr[l.Start:l.End]
			if l.Open {
				part += "..."
			}
			literals = append(literals, part)
		}
		for _, f := range e.Faults {
			faults = append(faults, test.expr[f.Start:f.End])
		}
		if e.Text != test.expr || !slices.Equal(e.Unset, test.unset) || !reflect.DeepEqual(literals, test.literals) || !slices.Equal(faults, test.faults) {
			t.Errorf("%s: unset %q, literals %q, faults %q", test.expr, e.Unset, literals, faults)
		}
	}
}
