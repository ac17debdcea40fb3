package invoker

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"math/big"
	"net/http"
	"strconv"
	"strings"
)

// maxAnswer is how much of an answer is read.
const maxAnswer = 1 << 20

// Response is what a backend answered.
type Response struct {
	StatusCode int
	Header     http.Header
	Body       []byte // at most 1 MiB
	Truncated  bool   // there was more than Body holds

	Link          string // where the work can be watched, if the backend says so
	ExternalRunID string // what the backend calls the work, if it says so
}

// Text is the body as text, with a mark at its end where it was cut.
func (r *Response) Text() string {
	s := strings.ToValidUTF8(string(r.Body), "\uFFFD")
	if r.Truncated {
		s += "… [cut at 1 MiB]"
	}
	return s
}

// JSON is the body decoded; ok is false where it is not JSON or was cut.
// Numbers are int, *big.Int or float64.
func (r *Response) JSON() (v any, ok bool) {
	if r.Truncated {
		return nil, false
	}
	return decodeJSON(r.Body)
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

// object is the body where it is a JSON object, else nil.
func (r *Response) object() map[string]any {
	v, _ := r.JSON()
	m, _ := v.(map[string]any)
	return m
}

// numbers replaces the json.Numbers in v, in place where it can.
func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		return number(v.String())
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

// number keeps every digit of an integer; anything else is a float64, the
// largest there is where it would be infinite.
func number(s string) any {
	if !strings.ContainsAny(s, ".eE") {
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

// readBody reads at most maxAnswer bytes; more tells that there were more.
func readBody(res *http.Response) (body []byte, more bool, err error) {
	if res.StatusCode == http.StatusSwitchingProtocols {
		return nil, false, nil // what follows is a connection
	}
	if n := res.ContentLength; n >= 0 && n <= maxAnswer {
		body = make([]byte, n)
		got, err := io.ReadFull(res.Body, body)
		return body[:got], false, err
	}
	buf := new(bytes.Buffer)
	_, err = buf.ReadFrom(io.LimitReader(res.Body, maxAnswer+1))
	if buf.Len() > maxAnswer {
		buf.Truncate(maxAnswer)
		more = true
	}
	return buf.Bytes(), more, err
}
