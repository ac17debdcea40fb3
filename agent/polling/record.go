package polling

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"port-agent/agent"
	"port-agent/agent/port"
)

// record makes of a claimed run what a record of the runs topic would hold:
// for an action run the body that its action gives, with the headers and the
// method to invoke; for a workflow node run the config of its node.
func record(r port.Claimed) ([]byte, error) {
	method, err := parse(bytes.ToValidUTF8(r.Body, []byte("\uFFFD")))
	if err != nil {
		return nil, fmt.Errorf("read the invocation method: %w", err)
	}
	headers := orEmpty(method.get("headers"))
	if agent.IsNodeRun(r.ID) {
		config := method.text()
		return object{
			{"headers", headers},
			{"payload", object{{"action", object{{"invocationMethod", config}}.text()}}.text()},
			{"context", object{{"runId", quote(r.ID)}, {"nodeConfig", config}}.text()},
		}.text(), nil
	}
	event, err := parse(method.get("body"))
	if err != nil {
		return nil, fmt.Errorf("read the body: %w", err)
	}
	method = slices.DeleteFunc(method, func(m member) bool { return m.name == "body" })
	event.set("headers", headers)
	if err := event.put(method.text(), "payload", "action", "invocationMethod"); err != nil {
		return nil, err
	}
	if err := event.put(quote(r.ID), "context", "runId"); err != nil {
		return nil, err
	}
	return event.text(), nil
}

func orEmpty(v jsontext.Value) jsontext.Value {
	if empty(v) {
		return jsontext.Value("{}")
	}
	return v
}

// empty reports whether a value is absent or null.
func empty(v jsontext.Value) bool { return len(v) == 0 || v.Kind() == 'n' }

func quote(s string) jsontext.Value {
	text, _ := jsontext.AppendQuote(nil, s) // invalid UTF-8 becomes U+FFFD
	return text
}

// object is a JSON object whose members keep their order and their text, so
// that nothing of an event changes on its way.
type object []member

type member struct {
	name  string
	value jsontext.Value
}

// parse reads an object; absent and null are an empty one.
func parse(text []byte) (object, error) {
	if empty(bytes.TrimLeft(text, " \t\r\n")) {
		return nil, nil
	}
	d := jsontext.NewDecoder(bytes.NewReader(text), jsontext.AllowInvalidUTF8(true))
	if d.PeekKind() != '{' {
		return nil, errors.New("not an object")
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	var o object
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		m := member{name: name.String()} // before the next read, which takes its memory
		value, err := d.ReadValue()
		if err != nil {
			return nil, err
		}
		m.value = value.Clone()
		o = append(o, m)
	}
	_, err := d.ReadToken()
	return o, err
}

// get is the value of a member, nil where there is none.
func (o object) get(name string) jsontext.Value {
	for _, m := range o {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// set replaces the value of a member in its place, or adds one at the end.
func (o *object) set(name string, v jsontext.Value) {
	for i := range *o {
		if (*o)[i].name == name {
			(*o)[i].value = v
			return
		}
	}
	*o = append(*o, member{name, v})
}

// put sets a member of an object inside o, making those on the way that are
// not there.
func (o *object) put(v jsontext.Value, path ...string) error {
	if len(path) == 1 {
		o.set(path[0], v)
		return nil
	}
	inner, err := parse(o.get(path[0]))
	if err != nil {
		return fmt.Errorf("read %s: %w", path[0], err)
	}
	if err := inner.put(v, path[1:]...); err != nil {
		return err
	}
	o.set(path[0], inner.text())
	return nil
}

func (o object) text() jsontext.Value {
	b := []byte{'{'}
	for i, m := range o {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, quote(m.name)...), ':'), m.value...)
	}
	return append(b, '}')
}
