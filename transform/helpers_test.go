package transform

import (
	"encoding/json"
	"strings"
	"testing"
)

var testEnv = []string{"TOKEN=tok", "EMPTY="}

// decode gives JSON as the agent decodes it.
func decode(tb testing.TB, s string) any {
	tb.Helper()
	dec := json.NewDecoder(strings.NewReader(s))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		tb.Fatal(err)
	}
	return v
}

// check returns the findings about a mapping.
func check(file string, environ []string) []Finding {
	_, findings := Parse("m.json", []byte(file), Config{}, environ)
	return findings
}

func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
