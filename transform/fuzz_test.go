package transform

import (
	"encoding/json"
	"errors"
	"testing"
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
		m, findings := Parse("m.json", data, Config{TimeoutMS: 100}, testEnv)
		wrong := false
		for _, f := range findings {
			wrong = wrong || !f.Warning
			if f.Error() == "" || f.Column < 0 || f.Line < 0 {
				t.Errorf("finding %+v", f)
			}
		}
		if (m == nil) != wrong {
			t.Fatalf("a mapping: %t, findings %v", m != nil, findings)
		}
		if m == nil || len(m.Rules) > 20 {
			return
		}
		event := decode(t, benchEvent)
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

func printable(t *testing.T, v any) {
	t.Helper()
	if _, err := json.Marshal(v); err != nil {
		t.Errorf("cannot be printed: %v", err)
	}
}
