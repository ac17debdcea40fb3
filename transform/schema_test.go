package transform

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// TestSchema looks for each field of the parser's tables in the schema.
func TestSchema(t *testing.T) {
	t.Parallel()
	var s struct {
		Schema string `json:"$schema"`
		Defs   struct {
			Rules struct {
				Items struct {
					Properties map[string]struct {
						Description string
						Properties  map[string]struct{ Description string }
						AnyOf       []struct {
							Properties map[string]struct{ Description string }
						}
					}
				}
			}
		} `json:"$defs"`
	}
	if err := json.Unmarshal(Schema(), &s); err != nil {
		t.Fatal(err)
	}
	if s.Schema != "https://json-schema.org/draft/2020-12/schema" {
		t.Errorf("$schema is %q", s.Schema)
	}
	rule := s.Defs.Rules.Items.Properties
	for _, f := range ruleFields {
		if rule[f.name].Description == "" {
			t.Errorf("no description of %s", f.name)
		}
	}
	for _, f := range reportFields {
		if rule["report"].Properties[f.name].Description == "" {
			t.Errorf("no description of report.%s", f.name)
		}
	}
	for _, f := range followFields {
		if rule["follow"].AnyOf[1].Properties[f.name].Description == "" {
			t.Errorf("no description of follow.%s", f.name)
		}
	}
}

// validator checks JSON with the part of JSON Schema that Schema uses. A
// keyword that it does not know is a fault of the test.
type validator struct {
	t    *testing.T
	defs map[string]any
}

// fault gives the place of the first thing that s refuses in v, "" for none.
func (c validator) fault(s map[string]any, v any, at string) string {
	c.t.Helper()
	for keyword, arg := range s {
		bad := ""
		switch keyword {
		case "$schema", "title", "description", "$defs":
		case "$ref":
			bad = c.fault(c.defs[strings.TrimPrefix(arg.(string), "#/$defs/")].(map[string]any), v, at)
		case "anyOf":
			bad = at
			for _, s := range arg.([]any) {
				if f := c.fault(s.(map[string]any), v, at); len(f) > len(bad) {
					bad = f // the alternative that goes deepest is the one that is meant
				} else if f == "" {
					bad = ""
					break
				}
			}
		case "type":
			types, ok := arg.([]any)
			if !ok {
				types = []any{arg}
			}
			if !slices.ContainsFunc(types, func(name any) bool { return ofType(v, name.(string)) }) {
				bad = at
			}
		case "enum":
			if !slices.Contains(arg.([]any), v) {
				bad = at
			}
		case "required":
			m, _ := v.(map[string]any)
			for _, name := range arg.([]any) {
				if _, ok := m[name.(string)]; !ok {
					bad = at
				}
			}
		case "properties", "additionalProperties":
			bad = c.members(s, v, at)
		case "items":
			list, _ := v.([]any)
			for i, v := range list {
				if bad == "" {
					bad = c.fault(arg.(map[string]any), v, fmt.Sprintf("%s/%d", at, i))
				}
			}
		case "minimum", "maximum", "exclusiveMinimum":
			n, ok := v.(float64)
			limit := arg.(float64)
			if ok && (keyword == "minimum" && n < limit || keyword == "maximum" && n > limit || keyword == "exclusiveMinimum" && n <= limit) {
				bad = at
			}
		case "minItems":
			if list, ok := v.([]any); ok && float64(len(list)) < arg.(float64) {
				bad = at
			}
		case "minLength":
			if s, ok := v.(string); ok && float64(len(s)) < arg.(float64) {
				bad = at
			}
		default:
			c.t.Fatalf("the schema uses %s", keyword)
		}
		if bad != "" {
			return bad
		}
	}
	return ""
}

func (c validator) members(s map[string]any, v any, at string) string {
	m, _ := v.(map[string]any)
	known, _ := s["properties"].(map[string]any)
	for name, v := range m {
		sub, ok := known[name]
		if !ok {
			sub = s["additionalProperties"]
		}
		if sub == false {
			return at + "/" + name
		}
		if sub, ok := sub.(map[string]any); ok {
			if bad := c.fault(sub, v, at+"/"+name); bad != "" {
				return bad
			}
		}
	}
	return ""
}

func ofType(v any, name string) bool {
	switch v := v.(type) {
	case nil:
		return name == "null"
	case bool:
		return name == "boolean"
	case string:
		return name == "string"
	case float64:
		return name == "number" || name == "integer" && v == float64(int(v))
	case []any:
		return name == "array"
	}
	return name == "object"
}

// TestSchemaAgrees holds the schema to Check: it accepts the examples and
// refuses, at the same place, what Check finds fault with.
func TestSchemaAgrees(t *testing.T) {
	t.Parallel()
	var schema map[string]any
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	c := validator{t, schema["$defs"].(map[string]any)}
	fault := func(data []byte) string {
		var v any
		if err := json.Unmarshal(data, &v); err != nil {
			t.Fatal(err)
		}
		return c.fault(schema, v, "#")
	}
	files, err := filepath.Glob("../examples/*/invocations.json")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d examples, %v", len(files), err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if at := fault(data); at != "" {
			t.Errorf("%s is refused at %s", file, at)
		}
	}
	for _, good := range []string{`[{}]`, `{"$schema": "x", "rules": [{"enabled": 1, "follow": true}]}`, `[{"headers": ".h", "query": {"a": ["1"], "b": null}, "body": [1, {}]}]`} {
		if at := fault([]byte(good)); at != "" || len(check(good, nil)) > 0 {
			t.Errorf("%s is refused at %s, findings %v", good, at, check(good, nil))
		}
	}
	for _, bad := range []string{
		`[{"name": 1}]`, `[{"enabled": []}]`, `[{"backend": "FTP"}]`, `[{"url": 1}]`, `[{"headers": {"A": {}}}]`, `[{"query": 1}]`, `[{"report": {"state": "1"}}]`,
		`[{"fieldsToDecryptPaths": [""]}]`, `[{"timeout": 0}]`, `[{"timeout": "5"}]`, `[{"onInterrupted": "stop"}]`, `[{"retry": {"attempts": 0.5}}]`, `[{"retry": {"statuses": [200]}}]`,
		`[{"follow": 1}]`, `[{"follow": {"interval": -1}}]`, `[{"follow": {"success": []}}]`, `[{"follow": {"dome": "true"}}]`, `[{"orderBy": true}]`, `[{"bodi": 1}]`, `{"rules": {}}`, `[1]`, `{"rules": [], "rule": 1}`,
	} {
		findings := check(bad, nil)
		at := fault([]byte(bad))
		if at == "" || len(findings) == 0 {
			t.Errorf("%s: refused by the schema at %q, findings %v", bad, at, findings)
			continue
		}
		if got := "#" + pointerAt(bad, findings[0].Start); got != at && !strings.HasPrefix(got, at) {
			t.Errorf("%s: refused by the schema at %s, by Parse at %s: %v", bad, at, got, findings[0])
		}
	}
}

// pointerAt gives the JSON pointer of the value, or of the member with the name,
// that begins at offset.
func pointerAt(data string, offset int) string {
	dec := jsontext.NewDecoder(strings.NewReader(data))
	for {
		before := dec.InputOffset()
		if _, err := dec.ReadToken(); err != nil {
			return "nothing"
		}
		token := data[before:dec.InputOffset()]
		if int(dec.InputOffset())-len(strings.TrimLeft(token, " ,:")) == offset {
			return string(dec.StackPointer())
		}
	}
}
