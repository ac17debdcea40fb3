package transform

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"
)

// FuzzParse loads whatever there is as a mapping. It must not panic, and what
// it loads has to work on an event.
func FuzzParse(f *testing.F) {
	f.Add([]byte("[" + gitlabRule + "]"))
	f.Add([]byte(manyRules(3)))
	f.Add([]byte(`[{"name":"n","enabled":"yes","backend":"GITLAB","timeout":1.5,"orderBy":".x","onInterrupted":"fail","retry":{"attempts":2,"statuses":[502]},"fieldsToDecryptPaths":["a.*.b"]}]`))
	f.Add([]byte("\ufeff[{\"body\":{\"a\":[{}, \"env.X\", 1e400, null]},}]"))
	f.Add([]byte(`[{"url":"a\u0000","headers":".h","query":{"a":["1"]},"report":{"link":".x"}}]`))
	f.Add([]byte(`[{"enabled":".a-b","body":"import \"a\" as a; ."}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		findings := Check("m.json", data, testEnv)
		m, err := Parse("m.json", data, Config{TimeoutMS: 100}, testEnv)
		wrong := false
		for _, f := range findings {
			wrong = wrong || !f.Warning
			if f.Error() == "" || f.Column < 0 || f.Line < 0 {
				t.Errorf("finding %+v", f)
			}
		}
		if (err != nil) != wrong {
			t.Fatalf("Parse gives %v, Check %v", err, findings)
		}
		if err != nil || len(m.Rules) > 20 {
			return
		}
		event := decode(t, evalEvent)
		m.Consider(t.Context(), event)
		for _, r := range m.Rules {
			req, _, err := r.Request(t.Context(), event)
			var failed *ExprError
			if err != nil && !errors.As(err, &failed) {
				t.Errorf("error %v is no *ExprError", err)
			}
			printable(t, req.Body)
			rep, _ := r.Report(t.Context(), event)
			printable(t, map[string]any(rep))
		}
	})
}

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
		e, cerr := compile(text, place{field: "enabled"}, newEnvironment(testEnv, 500*time.Millisecond))
		if cerr != nil {
			if cerr.Message == "" || cerr.Start < 0 || cerr.Start > len(text) {
				t.Errorf("%q: %+v", text, cerr)
			}
			return
		}
		before := asJSON(event)
		watch := time.AfterFunc(20*time.Second, func() { panic("hangs: " + text + " on " + input) })
		defer watch.Stop()
		v, err := e.eval(t.Context(), event)
		if err != nil && err.Error() == "the evaluation failed" {
			t.Errorf("%q on %s broke down", text, input)
		}
		printable(t, v)
		if e.direct != nil {
			e.direct = nil
			w, werr := e.eval(t.Context(), event)
			if err == nil && werr == nil && asJSON(v) != asJSON(w) { // either may have run out of time
				t.Errorf("%q: direct gives %s, %v; the interpreter %s, %v", text, asJSON(v), err, asJSON(w), werr)
			}
		}
		if after := asJSON(event); after != before {
			t.Errorf("%q has changed the event to %s", text, after)
		}
	})
}

func printable(t *testing.T, v any) {
	t.Helper()
	if _, err := json.Marshal(v); err != nil {
		t.Errorf("cannot be printed: %v", err)
	}
}
