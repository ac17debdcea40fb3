package redact

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"
)

// Bytes returns text without secrets. Where text is JSON, so is the result: a
// number that holds a secret becomes a string, and a value that holds one
// across several of its parts becomes one string. What holds no secret is
// returned byte for byte; it may be text itself. What is escaped in a string is
// searched as well, so one layer deeper than formsOf goes.
func (r *Redactor) Bytes(text []byte) []byte {
	switch {
	case r.full && jsontext.Value(text).IsValid():
		return []byte(`"` + withheld + `"`)
	case r.full:
		return []byte(withheld)
	}
	return r.edit(text, func(part part) string {
		if part.number && len(part.text) < minSecret {
			return part.text // short secrets would take half of all counts and codes away
		}
		return r.String(part.text)
	})
}

// Writer returns a writer for the lines of a JSON log, which passes them on
// without secrets. A secret is found only within one call of Write. Short
// secrets stay there: they would take levels, names and numbers away.
func (r *Redactor) Writer(w io.Writer) io.Writer { return writer{r, w} }

type writer struct {
	*Redactor
	to io.Writer
}

func (w writer) Write(line []byte) (int, error) {
	if _, err := w.to.Write(w.line(line)); err != nil {
		return 0, err
	}
	return len(line), nil
}

// shownFields of a log line hold nothing that an event brings.
var shownFields = map[string]bool{"level": true, "time": true, "topic": true, "run": true, "rule": true, "backend": true, "message": true}

func (r *Redactor) line(text []byte) []byte {
	return r.edit(text, func(part part) string {
		if r.full && (part.number || part.name || shownFields[part.member]) {
			return part.text
		}
		return r.inside(part.text)
	})
}

// edit takes the secrets out of text, part by part where it is JSON, else as one.
func (r *Redactor) edit(text []byte, change func(part) string) []byte {
	if !r.full && !r.hasShort() && bytes.IndexByte(text, '\\') < 0 && r.clean(text) {
		return text
	}
	out, err := editJSON(text, change)
	switch {
	case err != nil:
		return []byte(r.String(string(text)))
	case !r.full && !r.clean(out): // it spans several parts
		return append([]byte(`"`+Mark+`"`), text[len(bytes.TrimRight(text, "\n")):]...)
	}
	return out
}

func (r *Redactor) hasShort() bool {
	return r != nil && (len(r.known.Load().whole) > 0 || r.base.hasShort())
}

// clean reports whether text holds no secret.
func (r *Redactor) clean(text []byte) bool {
	s := unsafe.String(unsafe.SliceData(text), len(text)) // read here and not kept: answers are large
	return r == nil || !r.known.Load().in(s) && r.base.clean(text)
}

// part is a string, a name or a number of a JSON text.
type part struct {
	text   string
	member string // the name that it stands behind
	name   bool
	number bool
}

// editJSON replaces strings, names and numbers of one or more JSON values by
// strings. Everything else stays byte for byte.
func editJSON(text []byte, change func(part) string) ([]byte, error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(text), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	var out []byte
	var member string
	for kept, before := 0, 0; ; before = int(dec.InputOffset()) {
		token, err := dec.ReadToken()
		if errors.Is(err, io.EOF) {
			return append(out, text[kept:]...), nil
		}
		if err != nil {
			return nil, err
		}
		p := part{member: member, number: token.Kind() == '0'}
		if token.Kind() != '"' && !p.number {
			continue
		}
		p.text = token.String()
		if kind, n := dec.StackIndex(dec.StackDepth()); kind == '{' && n%2 == 1 {
			p.name, member = true, p.text
		}
		changed := change(p)
		if changed == p.text {
			continue
		}
		quoted, err := json.Marshal(changed)
		if err != nil {
			return nil, err
		}
		end := int(dec.InputOffset())
		start := end - len(bytes.TrimLeft(text[before:end], " \t\r\n,:"))
		out = append(append(out, text[kept:start]...), quoted...)
		kept = end
	}
}
