package event

import (
	"bytes"
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

// value reads a value of any kind; headers tells that it is that of the
// message's own member "headers".
func (d *decoder) value(headers bool) (any, error) {
	switch d.in.PeekKind() {
	case '{':
		d.msg.HeadersOK = d.msg.HeadersOK || headers
		return d.object(headers)
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
		return invoker.Number(string(raw)), nil
	}
}

// object reads an object. Of headers it keeps aside what Port added to sign the
// rest.
func (d *decoder) object(headers bool) (map[string]any, error) {
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
		own, valueStart := d.in.StackDepth() == 1 && name == "headers", len(d.out)
		if tree[name], err = d.value(own); err != nil {
			return nil, err
		}
		if headers && (name == signatureHeader || name == timestampHeader) {
			d.keepAside(name, tree[name], d.out[valueStart:])
			d.out = d.out[:end]
		}
		if own {
			d.headersStart, d.headersEnd = start, len(d.out)
		}
	}
	if headers {
		delete(tree, signatureHeader)
		delete(tree, timestampHeader)
	}
	d.out = append(d.out, '}')
	_, err := d.in.ReadToken()
	return tree, err
}

// keepAside takes the text of a header that Port signs with. A value of another
// type than Port's leaves the message unsigned.
func (d *decoder) keepAside(name string, v any, raw jsontext.Value) {
	text, _ := v.(string)
	if name == signatureHeader {
		d.msg.Signature = text
		return
	}
	if raw.Kind() == '0' {
		text = string(raw)
	}
	d.msg.Timestamp = text
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
		v, err := d.value(false)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	d.out = append(d.out, ']')
	_, err := d.in.ReadToken()
	return list, err
}

// open reads the start of an object or array.
func (d *decoder) open() error {
	if d.in.StackDepth() == maxDepth {
		return fmt.Errorf("nested deeper than %d levels", maxDepth)
	}
	_, err := d.in.ReadToken()
	return err
}

// str writes the string raw in canonical form and returns its value.
func (d *decoder) str(raw []byte) string {
	d.out = appendCanonical(d.out, raw)
	return unquote(raw)
}
