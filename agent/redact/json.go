package agent

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
	case !r.hasShort() && bytes.IndexByte(text, '\\') < 0 && r.clean(text):
		return text
	}
	return r.rewrite(text, func(t jsonText) string {
		if t.number && len(t.text) < minSecret {
			return t.text // short secrets would take half of all counts and codes away
		}
		return r.String(t.text)
	})
}

// shownFields of a log line hold nothing that an event brings.
var shownFields = map[string]bool{"level": true, "time": true, "topic": true, "run": true, "rule": true, "backend": true, "message": true}

// line returns a line of the log without secrets.
func (r *Redactor) line(text []byte) []byte {
	if !r.full && bytes.IndexByte(text, '\\') < 0 && r.clean(text) {
		return text
	}
	return r.rewrite(text, func(t jsonText) string {
		if r.full && (t.number || t.name || shownFields[t.member]) {
			return t.text
		}
		return r.inside(t.text)
	})
}

func (r *Redactor) hasShort() bool {
	return len(r.known.Load().whole) > 0 || r.base != nil && r.base.hasShort()
}

// clean reports whether text holds no secret as it stands.
func (r *Redactor) clean(text []byte) bool {
	s := unsafe.String(unsafe.SliceData(text), len(text)) // read here and not kept: answers are large
	for ; r != nil; r = r.base {
		if r.known.Load().in(s) {
			return false
		}
	}
	return true
}

// rewrite edits text part by part where it is JSON, else as one.
func (r *Redactor) rewrite(text []byte, edit func(jsonText) string) []byte {
	out, err := editJSON(text, edit)
	switch {
	case err != nil:
		return []byte(r.String(string(text)))
	case !r.full && !r.clean(out): // it spans several values
		return append([]byte(`"`+redacted+`"`), text[len(bytes.TrimRight(text, "\n")):]...)
	}
	return out
}

// jsonText is a string, a name or a number of a JSON text.
type jsonText struct {
	text   string
	member string // the name that it stands behind
	name   bool
	number bool
}

// editJSON replaces strings, names and numbers of one or more JSON values by
// strings. Everything else stays byte for byte.
func editJSON(text []byte, edit func(jsonText) string) ([]byte, error) {
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
		t := jsonText{member: member, number: token.Kind() == '0'}
		if token.Kind() != '"' && !t.number {
			continue
		}
		t.text = token.String()
		if kind, n := dec.StackIndex(dec.StackDepth()); kind == '{' && n%2 == 1 {
			t.name, member = true, t.text
		}
		edited := edit(t)
		if edited == t.text {
			continue
		}
		quoted, err := json.Marshal(edited)
		if err != nil {
			return nil, err
		}
		end := int(dec.InputOffset())
		start := end - len(bytes.TrimLeft(text[before:end], " \t\r\n,:"))
		out = append(append(out, text[kept:start]...), quoted...)
		kept = end
	}
}
