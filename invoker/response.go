package invoker

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"math/big"
	"strconv"
	"strings"

	"port-agent/invoker/wire"
)

// Bounds of an answer that is decoded. A tree takes up to fifty times the
// memory of its text, and arithmetic on long integers more than linear time.
const (
	maxValues = 100_000
	maxDigits = 1000
)

// Response is what a backend answered.
type Response struct {
	wire.Response

	Link          string // where the work can be watched, if the backend says so
	ExternalRunID string // what the backend calls the work, if it says so
}

// excerpt is the beginning of the text, for an error.
func (r *Response) excerpt() string {
	s := r.UTF8()
	return string(s[:min(len(s), 8*maxExcerpt)])
}

// RawJSON is the body as the JSON text it is, in UTF-8; ok is false where it
// is not JSON or is not complete.
func (r *Response) RawJSON() (text json.RawMessage, ok bool) {
	if r.Truncated || r.Broken {
		return nil, false
	}
	text = bytes.TrimSpace(r.UTF8())
	return text, json.Valid(text)
}

// JSON is the body decoded, anew at each call; ok is false where it is not
// JSON, is not complete, or holds more than 100,000 values. Numbers are as Number
// returns them.
func (r *Response) JSON() (v any, ok bool) {
	text := r.UTF8()
	if r.Truncated || r.Broken || len(text) > maxValues && countValues(text) > maxValues {
		return nil, false
	}
	return decodeJSON(text)
}

// decodeJSON decodes a text that is one JSON value.
func decodeJSON(text []byte) (v any, ok bool) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return nil, false
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, false
	}
	return numbers(v), true
}

// countValues counts the values of a JSON text, within one for each object
// and list.
func countValues(text []byte) int {
	n, quoted := 1, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ',' || c == '[' || c == '{'):
			n++
		}
	}
	return n
}

// Value is the response as expressions of a report see it: statusCode,
// headers, text and json.
func (r *Response) Value() map[string]any {
	v, _ := r.JSON()
	return map[string]any{
		"statusCode": r.StatusCode,
		"headers":    headerValue(r.Header),
		"text":       r.Text(),
		"json":       v,
	}
}

// numbers replaces the json.Numbers in v, in place where it can.
func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		return Number(v.String())
	case []any:
		for n := range v {
			v[n] = numbers(v[n])
		}
	case map[string]any:
		for k := range v {
			v[k] = numbers(v[k])
		}
	}
	return v
}

// Number returns the value of a JSON number's text as expressions keep numbers. One
// of at most 1,000 digits without fraction and exponent keeps every digit, as an
// int or a *big.Int. Anything else is a float64, the largest there is where it
// would be infinite.
func Number(s string) any {
	if len(strings.TrimPrefix(s, "-")) <= maxDigits && !strings.ContainsAny(s, ".eE") {
		if n, err := strconv.Atoi(s); err == nil {
			return n
		}
		if n, ok := new(big.Int).SetString(s, 10); ok {
			return n
		}
	}
	f, _ := strconv.ParseFloat(s, 64)
	return max(-math.MaxFloat64, min(f, math.MaxFloat64))
}
