package agent

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"math/big"
	"strconv"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// decoder reads a record token by token and writes its canonical text
// alongside.
type decoder struct {
	record                   bytes.Buffer // which in reads in place, without a copy
	in                       jsontext.Decoder
	out                      []byte
	msg                      Message
	headersStart, headersEnd int // the member "headers" in out; end 0: none
	texts                    texts
	members                  []pair // of the objects that are being read, the innermost last
}

// pair is a member of an object.
type pair struct {
	name  string
	value any
	at    int64 // where in the record its name ends
}

// maxKept is how many pairs a decoder keeps room for between two records.
const maxKept = 1 << 10

var decoders = sync.Pool{New: func() any { return new(decoder) }}

// newDecoder gives a decoder at the start of record, to be freed after use.
func newDecoder(record []byte) *decoder {
	d := decoders.Get().(*decoder)
	d.record = *bytes.NewBuffer(record)
	// The UTF-8 of the text was checked; the option lets pass what remains,
	// escaped lone surrogates, which JSON.stringify prints and therefore Port
	// signs. That names occur once shows at the tree, at less cost.
	d.in.Reset(&d.record, jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	d.out = make([]byte, 0, len(record)) // the canonical text is never longer
	return d
}

// free makes d ready for another record. Nothing of this one stays but texts.
func (d *decoder) free() {
	clear(d.members)
	if d.members = d.members[:0]; cap(d.members) > maxKept {
		d.members = nil
	}
	d.record = bytes.Buffer{}
	d.in.Reset(&d.record)
	d.out, d.msg, d.headersStart, d.headersEnd = nil, Message{}, 0, 0
	decoders.Put(d)
}

// texts keeps short strings for the next event, where most of them occur
// again: names, types, users, projects. Each is an any that holds a string, so
// that putting it into a tree costs nothing.
type texts [512]any

// maxText is the length in bytes up to which a string is kept.
const maxText = 40

var textSeed = maphash.MakeSeed()

// of gives the string b, as it stands in the tree.
func (t *texts) of(b []byte) any {
	if len(b) > maxText {
		return string(b)
	}
	kept := &t[maphash.Bytes(textSeed, b)%uint64(len(t))]
	if s, ok := (*kept).(string); !ok || s != string(b) {
		*kept = string(b)
	}
	return *kept
}

// member reads the value of the member name of an object at depth. Where keep
// is false the member is taken out of the text; it is nil in the tree.
type member func(d *decoder, name string, depth int) (value any, keep bool, err error)

// rootMember reads a member of the message itself.
func (d *decoder) rootMember(name string, depth int) (any, bool, error) {
	if name != "headers" || d.in.PeekKind() != '{' {
		return d.plainMember(name, depth)
	}
	d.msg.HeadersOK = true
	headers, err := d.object(depth+1, (*decoder).headerMember)
	delete(headers, signatureHeader)
	delete(headers, timestampHeader)
	return headers, true, err
}

// headerMember reads a member of headers and keeps aside what Port added to
// sign the rest. A value of another type than Port's goes the same way, and
// leaves the message unsigned.
func (d *decoder) headerMember(name string, depth int) (any, bool, error) {
	var aside *string
	switch name {
	case signatureHeader:
		aside = &d.msg.Signature
	case timestampHeader:
		aside = &d.msg.Timestamp
	default:
		return d.plainMember(name, depth)
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
func (d *decoder) plainMember(_ string, depth int) (any, bool, error) {
	v, err := d.value(depth + 1)
	return v, true, err
}

func (d *decoder) value(depth int) (any, error) {
	switch d.in.PeekKind() {
	case '{':
		return d.object(depth, (*decoder).plainMember)
	case '[':
		return d.array(depth)
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
		return number(raw)
	}
}

func (d *decoder) object(depth int, member member) (map[string]any, error) {
	if err := d.open(depth); err != nil {
		return nil, err
	}
	first := len(d.members)
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
		m := pair{name: d.str(raw).(string), at: d.in.InputOffset()}
		d.out = append(d.out, ':')
		var keep bool
		if m.value, keep, err = member(d, m.name, depth); err != nil {
			return nil, err
		}
		d.members = append(d.members, m)
		if !keep {
			d.out = d.out[:end]
		}
		if depth == 1 && m.name == "headers" {
			d.headersStart, d.headersEnd = start, len(d.out)
		}
	}
	d.out = append(d.out, '}')
	if err := d.close(); err != nil {
		return nil, err
	}
	tree, err := treeOf(d.members[first:])
	clear(d.members[first:])
	d.members = d.members[:first]
	return tree, err
}

// treeOf makes an object of its members, in a map of just their number.
func treeOf(members []pair) (map[string]any, error) {
	tree := make(map[string]any, len(members))
	for n, m := range members {
		if tree[m.name] = m.value; len(tree) <= n {
			return nil, fmt.Errorf("a name occurs twice in an object, again before byte %d", m.at)
		}
	}
	return tree, nil
}

func (d *decoder) array(depth int) ([]any, error) {
	if err := d.open(depth); err != nil {
		return nil, err
	}
	list := []any{}
	d.out = append(d.out, '[')
	for d.in.PeekKind() != ']' {
		if len(list) > 0 {
			d.out = append(d.out, ',')
		}
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	d.out = append(d.out, ']')
	return list, d.close()
}

// open reads the start of an object or array.
func (d *decoder) open(depth int) error {
	if depth > maxDepth {
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

// str writes the string raw in canonical form and returns its value, a string.
func (d *decoder) str(raw []byte) any {
	d.out = appendCanonical(d.out, raw)
	if bytes.IndexByte(raw, '\\') < 0 {
		return d.texts.of(raw[1 : len(raw)-1])
	}
	return unquote(raw)
}

// number gives the value of a JSON number's text.
func number(text []byte) (any, error) {
	if bytes.ContainsAny(text, ".eE") {
		f, err := strconv.ParseFloat(string(text), 64)
		if err != nil { // out of range: f is infinite, which JSON cannot print
			f = math.Copysign(math.MaxFloat64, f)
		}
		return f, nil
	}
	if n, err := strconv.Atoi(string(text)); err == nil {
		return n, nil
	}
	if len(text) > maxDigits {
		return nil, fmt.Errorf("an integer of more than %d digits", maxDigits)
	}
	n, ok := new(big.Int).SetString(string(text), 10)
	if !ok {
		return nil, errors.New("invalid number")
	}
	return n, nil
}
