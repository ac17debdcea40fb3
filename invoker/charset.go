package invoker

import (
	"bytes"
	"mime"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding"
)

// decodeText brings a body to valid UTF-8, and returns body itself where it is
// that already. Its encoding is what its byte order mark says, else the charset
// of the content type. Else it is UTF-8 if it is valid or JSON, or what
// charset.DetermineEncoding takes a text of the web for: what an HTML document
// declares, or windows-1252.
func decodeText(body []byte, contentType string) []byte {
	media, _, _ := mime.ParseMediaType(contentType)
	e, _, certain := charset.DetermineEncoding(body, contentType)
	if e != encoding.Nop && (certain || !jsonMedia(media) && !utf8.Valid(body)) {
		if text, err := e.NewDecoder().Bytes(body); err == nil {
			body = text
		}
	}
	body = bytes.TrimPrefix(body, []byte("\uFEFF"))
	if utf8.Valid(body) {
		return body
	}
	return bytes.ToValidUTF8(body, []byte("\uFFFD"))
}
