package requests

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"io"
	"strings"
)

// testCase is one request, and the raw answer to it; BASE in the URL is the
// recording server.
type testCase struct {
	Name    string              `json:"name"`
	Method  string              `json:"method"`
	URL     string              `json:"url"`
	Headers map[string]string   `json:"headers"`
	Query   map[string][]string `json:"query"`
	HasBody bool                `json:"hasBody"`
	Body    any                 `json:"body"`
	Form    bool                `json:"form"`
	Text    bool                `json:"text"`
	Verify  any                 `json:"verify"` // true, false or a file

	answer string
}

const ok = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"

// urls is what may stand in a URL. HOST is 127.0.0.1:port.
var urls = []string{
	"http://HOST", "http://HOST/", "http://HOST?q=1", "http://HOST/?", "http://HOST/plain",
	"http://HOST/a b", "http://HOST/a%20b", "http://HOST/a+b", "http://HOST/a%2Fb", "http://HOST/a%2fb",
	"http://HOST/%7Euser", "http://HOST/~user", "http://HOST/é", "http://HOST/%C3%A9", "http://HOST/%E9",
	"http://HOST/a%zz", "http://HOST/100%", "http://HOST/100%/x%2", "http://HOST//double//slash", "http://HOST/a/../b", "http://HOST/a/./b/..",
	"http://HOST/a/%2e%2e/b", "http://HOST/a;b=c", "http://HOST/a:b@c", "http://HOST/!$&'()*,=", "http://HOST/[a]", "http://HOST/{a}",
	"http://HOST/a|b", `http://HOST/a\b`, `http://HOST/"<>`, "http://HOST/^`", "http://HOST/a#fragment", "http://HOST/a%23b",
	"http://HOST/a\nb", "http://HOST/a\tb", "http://HOST/\u2028", "http://HOST/日本/データ", "http://HOST/a%00b",
	"http://HOST/?a=1&b=2", "http://HOST/?a=x y", "http://HOST/?a=x+y%20z", "http://HOST/?a=é", "http://HOST/?a=%E9", "http://HOST/?a=%zz", "http://HOST/?a=100%",
	"http://HOST/?a=b=c&d", "http://HOST/?a[]=1&a[]=2", `http://HOST/?a={"x":[1]}`, "http://HOST/?a=1;b=2", "http://HOST/?a=/?:@", "http://HOST/?a=x|y^z`",
	"http://HOST/?a='x'", "http://HOST/??", "http://HOST/?&", `http://HOST/?a=\`, "http://HOST/?%7Ex", "http://HOST/?a=\n", "http://HOST/?a=#b?c", "http://HOST/a?b#c",
	"HTTP://HOST/upper", " http://HOST/space", "http://HOST/space ", "http://localhost:PORT/", "http://LocalHost:PORT/", "http://localhost.:PORT/", "http://[::1]:PORT/",
	"http://127.1:PORT/", "http://2130706433:PORT/", "http://0x7f.0.0.1:PORT/", "http://0:PORT/", "http://127.0.0.1:0PORT/",
	"http://user:pass@HOST/", "http://user@HOST/", "http://user:@HOST/", "http://:pass@HOST/", "http://us%40er:p%3Aa%2Fss@HOST/", "http://us%C3%A9r:p@HOST/", "http://u:p@ss@HOST/",
	"HOST/no-scheme", "http:/HOST/one-slash", "http:///path", "ftp://HOST/", "http://127.0.0.1:99999/", "http://127.0.0.1:x/", "http://[::1/", "http://a b/", "", "http://HOST\\x/",
}

func cases() []testCase {
	var all []testCase
	add := func(c testCase) {
		if c.Method == "" {
			c.Method = "POST"
		}
		if c.URL == "" {
			c.URL = "http://HOST/x"
		}
		if c.answer == "" {
			c.answer = ok
		}
		all = append(all, c)
	}
	for _, u := range urls {
		add(testCase{Name: "url " + strings.NewReplacer("\n", `\n`, "\t", `\t`, "\u2028", `\u2028`).Replace(u), Method: "GET", URL: u})
	}
	for name, query := range map[string]map[string][]string{
		"list": {"a": {"1", "2"}}, "odd": {"a b": {"x y&z=é+/?"}}, "empty": {"a": {""}}, "quote": {"q": {`"'<>|~*!()`}}, "percent": {"p": {"100%", "%20"}},
	} {
		add(testCase{Name: "query " + name, Method: "GET", URL: "http://HOST/x?z=1", Query: query})
	}
	for _, h := range []struct{ name, value string }{
		{"x-lower", "1"}, {"X-UPPER", "1"}, {"x_under", "1"}, {"SOAPAction", `"urn:x"`}, {"X-Empty", ""}, {"X-Inner", "a  b\tc"}, {"X-Lead", " a"}, {"X-Trail", "a "},
		{"X-Latin", "José"}, {"X-Wide", "日本"}, {"X-Quote", `a"b\c;d,e`}, {"X-Long", strings.Repeat("x", 20000)}, {"X A", "1"}, {"X-Line", "a\r\nX-B: 1"}, {"X-Null", "a\x00b"}, {"X:Colon", "1"},
		{"Host", "other.test"}, {"host", "other.test:81"}, {"User-Agent", "mine"}, {"user-agent", "mine"}, {"Accept", "text/csv"}, {"accept", "text/csv"}, {"Accept-Encoding", "identity"},
		{"Cookie", "a=1; b=2"}, {"Authorization", "Bearer x"}, {"authorization", "token x"}, {"Connection", "close"}, {"Connection", "keep-alive"}, {"Expect", "100-continue"}, {"Range", "bytes=0-1"},
		{"Content-Length", "99"}, {"Transfer-Encoding", "chunked"}, {"TE", "trailers"}, {"Upgrade", "h2c"}, {"X-HTTP-Method-Override", "PATCH"}, {"Content-MD5", "x"},
	} {
		add(testCase{Name: "header " + short(h.name+": "+h.value), Headers: map[string]string{h.name: h.value}, HasBody: true, Body: map[string]any{"a": 1}})
	}
	for _, t := range []string{"application/json", "application/json; charset=utf-8", "application/JSON", "application/vnd.api+json", "application/json-patch+json", "text/json", "application/x-ndjson", "text/plain; charset=utf-16", "json", "application/", ";"} {
		add(testCase{Name: "type " + t, Headers: map[string]string{"Content-Type": t}, HasBody: true, Body: map[string]any{"a": 1}})
	}
	for name, body := range map[string]any{
		"object": map[string]any{"a": "é<>&", "b": []any{1, 2.5, nil, true}}, "empty object": map[string]any{}, "list": []any{1, "x"}, "empty list": []any{}, "text": "x", "empty text": "", "number": 7, "false": false,
		"large": strings.Repeat("é", 500000), "line separators": "a\u2028b\u0000c",
	} {
		add(testCase{Name: "json " + name, HasBody: true, Body: body})
	}
	for name, body := range map[string]map[string]any{
		"form": {"a": "x y", "b": "é&=+", "c": "100%~*"}, "form list": {"a": []any{"1", "2"}}, "form empty": {}, "form numbers": {"a": 1, "b": 2.5},
	} {
		add(testCase{Name: name, HasBody: true, Form: true, Headers: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, Body: body})
	}
	for name, body := range map[string]string{"text": "hello", "text é": "é", "text lines": "a\r\nb\n"} {
		add(testCase{Name: name, HasBody: true, Text: true, Headers: map[string]string{"Content-Type": "text/plain"}, Body: body})
	}
	for _, m := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
		add(testCase{Name: m + " without body", Method: m})
		add(testCase{Name: m + " with body", Method: m, HasBody: true, Body: map[string]any{"a": 1}})
	}
	for _, a := range answers() {
		m := a.method
		if m == "" {
			m = "POST"
		}
		c := testCase{Name: "answer " + a.name, Method: m, answer: a.raw}
		if m == "POST" {
			c.HasBody, c.Body = true, map[string]any{"a": 1}
		}
		add(c)
	}
	return all
}

