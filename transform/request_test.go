package transform

import (
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
)

const requestEvent = `{"s":"x y","n":1,"f":1.0,"big":12345678901234567890,"e":1e21,"t":true,"z":null,"l":[1,"a",null,false],"o":{"k":"v","n":2,"z":null}}`

func TestRequest(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, rule string
		want       string // as JSON: what is left open is left out
		warnings   []string
	}{
		{"nothing", `{}`, `{}`, nil},
		{"url and method", `{"url": "\"https://h/\" + (.s | @uri)", "method": "\"PUT\""}`, `{"method":"PUT","url":"https://h/x%20y"}`, nil},
		{"method null", `{"method": ".z"}`, `{}`, []string{"method gave null"}},
		{"headers", `{"headers": {"A": ".s", "B": ".n", "C": ".f", "D": ".big", "E": ".e", "F": ".t", "G": ".z", "H": 5, "I": false, "J": null, "K": ".s.x"}}`,
			`{"headers":{"A":"x y","B":"1","C":"1","D":"12345678901234567890","E":"1e+21","F":"true","H":"5","I":"false"}}`,
			[]string{"headers.G gave null", "headers.K failed: expected an object but got: string"}},
		{"headers by one expression", `{"headers": ".o"}`, `{"headers":{"k":"v","n":"2"}}`, nil},
		{"no headers", `{"headers": ".none"}`, `{}`, []string{"headers gave null"}},
		{"empty headers", `{"headers": {}, "query": {}}`, `{}`, nil},
		{"query", `{"query": {"a": ".s", "l": ".l", "m": [".n", "2"], "z": ".z", "e": "[]"}}`,
			`{"query":{"a":["x y"],"l":["1","a","false"],"m":["1","2"]}}`, []string{"query.z gave null"}},
		{"query by one expression", `{"query": ".o + {l: [1, 2]}"}`, `{"query":{"k":["v"],"l":["1","2"],"n":["2"]}}`, nil},
		{"body null", `{"body": ".z"}`, `{"body":null}`, []string{"body gave null"}},
		{"body null on purpose", `{"body": "null"}`, `{"body":null}`, nil},
		{"body blank", `{"body": ""}`, `{"body":{"big":12345678901234567890,"e":1e+21,"f":1,"l":[1,"a",null,false],"n":1,"o":{"k":"v","n":2,"z":null},"s":"x y","t":true,"z":null}}`, nil},
		{"body by one expression", `{"body": ".o"}`, `{"body":{"k":"v","n":2,"z":null}}`, nil},
		{"body walked", `{"body": {"a": ".n", "b": {"c": ".s"}, "d": [".big", {"e": ".t"}], "f": 1.50, "g": 12345678901234567890, "h": true, "i": null}}`,
			`{"body":{"a":1,"b":{"c":"x y"},"d":[12345678901234567890,{"e":true}],"f":1.5,"g":12345678901234567890,"h":true,"i":null}}`, nil},
		{"empty objects vanish below objects", `{"body": {"a": {}, "b": {"c": {"d": {}}}, "e": 1, "f": [{}, {"g": {}}, []]}}`,
			`{"body":{"e":1,"f":[{},{},[]]}}`, nil},
		{"an empty root stays", `{"body": {}}`, `{"body":{}}`, nil},
		{"a hollow root stays", `{"body": {"a": {"b": {}}}}`, `{"body":{}}`, nil},
		{"empty results stay", `{"body": {"a": "{}", "b": "[]"}}`, `{"body":{"a":{},"b":[]}}`, nil},
		{"body a list", `{"body": [".n", "2"]}`, `{"body":[1,2]}`, nil},
		{"body a number", `{"body": 5}`, `{"body":5}`, nil},
		{"no output", `{"body": {"a": "empty", "b": ".l[] | select(. == 9)"}}`, `{"body":{"a":null,"b":null}}`, []string{"body.a gave null", "body.b gave null"}},
		{"failures", `{"body": {"a": [".s.x", ".n"], "b": "error(\"no\")"}}`, `{"body":{"a":[null,1],"b":null}}`,
			[]string{"body.a[0] failed: expected an object but got: string", "body.b failed: error: no"}},
		{"too many outputs", `{"body": {"a": "range(1001)", "b": "range(1000)"}}`, `{"body":{"a":null,"b":0}}`, []string{"body.a failed: returns more than 1000 values"}},
		{"too deep", `{"body": {"a": "reduce range(1100) as $i (1; [.])", "b": ".n"}}`, `{"body":{"a":null,"b":1}}`, []string{"body.a failed: a value is nested more than 1000 levels deep"}},
		{"too large", `{"body": {"a": "[range(1000)] as $l | [range(3000) | $l]", "b": ".n"}}`, `{"body":{"a":null,"b":1}}`, []string{"body.a failed: makes more than 40 MiB of values"}},
		{"endless", `{"body": {"a": "def f: f; f", "b": ".n"}}`, `{"body":{"a":null,"b":1}}`, []string{"body.a failed: takes more than 500000 steps"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := parse(t, "["+test.rule+"]", Config{}).Rules[0]
			req, warnings, err := r.Request(t.Context(), decode(t, requestEvent))
			if err != nil {
				t.Fatal(err)
			}
			if got := asJSON(shown(req)); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			var messages []string
			for _, w := range warnings {
				messages = append(messages, w.Message)
				if (w.Err != nil) != strings.Contains(w.Message, "failed") || w.Expr == "" {
					t.Errorf("warning %+v", w)
				}
			}
			if !reflect.DeepEqual(messages, test.warnings) {
				t.Errorf("warnings %q, want %q", messages, test.warnings)
			}
		})
	}
}

