package agent

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// redacted stands where a secret stood.
const redacted = "[redacted]"

const (
	// minSecret is the length in bytes from which a secret is looked for
	// inside of text. Shorter ones occur in any text by chance; they are
	// replaced only where they are the whole of a string.
	minSecret = 4
	// minLine is the same for one line of a secret of several lines, such as
	// a private key: enough to leave its formatting alone.
	minLine = 16
)

// Redactor takes secrets out of what leaves the agent for its log or for Port.
// It finds a secret as it is, in base64 (standard and URL alphabet, also as a
// part of what is encoded, as in Basic credentials), and escaped for URLs or
// JSON in whatever way and up to three layers deep. Of a secret of several
// lines it finds each long line as well.
//
// A Redactor may be used by many goroutines at once. The texts true, false and
// null are never taken for secrets.
type Redactor struct {
	mu    sync.RWMutex
	refs  map[string]int // secret → how many times it was added
	forms formIndex
	short int // how many of refs are shorter than minSecret
}

// NewRedactor makes a Redactor that knows secrets; empty ones are passed over.
func NewRedactor(secrets ...string) *Redactor {
	r := &Redactor{refs: make(map[string]int)}
	for _, s := range secrets {
		r.Add(s)
	}
	return r
}

// Add makes a secret known until remove is called; remove may be called more
// than once. A secret that was added several times stays until each is removed.
func (r *Redactor) Add(secret string) (remove func()) {
	switch secret {
	case "", "true", "false", "null":
		return func() {}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refs[secret]++; r.refs[secret] == 1 {
		if len(secret) < minSecret {
			r.short++
		}
		for _, f := range formsOf(secret) {
			r.forms.add(f)
		}
	}
	return sync.OnceFunc(func() { r.drop(secret) })
}

func (r *Redactor) drop(secret string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refs[secret]--; r.refs[secret] > 0 {
		return
	}
	delete(r.refs, secret)
	if len(secret) < minSecret {
		r.short--
	}
	for _, f := range formsOf(secret) {
		r.forms.remove(f)
	}
}

// String returns text without secrets.
func (r *Redactor) String(text string) string {
	spans := r.find(text)
	if len(spans) == 0 {
		return text
	}
	var b strings.Builder
	end := 0
	for _, s := range spans {
		b.WriteString(text[end:s.start])
		b.WriteString(redacted)
		end = s.end
	}
	b.WriteString(text[end:])
	return b.String()
}

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

// Writer returns a writer that passes on what is written without secrets. A
// secret is found only within one call of Write: it is for writers of whole
// lines, such as a logger.
func (r *Redactor) Writer(w io.Writer) io.Writer { return redactingWriter{r: r, w: w} }

type redactingWriter struct {
	r *Redactor
	w io.Writer
}

func (w redactingWriter) Write(p []byte) (int, error) {
	if _, err := w.w.Write(w.r.Bytes(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// formsOf gives the texts that give a secret away: itself and the base64 of
// it. Escaped forms need no entry, as text is unescaped before it is searched.
func formsOf(secret string) []form {
	var forms []form
	plain := func(text string) {
		if len(text) >= minSecret {
			forms = append(forms, form{text: text})
		}
	}
	encoded := func(text string) {
		for offset := range 3 {
			forms = append(forms, base64Forms(text, offset)...)
		}
	}
	plain(secret)
	encoded(secret)
	if spaced := strings.ReplaceAll(secret, " ", "+"); spaced != secret {
		plain(spaced) // as forms and query strings have it
	}
	if trimmed := strings.TrimSpace(secret); trimmed != secret {
		plain(trimmed)
		encoded(trimmed)
	}
	if lines := strings.Split(secret, "\n"); len(lines) > 1 {
		for _, line := range lines {
			if line = strings.TrimSpace(line); len(line) >= minLine && !strings.HasPrefix(line, "-----") {
				plain(line)
			}
		}
	}
	return forms
}

// base64Forms gives the characters that a secret always has in base64 when
// what comes before it leaves offset bytes in its first group of three, and
// how many characters around them it shares with its neighbours.
func base64Forms(secret string, offset int) []form {
	var forms []form
	bits := 8 * (offset + len(secret))
	first, last := (8*offset+5)/6, bits/6 // characters wholly of the secret
	if last-first < minSecret {
		return nil
	}
	before, after := min(offset, 1), min(bits%6, 1)
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		text := enc.EncodeToString([]byte(strings.Repeat("\x00", offset) + secret))
		f := form{text: text[first:last], before: before, after: after}
		if !slices.Contains(forms, f) {
			forms = append(forms, f)
		}
	}
	return forms
}
