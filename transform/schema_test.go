package transform

import (
	"encoding/json"
	"testing"
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