// shown gives what a request says.
func shown(req Request) map[string]any {
	out := map[string]any{}
	if req.URL != nil {
		out["url"] = *req.URL
	}
	if req.Method != nil {
		out["method"] = *req.Method
	}
	if len(req.Headers) > 0 {
		out["headers"] = req.Headers
	}
	if len(req.Query) > 0 {
		out["query"] = req.Query
	}
	if req.HasBody {
		out["body"] = req.Body
	}
	return out
}

func TestRequestErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, rule  string
		strict      bool
		field, want string
	}{
		{"url fails", `{"name": "n", "url": ".s.x"}`, false, "url", `rule 0 "n", field url: expected an object but got: string`},
		{"url null", `{"url": ".z"}`, false, "url", "rule 0, field url: gave null, not a URL"},
		{"url a number", `{"url": ".n"}`, false, "url", "rule 0, field url: gave a number, not text"},
		{"url endless", `{"url": "def f: f; f"}`, false, "url", "rule 0, field url: takes more than 500000 steps"},
		{"method fails", `{"method": ".s.x"}`, false, "method", "rule 0, field method: expected an object but got: string"},
		{"method a list", `{"method": ".l"}`, false, "method", "rule 0, field method: gave a list, not text"},
		{"headers a list", `{"headers": ".l"}`, false, "headers", "rule 0, field headers: gave a list; an object is needed"},
		{"header an object", `{"headers": {"A": ".o"}}`, false, "headers.A", "rule 0, field headers.A: gave an object; a header is text, a number or a boolean"},
		{"header a list", `{"headers": {"A": ".l"}}`, false, "headers.A", "rule 0, field headers.A: gave a list; a header is text, a number or a boolean"},
		{"query text", `{"query": ".s"}`, false, "query", "rule 0, field query: gave text; an object is needed"},
		{"query an object", `{"query": {"a": ".o"}}`, false, "query.a", "rule 0, field query.a: gave an object; a query value is text, a number, a boolean or a list of these"},
		{"query a list of lists", `{"query": {"a": "[[1]]"}}`, false, "query.a", "rule 0, field query.a: gave a list; a query value is text, a number, a boolean or a list of these"},
		{"strict body", `{"body": {"a": {"b": ".s.x"}}}`, true, "body.a.b", "rule 0, field body.a.b: expected an object but got: string"},
		{"strict header", `{"headers": {"A": ".s.x"}}`, true, "headers.A", "rule 0, field headers.A: expected an object but got: string"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := parse(t, "["+test.rule+"]", Config{Strict: test.strict}).Rules[0]
			_, _, err := r.Request(t.Context(), decode(t, requestEvent))
			var failed *ExprError
			if !errors.As(err, &failed) {
				t.Fatalf("error %v, want an *ExprError", err)
			}
			if failed.Field != test.field || err.Error() != test.want || failed.Expr == "" {
				t.Errorf("error %q in %s (%q), want %q in %s", err, failed.Field, failed.Expr, test.want, test.field)
			}
		})
	}
}

