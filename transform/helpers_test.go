package transform

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

// plain gives decoded JSON as the evaluator keeps it.
func plain(v any) any {
	out, err := settle(v)
	if err != nil {
		panic(err)
	}
	return out
}

func decodeOrPanic(s string) any {
	v, err := tryDecode(s)
	if err != nil {
		panic(err)
	}
	return v
}
