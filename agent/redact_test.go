package agent

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/rs/zerolog"
)

const awkward = "p@ss w\"ord<&>\\/ü🚀\n%41+x"

func TestRedactString(t *testing.T) {
	t.Parallel()
	quote := func(s string) string {
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	basic := func(user, secret string) string {
		req := http.Request{Header: http.Header{}}
		req.SetBasicAuth(user, secret)
		return req.Header.Get("Authorization")
	}
	const secret = "hunter2"
	tests := []struct{ name, secret, text, want string }{
		{"nothing", secret, "run succeeded", "run succeeded"},
		{"raw", secret, "a hunter2 b hunter2", "a [redacted] b [redacted]"},
		{"inside a word", secret, "xhunter2y", "x[redacted]y"},
		{"whole text", secret, "hunter2", "[redacted]"},
		{"cut off", secret, "hunter", "hunter"},
		{"base64", secret, "t=" + base64.StdEncoding.EncodeToString([]byte(secret)), "t=[redacted]=="},
		{"base64, not padded", secret, base64.RawURLEncoding.EncodeToString([]byte(secret)), "[redacted]"},
		{"basic credentials, 1 byte before", secret, basic("", secret), "Basic O[redacted]="},
		{"basic credentials, 2 bytes before", secret, basic("u", secret), "Basic dT[redacted]"},
		{"basic credentials, 3 bytes before", secret, basic("us", secret), "Basic dXM6[redacted]=="},
		{"query", "a b&c=d/é", "?x=" + url.QueryEscape("a b&c=d/é") + "&y=1", "?x=[redacted]&y=1"},
		{"path", "a b&c=d/é", "/x/" + url.PathEscape("a b&c=d/é") + "/y", "/x/[redacted]/y"},
		{"lower-case escapes", "a/b=c:", "a%2fb%3dc%3a", "[redacted]"},
		{"everything escaped", "abcd", "%61%62%63%64", "[redacted]"},
		{"base64 in a query", "??>>??>>", url.QueryEscape(base64.StdEncoding.EncodeToString([]byte("??>>??>>"))), "[redacted]%3D"},
		{"escaped twice for a URL", "a b&c", url.QueryEscape(url.PathEscape("a b&c")), "[redacted]"},
		{"JSON with HTML escapes", awkward, quote(awkward), `"[redacted]"`},
		{"JSON in JSON", awkward, quote(quote(awkward)), `"\"[redacted]\""`},
		{"JSON in JSON in JSON", awkward, quote(quote(quote(awkward))), `"\"\\\"[redacted]\\\"\""`},
		{"JSON in a URL", awkward, url.QueryEscape(`{"a":` + quote(awkward) + `}`), "%7B%22a%22%3A%22[redacted]%22%7D"},
		{"URL in JSON", awkward, quote("https://h/?a=" + url.QueryEscape(awkward)), `"https://h/?a=[redacted]"`},
		{"JSON as ASCII", "naïve🚀", `na\u00EFve\ud83d\ude80`, "[redacted]"},
		{"JSON with escaped slashes", "a/b/c", `a\/b\/c`, "[redacted]"},
		{"secret that looks like an escape", `\u0041\n`, `x\u0041\nx`, "x[redacted]x"},
		{"the same in JSON", `\u0041\n`, quote(`\u0041\n`), `"[redacted]"`},
		{"secret that looks URL-escaped", "50%25off", "50%25off 50%2525off", "[redacted] [redacted]"},
		{"broken escapes", secret, `%zz \u12 \q %h hunter2 %`, `%zz \u12 \q %h [redacted] %`},
		{"escape at the end", secret, `hunter2\`, `[redacted]\`},
		{"adjacent", secret, "hunter2hunter2", "[redacted][redacted]"},
		{"short, in text", "abc", "abc abcd", "abc abcd"},
		{"short, alone", "abc", "abc", "[redacted]"},
		{"short, in base64", "abc", "YWJj", "YWJj"},
		{"nothing but white space", "     ", "a     b", "a     b"},
		{"short with white space around", " abc\n", "x abc\n", "x abc\n"},
		{"the same, alone", " abc\n", " abc\n", "[redacted]"},
		{"four bytes", "abcd", "xabcdx", "x[redacted]x"},
		{"white space around", "\n  hunter2\n", "token hunter2.", "token [redacted]."},
		{"true is no secret", "true", "true", "true"},
		{"empty is no secret", "", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := NewRedactor(tt.secret).String(tt.text); got != tt.want {
				t.Errorf("got %s\nwant %s\nfrom %s", got, tt.want, tt.text)
			}
		})
	}
}

func TestRedactOverlapping(t *testing.T) {
	t.Parallel()
	r := NewRedactor("token-1", "token-1-long", "long-tail")
	const text = "token-1 token-1-long token-1-long-tail token-1-x"
	if got, want := r.String(text), "[redacted] [redacted] [redacted] [redacted]-x"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestRedactBase64Anywhere encodes a secret between all kinds of neighbours
// and looks for any five of its bytes in what is left.
func TestRedactBase64Anywhere(t *testing.T) {
	t.Parallel()
	const secret = "\xfb\xef\xbe s3cr3t?>~ \xff\xff\xfe canary"
	r := NewRedactor(secret)
	for before := range 7 {
		for after := range 7 {
			whole := []byte(strings.Repeat("u", before) + secret + strings.Repeat("z", after))
			for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
				got := r.String("x " + enc.EncodeToString(whole) + " y")
				if !strings.HasPrefix(got, "x ") || !strings.HasSuffix(got, " y") || !strings.Contains(got, redacted) {
					t.Errorf("%d before, %d after: got %q", before, after, got)
				}
				if n := len(strings.Replace(got, redacted, "", 1)) - len("x  y"); n > (before+after)*4/3+3 {
					t.Errorf("%d before, %d after: %d characters left of %q", before, after, n, got)
				}
			}
		}
	}
}

func TestRedactLines(t *testing.T) {
	t.Parallel()
	key := "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEF\r\nAASCBKcwggSjAgEAAoIBAQC7VJTU\nshort\n-----END PRIVATE KEY-----\n"
	r := NewRedactor(key)
	quoted, err := json.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, text, want string }{
		{"whole", "key: " + key + "end", "key: [redacted]end"},
		{"whole in JSON", string(quoted), `"[redacted]"`},
		{"whole in base64", base64.StdEncoding.EncodeToString([]byte(key)), "[redacted]"},
		{"indented", "key: |\n  AASCBKcwggSjAgEAAoIBAQC7VJTU\n  short", "key: |\n  [redacted]\n  short"},
		{"frame", "expected -----BEGIN PRIVATE KEY-----", "expected -----BEGIN PRIVATE KEY-----"},
	}
	for _, tt := range tests {
		got := strings.TrimRight(r.String(tt.text), "=")
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestRedactAddRemove(t *testing.T) {
	t.Parallel()
	r := NewRedactor("base-secret")
	const text = "base-secret run-secret"
	first, second := r.Add("run-secret"), r.Add("run-secret")
	if got, want := r.String(text), "[redacted] [redacted]"; got != want {
		t.Errorf("added: got %q, want %q", got, want)
	}
	first()
	first() // counts once
	if got, want := r.String(text), "[redacted] [redacted]"; got != want {
		t.Errorf("one of two removed: got %q, want %q", got, want)
	}
	second()
	if got, want := r.String(text), "[redacted] run-secret"; got != want {
		t.Errorf("both removed: got %q, want %q", got, want)
	}
	if got, want := len(r.refs), 1; got != want {
		t.Errorf("secrets known: got %d, want %d", got, want)
	}
	short := r.Add("x1")
	short()
	if got := r.String("x1"); got != "x1" || r.short != 0 {
		t.Errorf("short one removed: got %q, %d left", got, r.short)
	}
	r.Add("")()
	r.Add("true")()
}

// TestRedactForgets adds and removes many secrets that share their beginning,
// and one by one none is left behind.
func TestRedactForgets(t *testing.T) {
	t.Parallel()
	r := NewRedactor()
	var removes []func()
	for i := range 300 {
		removes = append(removes, r.Add(fmt.Sprintf("ghp_secret-number-%03d", i)))
	}
	for i, remove := range removes {
		text := fmt.Sprintf("a ghp_secret-number-%03d", i)
		if got, want := r.String(text), "a [redacted]"; got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
		remove()
		if got := r.String(text); got != text {
			t.Fatalf("after removal: got %q, want %q", got, text)
		}
	}
	if len(r.forms.buckets) != 0 || r.forms.used != [len(r.forms.used)]uint64{} {
		t.Errorf("%d buckets left", len(r.forms.buckets))
	}
}

func TestRedactBytesKeepsJSON(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text, want string
		secrets          []string
	}{
		{"untouched, spacing too", "{ \"a\": 1 }\n", "{ \"a\": 1 }\n", []string{"hunter2"}},
		{"string", `{"a":"x hunter2"}` + "\n", `{"a":"x [redacted]"}` + "\n", []string{"hunter2"}},
		{"no newline added", `{"a":"hunter2"}`, `{"a":"[redacted]"}`, []string{"hunter2"}},
		{"name", `{"hunter2":1}`, `{"[redacted]":1}`, []string{"hunter2"}},
		{"number", `{"pin":48151623,"n":1}`, `{"pin":"[redacted]","n":1}`, []string{"48151623"}},
		{"number within a number", `[174815162300]`, `["17[redacted]00"]`, []string{"48151623"}},
		{"big number", `[123456789012345678901234]`, `["[redacted]"]`, []string{"123456789012345678901234"}},
		{"short, in string and number", `{"pin":"42","n":42}`, `{"pin":"[redacted]","n":42}`, []string{"42"}},
		{"escaped string", `{"a":"{\"b\":\"q\\\"uo\"}"}`, `{"a":"{\"b\":\"[redacted]\"}"}`, []string{`q"uo`}},
		{"spanning values", `{"cfg":{"a":1,"b":2}}`, `{"cfg":[redacted]}`, []string{`{"a":1,"b":2}`}},
		{"names that become the same", `{"key1":1,"key2":2}`, `{"[redacted]":1,"[redacted]":2}`, []string{"key1", "key2"}},
		{"not JSON", "plain hunter2\n", "plain [redacted]\n", []string{"hunter2"}},
		{"cut JSON", `{"a":"hunter2`, `{"a":"[redacted]`, []string{"hunter2"}},
		{"several values", "{\"a\":\"hunter2\"}\n{\"b\":2}\n", "{\"a\":\"[redacted]\"}\n{\"b\":2}\n", []string{"hunter2"}},
		{"empty", "", "", []string{"hunter2", "x"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := string(NewRedactor(tt.secrets...).Bytes([]byte(tt.text))); got != tt.want {
				t.Errorf("got %q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestRedactValue(t *testing.T) {
	t.Parallel()
	r := NewRedactor("hunter2", "48151623", "abc")
	big1, ok := new(big.Int).SetString("99948151623999999999999", 10)
	if !ok {
		t.Fatal("no number")
	}
	in := func() map[string]any {
		return map[string]any{
			"token": "Bearer hunter2", "hunter2": 1, "n": 48151623, "f": 48151623.0, "big": big1,
			"raw": json.Number("48151623"), "list": []any{"a", "hunter2", nil, true},
			"links": []string{"https://h/?t=hunter2", "b"}, "short": "abc", "count": 3,
		}
	}
	want := map[string]any{
		"token": "Bearer [redacted]", "[redacted]": 1, "n": "[redacted]", "f": "[redacted]", "big": "999[redacted]999999999999",
		"raw": "[redacted]", "list": []any{"a", "[redacted]", nil, true},
		"links": []string{"https://h/?t=[redacted]", "b"}, "short": "[redacted]", "count": 3,
	}
	v := in()
	if got := r.Value(v); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	if !reflect.DeepEqual(v, in()) {
		t.Errorf("the value itself was changed: %v", v)
	}
	clean := map[string]any{"a": []any{"b", 1, map[string]any{"c": nil}}}
	if got := r.Value(clean).(map[string]any); reflect.ValueOf(got).Pointer() != reflect.ValueOf(clean).Pointer() {
		t.Error("a value without secrets was copied")
	}
}

func TestRedactWriter(t *testing.T) {
	t.Parallel()
	r := NewRedactor(awkward, "48151623")
	var out bytes.Buffer
	log := zerolog.New(r.Writer(&out))
	log.Info().Str("url", "https://h/?t="+url.QueryEscape(awkward)).Str("body", `{"t":"`+awkward+`"}`).Int("pin", 48151623).Msg("request sent " + awkward)
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("not JSON any more: %v: %s", err, out.Bytes())
	}
	want := map[string]any{
		"level": "info", "url": "https://h/?t=[redacted]", "body": `{"t":"[redacted]"}`,
		"pin": "[redacted]", "message": "request sent [redacted]",
	}
	if !reflect.DeepEqual(line, want) {
		t.Errorf("got %v\nwant %v", line, want)
	}
	if n, err := r.Writer(&out).Write([]byte("x 48151623\n")); n != len("x 48151623\n") || err != nil {
		t.Errorf("got %d, %v, want the length of what was given", n, err)
	}
}

func TestRedactConcurrently(t *testing.T) {
	t.Parallel()
	r := NewRedactor("base-secret")
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			secret := fmt.Sprintf("run-secret-%d", i/2)
			for range 50 {
				remove := r.Add(secret)
				if got, want := r.String("a base-secret "+secret), "a [redacted] [redacted]"; got != want {
					t.Errorf("got %q, want %q", got, want)
				}
				remove()
			}
		})
	}
	group.Wait()
}

// FuzzRedact wraps a secret in up to three layers of escapes and in base64:
// it is found, nothing of it is left, and nothing panics.
func FuzzRedact(f *testing.F) {
	f.Add("hunter2", "before ", " after", byte(0))
	f.Add(awkward, `{"a":"`, `"}`, byte(6))
	f.Add(`\"%41`, `\`, `%`, byte(9))
	f.Add("\xff\xfe\xfd\xfc", "\xf0", "\x9f", byte(3))
	f.Fuzz(func(t *testing.T, secret, before, after string, layers byte) {
		r := NewRedactor(secret)
		r.Bytes([]byte(before + secret + after))
		r.String(before + url.PathEscape(after))
		if short(secret) || r.refs[secret] == 0 || strings.Contains(redacted, secret) || strings.Contains(secret, redacted) {
			return
		}
		wrapped := secret
		for range maxLayers {
			switch layers % 3 {
			case 1:
				wrapped = url.QueryEscape(wrapped)
			case 2:
				quoted, err := json.Marshal(wrapped)
				if err != nil || !utf8.ValidString(wrapped) {
					return
				}
				wrapped = string(quoted[1 : len(quoted)-1])
			}
			layers /= 3
		}
		// A character between keeps the ends of an escape from meeting.
		text := before + "|" + wrapped + "|" + after
		if got := r.String(text); !strings.Contains(got, redacted) || strings.Contains(got, secret) {
			t.Errorf("%q in %q became %q", secret, text, got)
		}
		if encoded := base64.StdEncoding.EncodeToString([]byte(before + secret + after)); len(secret) > 6 {
			if got := r.String(encoded); !strings.Contains(got, redacted) {
				t.Errorf("%q in base64 %q became %q", secret, encoded, got)
			}
		}
	})
}

var benchLine = []byte(`{"level":"info","topic":"org_1.runs","partition":3,"offset":123456,"run":"r_a6a36513270e","rule":"deploy to production","backend":"webhook","host":"ci.internal:8443","status":200,"attempt":1,"duration_ms":12.5,"time":"2026-01-05T10:00:00.123Z","message":"run succeeded","endpoint":"POST https://ci.internal/hook"}` + "\n")

func BenchmarkRedact(b *testing.B) {
	r := NewRedactor()
	for i := range 10 {
		r.Add(hex.EncodeToString([]byte(fmt.Sprintf("secret %d of the benchmark", i))))
	}
	b.Run("clean line", func(b *testing.B) {
		w := r.Writer(io.Discard)
		b.ReportAllocs()
		b.SetBytes(int64(len(benchLine)))
		for b.Loop() {
			if _, err := w.Write(benchLine); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("line with escapes", func(b *testing.B) {
		line := strings.Replace(string(benchLine), "run succeeded", `run \"succeeded\" 100%`, 1)
		b.ReportAllocs()
		for b.Loop() {
			r.String(line)
		}
	})
	b.Run("line with a secret", func(b *testing.B) {
		line := bytes.Replace(benchLine, []byte("succeeded"), []byte(hex.EncodeToString([]byte("secret 3 of the benchmark"))), 1)
		b.ReportAllocs()
		for b.Loop() {
			r.Bytes(line)
		}
	})
	b.Run("add and remove", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r.Add("a decrypted value of a run")()
		}
	})
}
