package jq

import (
	"bytes"
	"encoding/json"
	"testing"
)

// decode gives JSON as the agent decodes it.
func decode(tb testing.TB, s string) any {
	tb.Helper()
	v, err := tryDecode(s)
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

func tryDecode(s string) (any, error) {
	dec := json.NewDecoder(bytes.NewReader([]byte(s)))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	return settle(v)
}

func decodeOrPanic(s string) any {
	v, err := tryDecode(s)
	if err != nil {
		panic(err)
	}
	return v
}

func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func printable(t *testing.T, v any) {
	t.Helper()
	if _, err := json.Marshal(v); err != nil {
		t.Errorf("cannot be printed: %v", err)
	}
}
