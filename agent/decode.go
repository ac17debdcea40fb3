package agent

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// ErrMalformed is wrapped by the error of a record that is no event.
var ErrMalformed = errors.New("malformed event")

// The headers that Port adds when it signs.
const (
	signatureHeader = "X-Port-Signature"
	timestampHeader = "X-Port-Timestamp"
)

const (
	// maxDepth bounds how deep an event may be nested. Port's own events stay
	// below a dozen levels; everything behind the decoder walks the tree
	// recursively, and this keeps the stack of each such walk at some 100 KB.
	maxDepth = 512
	// maxDigits bounds an integer's digits. Arithmetic and printing of big
	// integers take more than linear time, and records are decoded before
	// their signature is checked.
	maxDigits = 1000
)

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
}

// Decode reads a record. Every error wraps ErrMalformed and holds no text of
// the record: not JSON, not an object, trailing data, a name that occurs twice
// in an object, invalid UTF-8, nested deeper than 512 levels, an integer of
// more than 1,000 digits.
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
	d := decoder{
		// A bytes.Buffer is read in place, without a copy. The UTF-8 of the
		// text is checked above; the option lets pass what remains, escaped
		// lone surrogates, which JSON.stringify prints and therefore Port
		// signs. That names occur once shows at the tree, at less cost.
		in:  jsontext.NewDecoder(bytes.NewBuffer(record), jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)),
		out: make([]byte, 0, len(record)),
	}
	if d.in.PeekKind() != '{' {
		return nil, fmt.Errorf("%w: not a JSON object", ErrMalformed)
	}
	root, err := d.object(1, (*decoder).rootMember)
	if err != nil {
		return nil, malformed(err)
	}
	if len(bytes.TrimLeft(record[d.in.InputOffset():], " \t\r\n")) != 0 {
		return nil, fmt.Errorf("%w: data after the object", ErrMalformed)
	}
	d.msg.Root, d.msg.Body = root, d.out
	if d.headersEnd > 0 && signedWithoutHeaders(root) {
		delete(root, "headers")
		d.msg.Body = cutMember(d.out, d.headersStart, d.headersEnd)
	}
	return &d.msg, nil
}

// malformed wraps err without the names that jsontext quotes: they come from
// the record and may be as long as it.
func malformed(err error) error {
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return fmt.Errorf("%w: invalid JSON at byte %d", ErrMalformed, syntax.ByteOffset)
	}
	return fmt.Errorf("%w: %w", ErrMalformed, err)
}

// signedWithoutHeaders reports whether Port leaves the whole headers out of
// what it signs, as it does for invocation type GITLAB (written just so).
func signedWithoutHeaders(root map[string]any) bool {
	payload, _ := root["payload"].(map[string]any)
	action, _ := payload["action"].(map[string]any)
	method, _ := action["invocationMethod"].(map[string]any)
	return method["type"] == "GITLAB"
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

// decoder reads a record token by token and writes its canonical text
// alongside.
type decoder struct {
	in                       *jsontext.Decoder
	out                      []byte
	msg                      Message
	headersStart, headersEnd int // the member "headers" in out; end 0: none
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
	tree := make(map[string]any)
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
		v, keep, err := member(d, name, depth)
		if err != nil {
			return nil, err
		}
		tree[name] = v
		if !keep {
			d.out = d.out[:end]
		}
		if depth == 1 && name == "headers" {
			d.headersStart, d.headersEnd = start, len(d.out)
		}
	}
	d.out = append(d.out, '}')
	return tree, d.close()
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

// str writes the string raw in canonical form and returns its value.
func (d *decoder) str(raw []byte) string {
	d.out = appendCanonical(d.out, raw)
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

// unquote gives the value of a valid JSON string literal.
func unquote(raw []byte) string {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1])
	}
	b, _ := jsontext.AppendUnquote(nil, raw) // its one possible error: a lone surrogate became U+FFFD
	return string(b)
}

// appendCanonical appends a valid JSON string literal as JSON.stringify prints
// it: https://tc39.es/ecma262/#sec-quotejsonstring. Only escapes can differ.
func appendCanonical(dst, raw []byte) []byte {
	for {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 {
			return append(dst, raw...)
		}
		dst = append(dst, raw[:i]...)
		switch raw[i+1] {
		case 'u':
			var n int
			dst, n = appendUnicodeEscape(dst, raw[i:])
			raw = raw[i+n:]
			continue
		case '/':
			dst = append(dst, '/')
		default: // \" \\ \b \f \n \r \t are JSON.stringify's own
			dst = append(dst, raw[i:i+2]...)
		}
		raw = raw[i+2:]
	}
}

// appendUnicodeEscape appends what the \uXXXX at the start of raw stands for,
// and gives the length of the escape, twice as long for a surrogate pair.
func appendUnicodeEscape(dst, raw []byte) ([]byte, int) {
	const escape = len(`\uXXXX`)
	r := hexRune(raw[2:escape])
	if utf16.IsSurrogate(r) {
		if len(raw) >= 2*escape && raw[escape] == '\\' && raw[escape+1] == 'u' {
			if pair := utf16.DecodeRune(r, hexRune(raw[escape+2:2*escape])); pair != utf8.RuneError {
				return utf8.AppendRune(dst, pair), 2 * escape
			}
		}
		return fmt.Appendf(dst, `\u%04x`, r), escape // alone: it stays an escape
	}
	if r >= utf8.RuneSelf {
		return utf8.AppendRune(dst, r), escape
	}
	// The library escapes ASCII as JSON.stringify does (RFC 8785, 3.2.2.2).
	quoted, _ := jsontext.AppendQuote(nil, []byte{byte(r)})
	return append(dst, quoted[1:len(quoted)-1]...), escape
}

// hexRune reads four hexadecimal digits that were found valid before.
func hexRune(digits []byte) rune {
	n, _ := strconv.ParseUint(string(digits), 16, 16)
	return rune(n)
}
