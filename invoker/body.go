package invoker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"port-agent/invoker/wire"
)

const (
	typeJSON = "application/json"
	typeForm = "application/x-www-form-urlencoded"
)

// Body is what a backend sends unless a rule says so: a value, and its
// compact JSON.
type Body struct {
	Value any
	JSON  []byte // nil: to be made from Value
}

// eventBody is the event itself, byte for byte as it was verified unless a
// field of it was decrypted.
func eventBody(t *Target) (Body, error) {
	if t.Decrypted {
		return jsonBody(t.Root)
	}
	return Body{Value: t.Root, JSON: t.Event}, nil
}

func jsonBody(v any) (Body, error) {
	b, err := marshal(v)
	return Body{Value: v, JSON: b}, err
}

// setContent makes body what the request carries, printed as its content type
// asks; it sets the content type where there is none.
//
// Of a JSON body only the text is kept: the value takes ten times the memory,
// and thousands of requests may wait for their turn.
func (r *Request) setContent(body Body) (err error) {
	var isJSON bool
	if r.Body, isJSON, err = body.encode(r.Header); !isJSON {
		r.value = body.Value
	}
	return err
}

func (b Body) encode(h http.Header) (text []byte, isJSON bool, err error) {
	contentType := h.Get("Content-Type")
	if contentType == "" {
		h["Content-Type"] = []string{typeJSON}
	}
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		media = strings.ToLower(strings.TrimSpace(contentType))
	}
	if media == typeForm {
		if fields, ok := b.Value.(map[string]any); ok {
			return encodeForm(fields), false, nil
		}
	}
	if s, ok := b.Value.(string); ok && !wire.IsJSON(media) {
		return []byte(s), false, nil
	}
	if b.JSON != nil {
		return b.JSON, true, nil
	}
	text, err = marshal(b.Value)
	return text, true, err
}

// encodeForm prints an object as a form: a list repeats its key, null is left
// out, a nested object is its JSON.
func encodeForm(fields map[string]any) []byte {
	form := make(url.Values, len(fields))
	for k, v := range fields {
		values, ok := v.([]any)
		if !ok {
			values = []any{v}
		}
		for _, v := range values {
			if v != nil {
				form.Add(k, text(v))
			}
		}
	}
	return []byte(form.Encode())
}

// marshal prints v as compact JSON without escaping <, > and &, as the
// senders of webhooks do.
func marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encode body: %w", err)
	}
	return bytes.Clone(bytes.TrimSuffix(buf.Bytes(), []byte{'\n'})), nil // thousands may wait: none keeps room that it does not use
}
