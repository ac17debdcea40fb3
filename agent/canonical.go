package agent

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// unquote returns the value of a valid JSON string literal.
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
		dst, raw = append(dst, raw[:i]...), raw[i:]
		n := 2
		switch raw[1] {
		case 'u':
			dst, n = appendUnicodeEscape(dst, raw)
		case '/':
			dst = append(dst, '/')
		default: // \" \\ \b \f \n \r \t are JSON.stringify's own
			dst = append(dst, raw[:n]...)
		}
		raw = raw[n:]
	}
}

// appendUnicodeEscape appends what the \uXXXX at the start of raw stands for,
// and returns the length of the escape, twice as long for a surrogate pair. A lone
// surrogate stays an escape. The library escapes ASCII as JSON.stringify does
// (RFC 8785, 3.2.2.2).
func appendUnicodeEscape(dst, raw []byte) ([]byte, int) {
	const escape = len(`\uXXXX`)
	for _, n := range []int{escape, 2 * escape} {
		if n > len(raw) {
			break
		}
		text, err := jsontext.AppendUnquote(nil, append(append([]byte{'"'}, raw[:n]...), '"'))
		if err == nil {
			quoted, _ := jsontext.AppendQuote(nil, text)
			return append(dst, quoted[1:len(quoted)-1]...), n
		}
	}
	return append(dst, bytes.ToLower(raw[:escape])...), escape
}
