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
// that already. Its encoding is, in this order, what a byte order mark says, UTF-16 or UTF-32 where the first characters
// look like it, the charset of the content type, what an XML or HTML document
// declares, UTF-8 where it is valid, or else what charset.DetermineEncoding
// takes a text of the web for, windows-1252.
func decodeText(body []byte, contentType string) []byte {
	media, params, _ := mime.ParseMediaType(contentType)
	e := marked(body)
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

var (
	utf16BE = unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
	utf16LE = unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	utf32BE = utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM)
	utf32LE = utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM)

	// marks are the byte order marks. That of UTF-32 begins like that of UTF-16.
	marks = []struct {
		mark     string
		encoding encoding.Encoding
	}{
		{"\xff\xfe\x00\x00", utf32LE}, {"\x00\x00\xfe\xff", utf32BE}, {"\xff\xfe", utf16LE}, {"\xfe\xff", utf16BE}, {"\xef\xbb\xbf", unicode.UTF8},
	}
	// shapes tell the encodings apart by which of the first four bytes are
	// zero: the first two characters are ASCII in JSON (RFC 4627, section 3)
	// and in markup.
	shapes = map[[4]bool]encoding.Encoding{
		{true, true, true, false}: utf32BE, {false, true, true, true}: utf32LE,
		{true, false, true, false}: utf16BE, {false, true, false, true}: utf16LE,
	}
)

// marked finds the encoding of Unicode that a body begins with, if any.
func marked(body []byte) encoding.Encoding {
	for _, m := range marks {
		if bytes.HasPrefix(body, []byte(m.mark)) {
			return m.encoding
		}
	}
	if len(body) < 4 {
		return nil
	}
	return shapes[[4]bool{body[0] == 0, body[1] == 0, body[2] == 0, body[3] == 0}]
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
