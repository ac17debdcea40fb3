package agent

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"port-agent/invoker"
)

// decoder reads a record token by token and writes its canonical text
// alongside.
type decoder struct {
	in                       *jsontext.Decoder
	out                      []byte
	msg                      Message
	headersStart, headersEnd int // the member "headers" in out; end 0: none
}

func newDecoder(record []byte) *decoder {
	return &decoder{
		// The UTF-8 of the text was checked; the option lets pass what remains,
		// escaped lone surrogates, which JSON.stringify prints and therefore Port
		// signs. Names that occur twice show in the tree.
		in:  jsontext.NewDecoder(bytes.NewBuffer(record), jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)),
		out: make([]byte, 0, len(record)), // the canonical text is never longer
	}
}

// readMember reads the value of the member name of an object. Where keep is
// false the member is taken out of the text; it is nil in the tree.
type readMember func(d *decoder, name string) (value any, keep bool, err error)

// rootMember reads a member of the message itself.
func (d *decoder) rootMember(name string) (any, bool, error) {
	if name != "headers" || d.in.PeekKind() != '{' {
		return d.plainMember(name)
	}
	d.msg.HeadersOK = true
	headers, err := d.object((*decoder).headerMember)
	delete(headers, signatureHeader)
	delete(headers, timestampHeader)
	return headers, true, err
}

// headerMember reads a member of headers and keeps aside what Port added to
// sign the rest. A value of another type than Port's goes the same way, and
// leaves the message unsigned.
func (d *decoder) headerMember(name string) (any, bool, error) {
	var aside *string
	switch name {
	case signatureHeader:
		aside = &d.msg.Signature
	case timestampHeader:
		aside = &d.msg.Timestamp
	default:
		return d.plainMember(name)
	}
	kind := d.in.PeekKind()
	raw, err := d.in.ReadValue()
	if err != nil {
		return nil, false, err
	}
	switch {
	case kind == '"':
		*aside = unquote(raw)
	case kind == '0' && name == timestampHeader:
		*aside = string(raw)
	}
	return nil, false, nil
}

// plainMember reads any other member.
func (d *decoder) plainMember(string) (any, bool, error) {
	v, err := d.value()
	return v, true, err
}

func (d *decoder) value() (any, error) {
	switch d.in.PeekKind() {
	case '{':
		return d.object((*decoder).plainMember)
	case '[':
		return d.array()
	}
	raw, err := d.in.ReadValue()
	if err != nil {
		return nil, err
	}
	switch raw.Kind() {
	case 'n':
		d.out = append(d.out, raw...)
		return nil, nil
	case 't', 'f':
		d.out = append(d.out, raw...)
		return raw[0] == 't', nil
	case '"':
		return d.str(raw), nil
	default:
		d.out = append(d.out, raw...)
		n, ok := invoker.Number(string(raw))
		if !ok {
			return nil, errors.New("an integer of more than 1000 digits")
		}
		return n, nil
	}
}

func (d *decoder) object(read readMember) (map[string]any, error) {
	if err := d.open(); err != nil {
		return nil, err
	}
	tree := map[string]any{}
	d.out = append(d.out, '{')
	for d.in.PeekKind() != '}' {
		raw, err := d.in.ReadValue()
		if err != nil {
			return nil, err
		}
		end := len(d.out)
		if d.out[end-1] != '{' {
			d.out = append(d.out, ',')
		}
		start := len(d.out)
		name := d.str(raw)
		if _, twice := tree[name]; twice {
			return nil, fmt.Errorf("a name occurs twice in an object, again before byte %d", d.in.InputOffset())
		}
		d.out = append(d.out, ':')
		value, keep, err := read(d, name)
		if err != nil {
			return nil, err
		}
		tree[name] = value
		if !keep {
			d.out = d.out[:end]
		}
		if d.in.StackDepth() == 1 && name == "headers" {
			d.headersStart, d.headersEnd = start, len(d.out)
		}
	}
	d.out = append(d.out, '}')
	return tree, d.close()
}

func (d *decoder) array() ([]any, error) {
	if err := d.open(); err != nil {
		return nil, err
	}
	list := []any{}
	d.out = append(d.out, '[')
	for d.in.PeekKind() != ']' {
		if len(list) > 0 {
			d.out = append(d.out, ',')
		}
		v, err := d.value()
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	d.out = append(d.out, ']')
	return list, d.close()
}

// open reads the start of an object or array.
func (d *decoder) open() error {
	if d.in.StackDepth() == maxDepth {
		return fmt.Errorf("nested deeper than %d levels", maxDepth)
	}
	_, err := d.in.ReadToken()
	return err
}

// close reads its end.
func (d *decoder) close() error {
	_, err := d.in.ReadToken()
	return err
}

// str writes the string raw in canonical form and returns its value.
func (d *decoder) str(raw []byte) string {
	d.out = appendCanonical(d.out, raw)
	return unquote(raw)
}
