package wire

import (
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
)

func encode(t testing.TB, e encoding.Encoding, s string) string {
	t.Helper()
	out, err := e.NewEncoder().String(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Every way in which a server says, or begins with, its encoding.
func TestCharset(t *testing.T) {
	t.Parallel()
	label := func(name string) encoding.Encoding { e, _ := charset.Lookup(name); return e }
	const json = `{"a":"é€"}`
	for _, tc := range []struct{ name, contentType, body, want string }{
		{"nothing said", "", "é€", "é€"},
		{"UTF-8 beyond the first kilobyte", "text/plain", strings.Repeat("a", 2000) + "é", strings.Repeat("a", 2000) + "é"},
		{"not UTF-8", "text/plain", "caf\xe9", "café"},
		{"not UTF-8 and JSON", "application/json", "\"caf\xe9\"", "\"caf\uFFFD\""},
		{"not UTF-8 and lines of JSON", "application/x-ndjson", "\"caf\xe9\"", "\"café\""},
		{"UTF-8 that quotes HTML", "application/json", `{"a":"<meta charset=iso-8859-2>é"}`, `{"a":"<meta charset=iso-8859-2>é"}`},
		{"ISO-8859-1", "text/plain; charset=ISO-8859-1", "caf\xe9", "café"},
		{"quoted label", `text/plain; charset="iso-8859-1"`, "caf\xe9", "café"},
		{"ISO-8859-15", "text/plain;charset=iso-8859-15", "\xa4", "€"},
		{"windows-1251", "text/html; charset=windows-1251", encode(t, label("windows-1251"), "привет"), "привет"},
		{"Shift_JIS", "text/html; charset=Shift_JIS", encode(t, label("shift_jis"), "日本"), "日本"},
		{"GBK", "text/html; charset=gbk", encode(t, label("gbk"), "中文"), "中文"},
		{"a label nobody knows", "text/plain; charset=klingon", "é", "é"},
		{"a broken label", "text/plain; charset=", "é", "é"},
		{"UTF-8 mark", "text/plain; charset=iso-8859-1", "\xef\xbb\xbfé", "é"},
		{"UTF-8 mark and JSON", "application/json", "\xef\xbb\xbf" + json, json},
		{"UTF-16LE mark", "application/json", encode(t, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), json), json},
		{"UTF-16BE mark", "text/plain", encode(t, unicode.UTF16(unicode.BigEndian, unicode.UseBOM), "é"), "é"},
		{"UTF-16LE without", "application/json; charset=utf-8", encode(t, unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), json), json},
		{"UTF-16BE without", "application/json", encode(t, unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM), json), json},
		{"UTF-16 by label", "text/plain; charset=utf-16le", encode(t, unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), "é€"), "é€"},
		{"meta charset", "text/html", "<html><meta charset=iso-8859-2>\xb1</html>", "<html><meta charset=iso-8859-2>ą</html>"},
		{"meta http-equiv", "text/html", `<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-2">` + "\xb1", `<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-2">` + "ą"},
		{"XML declaration", "application/xml", `<?xml version="1.0" encoding="ISO-8859-2"?><a>` + "\xb1</a>", `<?xml version="1.0" encoding="ISO-8859-2"?><a>ą</a>`},
		{"XML declaration beside a charset", "application/xml; charset=utf-8", `<?xml version="1.0" encoding="ISO-8859-2"?><a>ą</a>`, `<?xml version="1.0" encoding="ISO-8859-2"?><a>ą</a>`},
		{"cut in a character", "text/plain; charset=utf-8", "é\xc3", "é\uFFFD"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			res := &Response{Header: http.Header{"Content-Type": {tc.contentType}}, Body: []byte(tc.body)}
			if got := res.Text(); got != tc.want {
				t.Errorf("text: got %q, want %q", got, tc.want)
			}
		})
	}
}

// The mark of a cut stands only where the text was cut.
func TestCutMark(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		res  Response
		want string
	}{
		{Response{Body: []byte("all")}, "all"},
		{Response{Body: []byte("half"), Truncated: true}, "half… [cut at 1 MiB]"},
		{Response{Body: []byte("half"), Broken: true}, "half… [the connection broke off]"},
	} {
		if got := tc.res.Text(); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
}

// FuzzDecodeText gives strangers' bytes and labels to what decodes answers.
func FuzzDecodeText(f *testing.F) {
	f.Add("text/html; charset=utf-16", []byte("\xff\xfe<\x00"))
	f.Add("application/json", []byte("\x00\x00\x00{"))
	f.Add("x", []byte(`<?xml encoding="utf-7"?>`))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		res := &Response{Header: http.Header{"Content-Type": {contentType}}, Body: body}
		if s := res.Text(); s != strings.ToValidUTF8(s, "") || len(s) > 8*len(body)+8 {
			t.Errorf("%d bytes became %d", len(body), len(s))
		}
	})
}
