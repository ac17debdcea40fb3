package agent

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

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
