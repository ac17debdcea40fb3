package event

import (
	"bytes"
	"regexp"
	"slices"

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
// it: https://tc39.es/ecma262/#sec-quotejsonstring. Only escapes can differ, and
// the library escapes as JSON.stringify does (RFC 8785, 3.2.2.2), but for lone
// surrogates, which stay escapes.
func appendCanonical(dst, raw []byte) []byte {
	if bytes.IndexByte(raw, '\\') < 0 {
		return append(dst, raw...)
	}
	if text, err := jsontext.AppendUnquote(nil, raw); err == nil {
		dst, _ = jsontext.AppendQuote(dst, text)
		return dst
	}
	return append(dst, escape.ReplaceAllFunc(raw, func(e []byte) []byte {
		text, err := jsontext.AppendUnquote(nil, slices.Concat([]byte{'"'}, e, []byte{'"'}))
		if err != nil {
			return bytes.ToLower(e)
		}
		quoted, _ := jsontext.AppendQuote(nil, text)
		return quoted[1 : len(quoted)-1]
	})...)
}

// escape is one escape, or the two of a surrogate pair.
var escape = regexp.MustCompile(`\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u....|\\.`)