func TestStrictTakesNull(t *testing.T) {
	t.Parallel()
	r := parse(t, `[{"body": {"a": ".none"}}]`, Config{Strict: true}).Rules[0]
	req, warnings, err := r.Request(t.Context(), map[string]any{})
	if err != nil || asJSON(req.Body) != `{"a":null}` || len(warnings) != 1 {
		t.Errorf("got %s, %v, %v", asJSON(req.Body), warnings, err)
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	const context = `{"body":{"id":"r"},"request":{"url":"https://h/"},"response":{"statusCode":201,"headers":{},"text":"t","json":{"id":12345678901234567890,"links":["a","b"]}}}`
	tests := []struct {
		name, rule, want string
		warnings         int
	}{
		{"none", `{}`, `{}`, 0},
		{"all", `{"report": {"status": "if .response.statusCode < 300 then \"SUCCESS\" else \"FAILURE\" end", "link": ".response.json.links", "summary": "\"run \\(.body.id)\"", "externalRunId": ".response.json.id", "statusLabel": "\"done\""}}`,
			`{"externalRunId":12345678901234567890,"link":["a","b"],"status":"SUCCESS","statusLabel":"done","summary":"run r"}`, 0},
		{"null and failing", `{"report": {"status": ".response.none", "link": ".request.url.x", "summary": "\"s\"", "externalRunId": null}}`, `{"summary":"s"}`, 2},
		{"strict changes nothing", `{"report": {"link": ".request.url.x", "summary": "\"s\""}}`, `{"summary":"s"}`, 1},
		{"link of two", `{"report": {"link": [".request.url", "\"https://b\""]}}`, `{"link":["https://h/","https://b"]}`, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := parse(t, "["+test.rule+"]", Config{Strict: true}).Rules[0]
			rep, warnings := r.Report(t.Context(), decode(t, context))
			if rep == nil {
				rep = Report{}
			}
			if got := asJSON(rep); got != test.want || len(warnings) != test.warnings {
				t.Errorf("got %s, %v; want %s and %d warnings", got, warnings, test.want, test.warnings)
			}
		})
	}
}

// TestConcurrent uses one mapping and one event from many goroutines; under
// the race detector it shows that neither is written to.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	m, event := benchMapping(t, `[{"enabled": ".none"}, `+gitlabRule+`]`)
	update := parse(t, `[{"body": {"a": "del(.payload.properties.ref, .x.y) | .payload.action |= map_values(.) | .payload.properties.tags[] |= empty",
		"b": "{a: {b: 1}, c: {d: 2}} | del(.a.x) | del(.c.d)", "c": "[1, {a: 2}] | .[1].a |= . + 1 | walk(.)", "d": ".payload |= with_entries(.)"}}]`, Config{})
	want := ""
	for i := range 2 {
		var wg sync.WaitGroup
		results := make([]string, 16)
		for j := range results {
			wg.Go(func() {
				r, err := m.Match(t.Context(), event)
				if err != nil {
					t.Error(err)
					return
				}
				for range 20 {
					req, _, err := r.Request(t.Context(), event)
					if err != nil {
						t.Error(err)
					}
					changed, _, err := update.Rules[0].Request(t.Context(), event)
					if err != nil {
						t.Error(err)
					}
					results[j] = asJSON(shown(req)) + asJSON(shown(changed))
				}
			})
		}
		wg.Wait()
		if i == 0 {
			want = results[0]
		}
		for _, got := range results {
			if got != want {
				t.Fatalf("got %s\nwant %s", got, want)
			}
		}
	}
	if got := asJSON(event); got != asJSON(decode(t, benchEvent)) {
		t.Error("the event has changed")
	}
}
