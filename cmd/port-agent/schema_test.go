package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// schemaOfMapping compiles what the command prints, as an editor would.
func schemaOfMapping(t *testing.T) *jsonschema.Schema {
	t.Helper()
	code, out, errs := runCommand("schema")
	if code != exitOK || errs != "" {
		t.Fatalf("schema = %d, %s", code, errs)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("mapping.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("mapping.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(t *testing.T, s *jsonschema.Schema, text string) error {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(v)
}

func TestSchemaAcceptsExamples(t *testing.T) {
	s := schemaOfMapping(t)
	for _, dir := range exampleDirs(t) {
		text, err := os.ReadFile(filepath.Join(dir, "invocations.json"))
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(t, s, string(text)); err != nil {
			t.Errorf("%s: %v", dir, err)
		}
		if err := validate(t, s, `{"$schema": "./invocations.schema.json", "rules": `+string(text)+`}`); err != nil {
			t.Errorf("%s as an object: %v", dir, err)
		}
	}
}

// TestSchemaRefusesWhatCheckRefuses holds the schema and check to the same
// place of each broken mapping: both name the field.
func TestSchemaRefusesWhatCheckRefuses(t *testing.T) {
	setEnv(t, nil)
	s := schemaOfMapping(t)
	tests := []struct{ name, mapping, field string }{
		{"not a list", `{"enabled": true}`, ""},
		{"a rule is no object", `["x"]`, ""},
		{"url of another kind", `[{"url": 1}]`, "url"},
		{"enabled of another kind", `[{"enabled": []}]`, "enabled"},
		{"no such backend", `[{"backend": "BAMBOO"}]`, "backend"},
		{"timeout of another kind", `[{"timeout": "10 s"}]`, "timeout"},
		{"no time", `[{"timeout": 0}]`, "timeout"},
		{"headers are a list", `[{"headers": [".a"]}]`, "headers"},
		{"no such word", `[{"onInterrupted": "again"}]`, "onInterrupted"},
		{"paths are no list", `[{"fieldsToDecryptPaths": ".a"}]`, "fieldsToDecryptPaths"},
		{"a path is no text", `[{"fieldsToDecryptPaths": [1]}]`, "fieldsToDecryptPaths"},
		{"a status that is none", `[{"retry": {"statuses": [42]}}]`, "retry"},
		{"report of another kind", `[{"report": ".a"}]`, "report"},
		{"name of another kind", `[{"name": 1}]`, "name"},
		{"follow of another kind", `[{"follow": "yes"}]`, "follow"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := validate(t, s, tt.mapping)
			if err == nil || !strings.Contains(err.Error(), tt.field) {
				t.Errorf("the schema says %v, want a fault of %s", err, tt.field)
			}
			file := filepath.Join(t.TempDir(), "m.json")
			if err := os.WriteFile(file, []byte(tt.mapping), 0o600); err != nil {
				t.Fatal(err)
			}
			code, out, _ := runCommand("check", "-mapping", file)
			if code != exitFailed || !strings.Contains(out, tt.field) {
				t.Errorf("check = %d, %s, want a fault of %s", code, out, tt.field)
			}
		})
	}
}
