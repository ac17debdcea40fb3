package wire

import (
	"bytes"
	"mime"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding"
)

// decodeText brings a body to valid UTF-8, and returns body itself where it is
// that already. Its encoding is what its byte order mark says, UTF-16 where its
// first characters look like it, else the charset of the content type, else what
// an XML document declares. Else it is UTF-8 if it is valid or JSON, or what
// charset.DetermineEncoding takes a text of the web for: what an HTML document
// declares, or windows-1252.
func decodeText(body []byte, contentType string) []byte {
	media, params, _ := mime.ParseMediaType(contentType)
	if name := utf16(body); name != "" {
		contentType = "text/plain; charset=" + name
	} else if m := xmlEncoding.FindSubmatch(body[:min(len(body), 1024)]); m != nil && params["charset"] == "" {
		contentType = "text/xml; charset=" + string(m[1])
	}
	e, _, certain := charset.DetermineEncoding(body, contentType)
	if e != encoding.Nop && (certain || !IsJSON(media) && !utf8.Valid(body)) {
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

// IsJSON reports whether a body of a media type is one JSON value. An empty type
// counts as JSON; application/x-ndjson, which is many values, does not.
func IsJSON(media string) bool {
	return media == "" || media == "application/json" || media == "text/json" || strings.HasSuffix(media, "+json")
}

var xmlEncoding = regexp.MustCompile(`^\s*<\?xml[^>]*\sencoding\s*=\s*["']([A-Za-z0-9._-]+)["']`)

// utf16 names the encoding of a body without a mark whose first two characters
// are ASCII in UTF-16, as those of JSON (RFC 4627, section 3) and of markup are.
func utf16(body []byte) string {
	if len(body) < 4 {
		return ""
	}
	switch [4]bool{body[0] == 0, body[1] == 0, body[2] == 0, body[3] == 0} {
	case [4]bool{true, false, true, false}:
		return "utf-16be"
	case [4]bool{false, true, false, true}:
		return "utf-16le"
	}
	return ""
}
