package redact

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
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
		{"whole text, as long as the mark", "0123456789", "0123456789", "[redacted]"},
		{"the mark", secret, "[redacted]", "[redacted]"},
		{"base64", secret, "t=" + base64.StdEncoding.EncodeToString([]byte(secret)), "t=[redacted]=="},
		{"base64, not padded", secret, base64.RawURLEncoding.EncodeToString([]byte(secret)), "[redacted]"},
		{"basic credentials, 1 byte before", secret, basic("", secret), "Basic Om[redacted]="},
		{"basic credentials, 2 bytes before", secret, basic("u", secret), "Basic dTp[redacted]"},
		{"basic credentials, 3 bytes before", secret, basic("us", secret), "Basic dXM6[redacted]=="},
		{"query", "a b&c=d/é", "?x=" + url.QueryEscape("a b&c=d/é") + "&y=1", "?x=[redacted]&y=1"},
		{"path", "a b&c=d/é", "/x/" + url.PathEscape("a b&c=d/é") + "/y", "/x/[redacted]/y"},
		{"lower-case escapes", "a/b=c:", "a%2fb%3dc%3a", "[redacted]"},
		{"white space made single", "two  spaces\n there", "two spaces there", "[redacted]"},
		{"base64 in a query", "??>>??>>", url.QueryEscape(base64.StdEncoding.EncodeToString([]byte("??>>??>>"))), "[redacted]%3D"},
		{"JSON with HTML escapes", awkward, quote(awkward), `"[redacted]"`},
		{"JSON in JSON", awkward, quote(quote(awkward)), `"\"[redacted]\""`},
		{"JSON as ASCII", "so naïve🚀", `so na\u00efve\ud83d\ude80`, "[redacted]"},
		{"JSON with escaped slashes", "aa/bb/cc", `aa\/bb\/cc`, "[redacted]"},
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
		{"six bytes", "abcdef", "xabcdefx", "x[redacted]x"},
		{"five characters of more bytes", "äöüß€", "xäöüß€", "xäöüß€"},
		{"white space around", "\n  hunter2\n", "token hunter2.", "token [redacted]."},
		{"true is no secret", "true", "true", "true"},
		{"empty is no secret", "", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := New(tt.secret).String(tt.text); got != tt.want {
				t.Errorf("got %s\nwant %s\nfrom %s", got, tt.want, tt.text)
			}
		})
	}
}

// Of secrets that overlap in a text the first is replaced, and of those that
// begin at one place the longest.
func TestRedactOverlapping(t *testing.T) {
	t.Parallel()
	r := New("token-1", "token-1-long", "long-tail")
	const text = "token-1 token-1-long token-1-long-tail token-1-x"
	if got, want := r.String(text), "[redacted] [redacted] [redacted]-tail [redacted]-x"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestRedactBase64Anywhere encodes a secret between all kinds of neighbours
// and looks for any five of its bytes in what is left.
func TestRedactBase64Anywhere(t *testing.T) {
	t.Parallel()
	const secret = "\xfb\xef\xbe s3cr3t?>~ \xff\xff\xfe canary"
	r := New(secret)
	for before := range 7 {
		for after := range 7 {
			whole := []byte(strings.Repeat("u", before) + secret + strings.Repeat("z", after))
			for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
				got := r.String("x " + enc.EncodeToString(whole) + " y")
				if !strings.HasPrefix(got, "x ") || !strings.HasSuffix(got, " y") || !strings.Contains(got, Mark) {
					t.Errorf("%d before, %d after: got %q", before, after, got)
				}
				if n := len(strings.Replace(got, Mark, "", 1)) - len("x  y"); n > (before+after)*4/3+5 {
					t.Errorf("%d before, %d after: %d characters left of %q", before, after, n, got)
				}
			}
		}
	}
}

