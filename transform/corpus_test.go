package transform

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"port-agent/transform/jq"
)

// corpusEnv is the environment that the corpus' answers were made in.
var corpusEnv = []string{
	"TF_TOKEN=tf-tok", "CIRCLE_CI_TOKEN=cc-tok", "WINDMILL_TOKEN=wm-tok", "OPSGENIE_API_KEY=og-key",
	"ARGO_WORKFLOW_TOKEN=argo-tok", "ARGO_WORKFLOW_HOST=https://argo.example.com", "my-group_sub_my-project=gl-tok",
}

type corpusCase struct {
	Name    string
	Mapping json.RawMessage
	Event   any
	Enabled bool
	Request map[string]any
	Reports map[string]map[string]any
}

// TestCorpus runs the rule and event pairs of cases.json in the folder that
// MAPPING_CORPUS names. Each gives whether the rule is for the event, the
// request, and the report for each response: null where a field of the rule
// gives null or fails, and for a URL that the rule leaves open, "".
func TestCorpus(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("MAPPING_CORPUS")
	if dir == "" {
		t.Skip("MAPPING_CORPUS is not set")
	}
	data, err := os.ReadFile(filepath.Join(dir, "cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	var corpus struct {
		Responses map[string]any
		Cases     []corpusCase
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(&corpus); err != nil {
		t.Fatal(err)
	}
	if len(corpus.Cases) == 0 {
		t.Fatal("the corpus has no cases")
	}
	for _, c := range corpus.Cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			c.check(t, corpus.Responses)
		})
	}
	t.Logf("%d cases", len(corpus.Cases))
}

func (c corpusCase) check(t *testing.T, responses map[string]any) {
	m, findings := Parse("cases.json", append(append([]byte("["), c.Mapping...), ']'), Config{}, corpusEnv)
	if m == nil {
		t.Fatal(findings)
	}
	event := c.Event
	_, err := m.Match(t.Context(), event)
	if got := err == nil; got != c.Enabled {
		t.Errorf("enabled = %t (%v), want %t", got, err, c.Enabled)
	}
	r := m.Rules[0]
	got := corpusRequest(t, r, event)
	if !reflect.DeepEqual(normal(got), normal(c.Request)) {
		t.Errorf("request = %s\nwant %s", asJSON(got), asJSON(c.Request))
	}
	for name, want := range c.Reports {
		rep, _ := r.Report(t.Context(), map[string]any{"body": event, "request": got, "response": responses[name]})
		got := map[string]any{}
		for _, name := range r.ReportFields() {
			got[name] = rep[name]
		}
		if !reflect.DeepEqual(normal(got), normal(want)) {
			t.Errorf("report for %s = %s\nwant %s", name, asJSON(got), asJSON(want))
		}
	}
}

// corpusRequest gives the request the way the corpus writes it.
func corpusRequest(t *testing.T, r *Rule, event any) map[string]any {
	t.Helper()
	req, _, err := r.Request(t.Context(), event)
	out := map[string]any{"url": "", "method": "POST", "headers": map[string]any{}, "query": map[string]any{}}
	if err != nil {
		// The corpus goes on where a URL cannot be made: so does Request.
		var failed *ExprError
		if !errors.As(err, &failed) || failed.Field != "url" {
			t.Fatal(err)
		}
		out["url"] = nil
	}
	if req.URL != nil {
		out["url"] = *req.URL
	}
	if req.Method != nil {
		out["method"] = *req.Method
	}
	for k, v := range req.Headers {
		out["headers"].(map[string]any)[k] = v
	}
	for k, vs := range req.Query {
		var v any = vs[0]
		if len(vs) > 1 {
			v = vs
		}
		out["query"].(map[string]any)[k] = v
	}
	if req.HasBody {
		out["body"] = req.Body
	}
	return out
}

// normal brings values to a form in which numbers of one value are equal.
func normal(v any) any {
	dec := json.NewDecoder(bytes.NewReader([]byte(asJSON(v))))
	dec.UseNumber()
	var out any
	if err := dec.Decode(&out); err != nil {
		panic(err)
	}
	return byValue(out)
}

func byValue(v any) any {
	switch v := v.(type) {
	case json.Number:
		n := jq.Number(v)
		if f, ok := n.(float64); ok && f == float64(int(f)) && f < 1<<53 && f > -1<<53 {
			return int(f)
		}
		return n
	case []any:
		for i := range v {
			v[i] = byValue(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = byValue(v[k])
		}
	}
	return v
}
