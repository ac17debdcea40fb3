package invoker

import (
	"bytes"
	"mime"
	"regexp"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
)

// decodeText brings a body to valid UTF-8, and returns body itself where it is
// that already. Its encoding is, in this order,
// what a byte order mark says, UTF-16 or UTF-32 where the first characters
// look like it, the charset of the content type, what an XML or HTML document
// declares, UTF-8 where it is valid, or else what charset.DetermineEncoding
// takes a text of the web for, windows-1252.
func decodeText(body []byte, contentType string) []byte {
	media, params, _ := mime.ParseMediaType(contentType)
	e := marked(body)
	if e == nil {
		e = shaped(body)
	}
	if e == nil {
		e, _ = charset.Lookup(params["charset"])
	}
	if e == nil && !jsonMedia(media) {
		e = declared(body, contentType)
	}
	if e != nil && e != encoding.Nop {
		if text, err := e.NewDecoder().Bytes(body); err == nil {
			return bytes.TrimPrefix(text, []byte("\uFEFF"))
		}
	}
	if utf8.Valid(body) {
		return body
	}
	return bytes.ToValidUTF8(body, []byte("\uFFFD"))
}

// marked reads a byte order mark. That of UTF-32 begins like that of UTF-16.
func marked(body []byte) encoding.Encoding {
	switch {
	case bytes.HasPrefix(body, []byte{0xff, 0xfe, 0, 0}):
		return utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM)
	case bytes.HasPrefix(body, []byte{0, 0, 0xfe, 0xff}):
		return utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM)
	case bytes.HasPrefix(body, []byte{0xff, 0xfe}):
		return unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	case bytes.HasPrefix(body, []byte{0xfe, 0xff}):
		return unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
	case bytes.HasPrefix(body, []byte{0xef, 0xbb, 0xbf}):
		return unicode.UTF8
	}
	return nil
}

// shaped tells the encodings of Unicode apart by where the zero bytes are in
// the first two characters, which are ASCII in JSON (RFC 4627, section 3) and
// in markup.
func shaped(body []byte) encoding.Encoding {
	if len(body) < 4 {
		return nil
	}
	zero := func(n int) bool { return body[n] == 0 }
	switch {
	case zero(0) && zero(1) && zero(2) && !zero(3):
		return utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM)
	case !zero(0) && zero(1) && zero(2) && zero(3):
		return utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM)
	case zero(0) && !zero(1) && zero(2) && !zero(3):
		return unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
	case !zero(0) && zero(1) && !zero(2) && zero(3):
		return unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	}
	return nil
}

var xmlEncoding = regexp.MustCompile(`^\s*<\?xml[^>]*\sencoding\s*=\s*["']([A-Za-z0-9._-]+)["']`)

// declared reads what a document says of itself.
func declared(body []byte, contentType string) encoding.Encoding {
	if m := xmlEncoding.FindSubmatch(body[:min(len(body), 1024)]); m != nil {
		if e, _ := charset.Lookup(string(m[1])); e != nil {
			return e
		}
	}
	e, _, certain := charset.DetermineEncoding(body[:min(len(body), 1024)], contentType)
	if !certain && utf8.Valid(body) {
		return nil
	}
	return e
}