func short(s string) string {
	return strings.NewReplacer("\r\n", `\r\n`, "\x00", `\0`).Replace(s[:min(len(s), 60)])
}

type answer struct{ name, method, raw string }

func answers() []answer {
	const h = "HTTP/1.1 200 OK\r\n"
	body := func(contentType, s string) string {
		return h + "Content-Type: " + contentType + "\r\nConnection: close\r\n\r\n" + s
	}
	packed := func(encoding, s string) string {
		return h + "Content-Type: text/plain; charset=utf-8\r\nContent-Encoding: " + encoding + "\r\nConnection: close\r\n\r\n" + s
	}
	redirect := func(status, to, more string) string {
		return "HTTP/1.1 " + status + " Moved\r\nLocation: " + to + "\r\n" + more + "Connection: close\r\nContent-Length: 0\r\n\r\n"
	}
	return []answer{
		{"length", "", ok}, {"no length", "", h + "\r\nok"}, {"HTTP/1.0", "", "HTTP/1.0 200 OK\r\n\r\nok"}, {"204", "", "HTTP/1.1 204 No Content\r\n\r\n"}, {"205", "", "HTTP/1.1 205 Reset\r\nContent-Length: 0\r\n\r\n"},
		{"304", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n"}, {"299", "", "HTTP/1.1 299 Odd\r\nContent-Length: 0\r\n\r\n"}, {"599", "", "HTTP/1.1 599 Odd\r\nContent-Length: 0\r\n\r\n"},
		{"999", "", "HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n"}, {"99", "", "HTTP/1.1 99 Odd\r\nContent-Length: 0\r\n\r\n"}, {"no reason", "", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok"}, {"reason é", "", "HTTP/1.1 200 D\xe9j\xe0\r\nContent-Length: 2\r\n\r\nok"},
		{"line feeds", "", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok"}, {"no space", "", h + "Content-Length:2\r\n\r\nok"}, {"space before colon", "", h + "Content-Length : 2\r\n\r\nok"}, {"no colon", "", h + "garbage\r\nContent-Length: 2\r\n\r\nok"},
		{"folded", "", h + "X-A: a\r\n b\r\nContent-Length: 2\r\n\r\nok"}, {"same length twice", "", h + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nok"}, {"two lengths", "", h + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nok"},
		{"length abc", "", h + "Content-Length: abc\r\n\r\nok"}, {"length -1", "", h + "Content-Length: -1\r\n\r\nok"}, {"length +2", "", h + "Content-Length: +2\r\n\r\nok"}, {"length and chunks", "", h + "Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"},
		{"chunks", "", h + "Transfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\nX-T: 1\r\n\r\n"}, {"Chunked", "", h + "Transfer-Encoding: Chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"}, {"chunks by line feed", "", h + "Transfer-Encoding: chunked\r\n\r\n2\nok\n0\n\n"},
		{"chunks without end", "", h + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"}, {"unknown transfer", "", h + "Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"}, {"identity transfer", "", h + "Transfer-Encoding: identity\r\n\r\nok"},
		{"100 before", "", "HTTP/1.1 100 Continue\r\n\r\n" + ok}, {"103 before", "", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + ok}, {"102 before", "", "HTTP/1.1 102 Processing\r\n\r\n" + ok}, {"101", "", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"},
		{"too short", "", h + "Content-Length: 9\r\n\r\nok"}, {"too long", "", h + "Content-Length: 2\r\n\r\nokmore"}, {"nothing", "", ""}, {"only a line", "", "HTTP/1.1 200 OK\r\n"}, {"ICY", "", "ICY 200 OK\r\n\r\nok"}, {"HTTP/2.0", "", "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok"},
		{"http/1.1", "", "http/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"}, {"no HTTP", "", "hello\r\n\r\n"}, {"blank lines before", "", "\r\n\r\n" + ok}, {"header of 70 KB", "", h + "X-A: " + strings.Repeat("x", 70000) + "\r\nContent-Length: 2\r\n\r\nok"},
		{"200 header lines", "", h + strings.Repeat("X-A: 1\r\n", 200) + "Content-Length: 2\r\n\r\nok"}, {"odd header name", "", h + "X A: 1\r\nContent-Length: 2\r\n\r\nok"}, {"empty header name", "", h + ": 1\r\nContent-Length: 2\r\n\r\nok"}, {"header é", "", h + "X-A: \xe9\r\nContent-Length: 2\r\n\r\nok"}, {"null in header", "", h + "X-A: a\x00b\r\nContent-Length: 2\r\n\r\nok"},
		{"gzip", "", packed("gzip", pack(true, "é"))}, {"x-gzip", "", packed("x-gzip", pack(true, "é"))}, {"GZIP", "", packed("GZIP", pack(true, "é"))}, {"deflate", "", packed("deflate", pack(false, "é"))}, {"raw deflate", "", packed("deflate", pack(false, "é")[2:len(pack(false, "é"))-4])},
		{"gzip twice", "", packed("gzip, gzip", pack(true, pack(true, "é")))}, {"gzip in name", "", packed("gzip", "plain")}, {"empty gzip", "", packed("gzip", "")}, {"unknown encoding", "", packed("zip", "é")}, {"two gzip members", "", packed("gzip", pack(true, "a")+pack(true, "b"))}, {"gzip with a tail", "", packed("gzip", pack(true, "a")+"tail")},
		{"text utf-8 unsaid", "", body("text/plain", "é")}, {"text latin-1 unsaid", "", body("text/plain", "\xe9")}, {"text latin-1", "", body("text/plain; charset=ISO-8859-1", "\xe9")}, {"text windows-1252", "", body("text/plain; charset=windows-1252", "\x80")}, {"text utf-16", "", body("text/plain; charset=utf-16", "\xff\xfea\x00")},
		{"json", "", body("application/json", `{"a":"é","n":12345678901234567890}`)}, {"json mark", "", body("application/json", "\xef\xbb\xbf{\"a\":1}")}, {"json utf-16", "", body("application/json", "\xff\xfe{\x00}\x00")}, {"json utf-16 unmarked", "", body("application/json", "{\x00}\x00")}, {"json utf-32", "", body("application/json", "{\x00\x00\x00}\x00\x00\x00")},
		{"json latin-1", "", body("application/json; charset=iso-8859-1", "{\"a\":\"\xe9\"}")}, {"json as html", "", body("text/html", `{"a":1}`)}, {"json NaN", "", body("application/json", `{"a":NaN}`)}, {"json twice", "", body("application/json", `{"a":1}{"b":2}`)}, {"json same name", "", body("application/json", `{"a":1,"a":2}`)}, {"json 1e999", "", body("application/json", `{"a":1e999}`)},
		{"html meta", "", body("text/html", "<meta charset=iso-8859-1>\xe9")}, {"no type", "", h + "Connection: close\r\n\r\né"}, {"unknown charset", "", body("text/plain; charset=klingon", "ab")},
		{"401 basic", "", "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n"}, {"redirect GET 301", "GET", redirect("301", "/end", "")}, {"redirect GET 302", "GET", redirect("302", "/end", "")}, {"redirect GET 307", "GET", redirect("307", "/end", "")}, {"redirect GET 308", "GET", redirect("308", "/end", "")},
		{"redirect POST 301", "", redirect("301", "/end", "")}, {"redirect POST 302", "", redirect("302", "/end", "")}, {"redirect POST 303", "", redirect("303", "/end", "")}, {"redirect POST 307", "", redirect("307", "/end", "")}, {"redirect POST 308", "", redirect("308", "/end", "")},
		{"redirect relative", "GET", redirect("302", "end", "")}, {"redirect ?", "GET", redirect("302", "?end", "")}, {"redirect //", "GET", redirect("302", "//HOST/end", "")}, {"redirect space", "GET", redirect("302", "/end here", "")}, {"redirect é", "GET", redirect("302", "/end\xc3\xa9", "")}, {"redirect fragment", "GET", redirect("302", "/end#x", "")}, {"redirect %", "GET", redirect("302", "/end%zz", "")},
		{"redirect cookie", "GET", redirect("302", "/end", "Set-Cookie: a=1\r\n")}, {"redirect nowhere", "GET", "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"}, {"redirect empty", "GET", redirect("302", "", "")}, {"redirect 300", "GET", redirect("300", "/end", "")}, {"redirect 305", "GET", redirect("305", "/end", "")}, {"refresh", "GET", h + "Refresh: 0; url=/end\r\nContent-Length: 2\r\n\r\nok"},
	}
}

func pack(gz bool, s string) string {
	var b bytes.Buffer
	var w io.WriteCloser = zlib.NewWriter(&b)
	if gz {
		w = gzip.NewWriter(&b)
	}
	_, _ = io.WriteString(w, s)
	w.Close()
	return b.String()
}
