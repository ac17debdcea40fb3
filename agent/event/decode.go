// Package event reads events as Port writes them: it decodes a record, checks
// Port's signature, and decrypts fields. It is not where an event stands in its
// source or how it is carried out. Package agent imports it, and cmd for what it
// shows of events.
package event

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"port-agent/invoker"
)

// ErrMalformed is wrapped by the error of a record that is no event.
var ErrMalformed = errors.New("malformed event")

// The headers that Port adds when it signs.
const (
	signatureHeader = "X-Port-Signature"
	timestampHeader = "X-Port-Timestamp"
)

// maxDepth bounds how deep an event may be nested. Port's own events stay
// below a dozen levels; everything behind the decoder walks the tree
// recursively, and this keeps the stack of each such walk at some 100 KB.
const maxDepth = 512

// Message is a record decoded: its canonical text and the tree of that text,
// both without what Port adds when it signs.
type Message struct {
	// Body is the message as JavaScript's JSON.stringify prints it, without
	// the headers X-Port-Signature and X-Port-Timestamp; for invocation type
	// GITLAB without headers altogether. It is what Port has signed and what
	// goes on to a backend.
	Body []byte
	// Root is the tree of Body: nil, bool, int, *big.Int, float64, string,
	// []any and map[string]any. A number without fraction and exponent is an
	// int or a *big.Int; any other is a float64, and where its text exceeds
	// float64's range, the largest one of its sign. Lone surrogates, which a
	// Go string cannot hold, are U+FFFD in Root and kept in Body.
	Root map[string]any
	// Signature and Timestamp are Port's two headers as they stood in the
	// record, a numeric timestamp as its text; empty where there were none.
	Signature, Timestamp string
	// HeadersOK reports whether the record's headers were an object.
	HeadersOK bool

	// Run is the id of the run that the event belongs to, Entity and Blueprint
	// name what it is about; each is empty where context does not say.
	Run, Entity, Blueprint string
	// Method is what a run invokes, Destination where a change of the catalog
	// goes. Which of the two counts follows from the topic.
	Method, Destination invoker.Method
}

// Decode reads a record. Every error wraps ErrMalformed and holds no text of
// the record: not JSON, not an object, trailing data, a name that occurs twice
// in an object, invalid UTF-8, nested deeper than 512 levels.
//
// Names that occur twice are refused because readers differ in which one they
// take: what is verified must be what is carried out. Names that differ in
// nothing but lone surrogates count as the same.
func Decode(record []byte) (*Message, error) {
	if len(bytes.TrimLeft(record, " \t\r\n")) == 0 {
		return nil, fmt.Errorf("%w: empty", ErrMalformed)
	}
	if !utf8.Valid(record) {
		return nil, fmt.Errorf("%w: invalid UTF-8", ErrMalformed)
	}
	d := newDecoder(record)
	if d.in.PeekKind() != '{' {
		return nil, fmt.Errorf("%w: not a JSON object", ErrMalformed)
	}
	root, err := d.object(false)
	if err != nil {
		return nil, malformed(err)
	}
	if len(bytes.TrimLeft(record[d.in.InputOffset():], " \t\r\n")) != 0 {
		return nil, fmt.Errorf("%w: data after the object", ErrMalformed)
	}
	msg := &d.msg
	msg.Root, msg.Body = root, d.out
	msg.Method, msg.Destination = MethodOf(root, false), MethodOf(root, true)
	about := objectAt(root, "context")
	msg.Run, _ = about["runId"].(string)
	msg.Entity, _ = about["entity"].(string)
	msg.Blueprint, _ = about["blueprint"].(string)
	// For invocation type GITLAB (written just so) Port signs without headers.
	if d.headersEnd > 0 && msg.Method.Raw["type"] == "GITLAB" {
		delete(root, "headers")
		msg.Body = cutMember(d.out, d.headersStart, d.headersEnd)
	}
	return msg, nil
}

// MethodOf reads where a decoded record says what to invoke: a run, or a change of
// the catalog where changeLog is set.
func MethodOf(root map[string]any, changeLog bool) invoker.Method {
	if changeLog {
		return invoker.ReadMethod(objectAt(root, "changelogDestination"))
	}
	return invoker.ReadMethod(objectAt(root, "payload", "action", "invocationMethod"))
}

// objectAt is the object at path, nil where there is none.
func objectAt(v map[string]any, path ...string) map[string]any {
	for _, name := range path {
		v, _ = v[name].(map[string]any)
	}
	return v
}

// malformed wraps err without the names that jsontext quotes: they come from
// the record and may be as long as it.
func malformed(err error) error {
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return fmt.Errorf("%w: invalid JSON at byte %d", ErrMalformed, syntax.ByteOffset)
	}
	return fmt.Errorf("%w: %w", ErrMalformed, err)
}

// cutMember takes the member text[start:end] of an object out, with the comma
// that goes with it.
func cutMember(text []byte, start, end int) []byte {
	switch {
	case text[start-1] == ',':
		start--
	case text[end] == ',':
		end++
	}
	return append(text[:start], text[end:]...)
}