func TestRedactLines(t *testing.T) {
	t.Parallel()
	key := "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEF\r\nAASCBKcwggSjAgEAAoIBAQC7VJTU\nshort\n-----END PRIVATE KEY-----\n"
	r := New(key)
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
	r := New("base-secret")
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
	short := r.Add("x1")
	short()
	if got := r.String("x1"); got != "x1" {
		t.Errorf("short one removed: got %q", got)
	}
	for _, none := range []string{"", "true", "null"} {
		if r.Add(none); r.String(none) != none {
			t.Errorf("%q is taken for a secret", none)
		}
	}
	if got, want := len(r.refs), 1; got != want {
		t.Errorf("secrets known: got %d, want %d", got, want)
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
		{"escaped string", `{"a":"{\"b\":\"q\\\"uote\"}"}`, `{"a":"{\"b\":\"[redacted]\"}"}`, []string{`q"uote`}},
		{"spanning values", "{\"cfg\":{\"a\":1,\"b\":2}}\n", "\"[redacted]\"\n", []string{`{"a":1,"b":2}`}},
		{"spacing around a secret", "{ \"a\" : \"hunter2\" , \"é\\/\": [ 1.50 ] }", "{ \"a\" : \"[redacted]\" , \"é\\/\": [ 1.50 ] }", []string{"hunter2"}},
		{"in the middle of an escape", `{"a":"\n12345"}`, `"[redacted]"`, []string{"n12345"}},
		{"names that become the same", `{"secret1":1,"secret2":2}`, `{"[redacted]":1,"[redacted]":2}`, []string{"secret1", "secret2"}},
		{"not JSON", "plain hunter2\n", "plain [redacted]\n", []string{"hunter2"}},
		{"cut JSON", `{"a":"hunter2`, `{"a":"[redacted]`, []string{"hunter2"}},
		{"several values", "{\"a\":\"hunter2\"}\n{\"b\":2}\n", "{\"a\":\"[redacted]\"}\n{\"b\":2}\n", []string{"hunter2"}},
		{"empty", "", "", []string{"hunter2", "x"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := string(New(tt.secrets...).Bytes([]byte(tt.text))); got != tt.want {
				t.Errorf("got %q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestRedactWriter(t *testing.T) {
	t.Parallel()
	r := New(awkward, "48151623")
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
	r := New("base-secret")
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			secret := fmt.Sprintf("added-secret-%d", i/2)
			for range 50 {
				remove := r.Add(secret)
				if got, want := r.Run("run-secret").String("a base-secret run-secret "+secret), "a [redacted] [redacted] [redacted]"; got != want {
					t.Errorf("got %q, want %q", got, want)
				}
				remove()
			}
		})
	}
	group.Wait()
}

// The secrets of a run are those of no other run, and not of the process.
func TestRedactRun(t *testing.T) {
	t.Parallel()
	process := New("of-the-process")
	if run := process.Run("", "true"); run != process {
		t.Error("a run without secrets has a redactor of its own")
	}
	one, two := process.Run("production"), process.Run("staging-7").Run("second-stage")
	process.Add("learned-later")
	const text = "production staging-7 second-stage of-the-process learned-later"
	for _, tt := range []struct {
		name string
		r    *Redactor
		want string
	}{
		{"process", process, "production staging-7 second-stage [redacted] [redacted]"},
		{"one", one, "[redacted] staging-7 second-stage [redacted] [redacted]"},
		{"two", two, "production [redacted] [redacted] [redacted] [redacted]"},
	} {
		if got := tt.r.String(text); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// A run with more secrets than are searched for shows no text at all, and its
// lines in the log still say which run it is.
func TestRedactRunWithTooManySecrets(t *testing.T) {
	t.Parallel()
	many := make([]string, maxRunLines+1)
	for i := range many {
		many[i] = fmt.Sprintf("secret-%d", i)
	}
	for name, secrets := range map[string][]string{
		"many": many, "lines": {strings.Join(many, "\n")}, "long": {strings.Repeat("x", maxRunBytes+1)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := New().Run(secrets...).Run("more-of-them")
			if got := r.String("harmless"); got != withheld {
				t.Errorf("text: got %q, want %q", got, withheld)
			}
			if got, want := string(r.Bytes([]byte(`{"a":1}`))), `"`+withheld+`"`; got != want {
				t.Errorf("JSON: got %q, want %q", got, want)
			}
			var out bytes.Buffer
			log := zerolog.New(r.Writer(&out))
			log.Error().Str("run", "r_1").Str("host", "h").Int("status", 500).Str("error", secrets[0]).Msg("run failed")
			want := `{"level":"error","run":"r_1","host":"` + withheld + `","status":500,"error":"` + withheld + `","message":"run failed"}` + "\n"
			if got := out.String(); got != want {
				t.Errorf("log: got %s, want %s", got, want)
			}
		})
	}
}

// Secrets and texts that repeat themselves, which made the search quadratic:
// every position of the text has the beginning of every secret.
func TestRedactSecretsWithOneBeginning(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	lines, others, nested := make([]string, maxRunLines), make([]string, maxRunLines), make([]string, maxRunLines/2)
	for i := range lines {
		lines[i] = strings.Repeat("a", 64) + fmt.Sprint("-", i)
		others[i] = fmt.Sprintf("aaaaaa-%d-of-many", i)
	}
	for i := range nested {
		nested[i] = strings.Repeat("a", minLine+i) + "b"
	}
	for name, tt := range map[string]struct{ secret, text string }{
		"lines that hold one another":         {strings.Join(nested, "\n"), strings.Repeat("a", size/16)},
		"lines with one beginning":            {strings.Join(lines, "\n"), strings.Repeat("a", size)},
		"lines with the same few bytes first": {strings.Join(others, "\n"), strings.Repeat("a", size)},
		"a secret that repeats":               {strings.Repeat("b"+strings.Repeat("a", 16), maxRunBytes/18) + "c", strings.Repeat("b"+strings.Repeat("a", 16), size/17)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begun := time.Now()
			r := New("of-the-process").Run(tt.secret)
			if got := r.String(tt.text); got != tt.text {
				t.Errorf("a text without the secret was changed")
			}
			if took := time.Since(begun); took > 10*time.Second {
				t.Errorf("it took %v", took)
			} else {
				t.Log(took)
			}
		})
	}
}

// FuzzRedact escapes a secret and encodes it in base64: it is found, nothing of
// it is left, nothing panics, and JSON stays JSON.
func short(secret string) bool { return utf8.RuneCountInString(strings.TrimSpace(secret)) < minSecret }

func FuzzRedact(f *testing.F) {
	f.Add("hunter2", "before ", " after", byte(0))
	f.Add(awkward, `{"a":"`, `"}`, byte(2))
	f.Add(`\"%41%41`, `\`, `%`, byte(3))
	f.Add("\xff\xfe\xfd\xfc\xfb\xfa", "\xf0", "\x9f", byte(1))
	f.Add("481516", `{"481516":[`, `,2]}`, byte(0))
	f.Fuzz(func(t *testing.T, secret, before, after string, way byte) {
		r := New("of-the-process").Run(secret)
		whole := []byte(before + secret + after)
		if got := r.Bytes(whole); json.Valid(whole) && !json.Valid(got) {
			t.Errorf("%q is no JSON any more: %q", whole, got)
		}
		r.line(whole)
		if short(secret) || strings.Contains(Mark, secret) || strings.Contains(secret, Mark) {
			return
		}
		forms := append(escapes(secret), secret)
		form := forms[int(way)%len(forms)]
		if strings.Contains(Mark, form) || len(form) < minSecret {
			return
		}
		if got := r.String(before + "|" + form + "|" + after); !strings.Contains(got, Mark) || strings.Contains(got, form) {
			t.Errorf("%q in %q became %q", form, before+"|"+form+"|"+after, got)
		}
		encoded := base64.StdEncoding.EncodeToString([]byte(before + secret + after))
		if got := r.String(encoded); !strings.Contains(got, Mark) {
			t.Errorf("%q in base64 %q became %q", secret, encoded, got)
		}
	})
}

var benchLine = []byte(`{"level":"info","topic":"org_1.runs","partition":3,"offset":123456,"run":"r_a6a36513270e","rule":"deploy to production","backend":"webhook","host":"ci.internal:8443","status":200,"attempt":1,"duration_ms":12.5,"time":"2026-01-05T10:00:00.123Z","message":"run succeeded","endpoint":"POST https://ci.internal/hook"}` + "\n")

func BenchmarkRedact(b *testing.B) {
	r := New()
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
	b.Run("answer of 1 MiB", func(b *testing.B) {
		answer := bytes.Repeat(benchLine, 1<<20/len(benchLine))
		b.SetBytes(int64(len(answer)))
		for b.Loop() {
			r.Bytes(answer)
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
	b.Run("run with a secret", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r.Run("a-decrypted-value-of-a-run")
		}
	})
	b.Run("add and remove", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r.Add("a decrypted value of a run")()
		}
	})
}
