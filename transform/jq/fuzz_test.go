package jq

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// large are numbers that only the author of a mapping can write, from whom
// nothing is protected: .b[500000000] = 1 is eight gigabytes.
var large = regexp.MustCompile(`\d{6}|\d[eE]`)

// FuzzEval evaluates whatever compiles on whatever is JSON. It must not panic
// or take long, direct evaluation has to give what the interpreter gives, and
// the event has to stay as it was.
func FuzzEval(f *testing.F) {
	for _, test := range evalTests {
		f.Add(test.expr, evalEvent)
	}
	for _, test := range hostile {
		f.Add(test.expr, `{"text":"aaab","list":[0,0,[1]],"a":{"b":1}}`)
	}
	f.Fuzz(func(t *testing.T, text, input string) {
		event, err := tryDecode(input)
		if err != nil {
			return
		}
		if large.MatchString(text) || strings.Contains(text, runName) { // is no value: whoever writes it gets an error
			return
		}
		if strings.Contains(text, "now") { // gives another value each time
			return
		}
		e, cerr := NewEnvironment(testEnv, 500*time.Millisecond).Compile(text)
		if cerr != nil {
			if cerr.Message == "" || cerr.Start < 0 || cerr.Start > len(text) {
				t.Errorf("%q: %+v", text, cerr)
			}
			return
		}
		before := asJSON(event)
		watch := time.AfterFunc(20*time.Second, func() { panic("hangs: " + text + " on " + input) })
		defer watch.Stop()
		v, err := e.Eval(t.Context(), event)
		if err != nil && err.Error() == "the evaluation failed" {
			t.Errorf("%q on %s broke down", text, input)
		}
		printable(t, v)
		if _, ok := e.env.direct(e.query, event); ok {
			w, werr := e.interpret(t.Context(), event)
			if err == nil && werr == nil && asJSON(v) != asJSON(w) { // either may have run out of time
				t.Errorf("%q: direct gives %s, %v; the interpreter %s, %v", text, asJSON(v), err, asJSON(w), werr)
			}
		}
		if after := asJSON(event); after != before {
			t.Errorf("%q has changed the event to %s", text, after)
		}
	})
}
