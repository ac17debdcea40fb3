package agent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// Bytes returns text without secrets; where text is JSON, so is the result. It
// may be text itself.
func (r *Redactor) Bytes(text []byte) []byte {
	whole := string(text)
	if len(r.find(whole)) == 0 && !r.hasShort() {
		return text
	}
	if out, err := r.json(text); err == nil {
		whole = string(out)
	}
	return []byte(r.String(whole)) // for what spans several values
}

func (r *Redactor) hasShort() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.short > 0
}

// json redacts a JSON text value by value, so that a secret that looks like a
// number, or like part of one, does not break it.
func (r *Redactor) json(text []byte) ([]byte, error) {
	lenient := []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}
	var out bytes.Buffer
	in, enc := jsontext.NewDecoder(bytes.NewBuffer(text), lenient...), jsontext.NewEncoder(&out, lenient...)
	for {
		token, err := in.ReadToken()
		switch {
		case err == io.EOF:
			if !bytes.HasSuffix(text, []byte("\n")) { // the encoder always ends with one
				return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
			}
			return out.Bytes(), nil
		case err != nil:
			return nil, err
		}
		switch token.Kind() {
		case '"':
			if old := token.String(); r.String(old) != old {
				token = jsontext.String(r.String(old))
			}
		case '0':
			if clean, changed := r.numeral(token.String()); changed {
				token = jsontext.String(clean)
			}
		}
		if err := enc.WriteToken(token); err != nil {
			return nil, err
		}
	}
}

// Value returns a JSON value without secrets, in names as well; a number that
// holds one becomes a string. What is not changed is shared with v, which is
// left as it is. It knows the types of Message.Root, json.Number and []string.
func (r *Redactor) Value(v any) any {
	out, _ := r.value(v)
	return out
}

func (r *Redactor) value(v any) (out any, changed bool) {
	switch v := v.(type) {
	case string:
		clean := r.String(v)
		return clean, clean != v
	case int, float64, *big.Int, json.Number:
		if clean, changed := r.numeral(numberText(v)); changed {
			return clean, true
		}
	case []string:
		return redactList(v, func(s string) (string, bool) { clean := r.String(s); return clean, clean != s })
	case []any:
		return redactList(v, r.value)
	case map[string]any:
		return r.object(v)
	}
	return v, false
}

// numeral redacts the text of a number. Short secrets are not looked for: they
// would take half of all counts and codes away.
func (r *Redactor) numeral(text string) (string, bool) {
	if len(text) < minSecret {
		return text, false
	}
	clean := r.String(text)
	return clean, clean != text
}

// numberText gives a number's digits, without exponent where they are exact.
func numberText(v any) string {
	if f, ok := v.(float64); ok {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

// redactList copies list at its first change.
func redactList[E any](list []E, redact func(E) (E, bool)) (any, bool) {
	out := list
	changed := false
	for i, v := range list {
		clean, c := redact(v)
		if !c {
			continue
		}
		if !changed {
			out, changed = slices.Clone(list), true
		}
		out[i] = clean
	}
	return out, changed
}

func (r *Redactor) object(object map[string]any) (any, bool) {
	out := make(map[string]any, len(object))
	changed := false
	for name, v := range object {
		cleanName := r.String(name)
		clean, c := r.value(v)
		changed = changed || c || cleanName != name
		out[cleanName] = clean
	}
	if !changed {
		return object, false
	}
	return out, true
}
