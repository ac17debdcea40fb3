package invoker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

const (
	typeJSON = "application/json"
	typeForm = "application/x-www-form-urlencoded"
)

// Body is what a backend sends unless a rule says so: a value, and its
// compact JSON.
type Body struct {
	Value   any
	JSON    []byte   // nil: to be made from Value
	Secrets []string // what of it must not be shown
}

// eventBody is the event itself, byte for byte as it was verified unless a
// field of it was decrypted.
func eventBody(t *Target) Body {
	if t.Decrypted {
		return Body{Value: t.Root}
	}
	return Body{Value: t.Root, JSON: t.Event}
}

func jsonBody(v any) (Body, error) {
	b, err := marshal(v)
	return Body{Value: v, JSON: b}, err
}

// encode prints b as the content type in h asks, and sets the content type
// where there is none.
func (b Body) encode(h http.Header) ([]byte, error) {
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
			return encodeForm(fields), nil
		}
	}
	if s, ok := b.Value.(string); ok && !isJSON(media) {
		return []byte(s), nil
	}
	if b.JSON != nil {
		return b.JSON, nil
	}
	return marshal(b.Value)
}

func isJSON(media string) bool {
	return media == "" || media == typeJSON || strings.HasSuffix(media, "+json") || media == "text/json"
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
		for _, v := range slices.DeleteFunc(slices.Clone(values), func(v any) bool { return v == nil }) {
			form.Add(k, text(v))
		}
	}
	return []byte(form.Encode())
}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// marshal prints v as compact JSON without escaping <, > and &, as the
// senders of webhooks do.
func marshal(v any) ([]byte, error) {
	buf := buffers.Get().(*bytes.Buffer)
	defer func() {
		if buf.Cap() <= 64<<10 {
			buffers.Put(buf)
		}
	}()
	buf.Reset()
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encode body: %w", err)
	}
	return bytes.Clone(bytes.TrimSuffix(buf.Bytes(), []byte{'\n'})), nil
}
