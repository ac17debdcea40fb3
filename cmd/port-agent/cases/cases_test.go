package cases

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files of testdata")

var seconds = regexp.MustCompile(`\d+\.\d\ds`)

// run tests paths and returns what is printed, with all times 0.00s.
func run(t *testing.T, o Options, out Output, paths ...string) (ok bool, text string, err error) {
	t.Helper()
	var b bytes.Buffer
	out.Text = &b
	ok, err = Run(t.Context(), paths, o, out)
	return ok, seconds.ReplaceAllString(b.String(), "0.00s"), err
}

// write makes a folder of files.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestFailures holds the text for cases that fail to failing.txt: a stranger
// has to see from it what is wrong.
func TestFailures(t *testing.T) {
	t.Chdir("testdata")
	ok, got, err := run(t, Options{}, Output{Verbose: true, Cover: true, GitHub: true}, "failing")
	if ok || err != nil {
		t.Fatalf("Run = %t, %v, want a failure", ok, err)
	}
	if *update {
		if err := os.WriteFile("failing.txt", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := read(t, "failing.txt"); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// TestUpdate rewrites the failing cases: then all pass, and what was right
// already stands as it did.
func TestUpdate(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/failing")); err != nil {
		t.Fatal(err)
	}
	before := read(t, filepath.Join(dir, "invocations_test.json"))
	if ok, text, err := run(t, Options{Update: true}, Output{}, dir); !ok || err != nil {
		t.Fatalf("update = %t, %v\n%s", ok, err, text)
	}
	if ok, text, err := run(t, Options{}, Output{}, dir); !ok || err != nil {
		t.Errorf("after the update = %t, %v\n%s", ok, err, text)
	}
	after := read(t, filepath.Join(dir, "invocations_test.json"))
	if !strings.HasPrefix(after, before[:strings.Index(before, `"wrong body"`)]) {
		t.Errorf("the case that passes was rewritten:\n%s", after)
	}
	if exists(filepath.Join(dir, "request.json")) {
		t.Error("request.json was written beside a list of cases")
	}
	if ok, text, err := run(t, Options{Update: true}, Output{}, dir); !ok || err != nil || read(t, filepath.Join(dir, "invocations_test.json")) != after {
		t.Errorf("a second update = %t, %v, want no change\n%s", ok, err, text)
	}
}

// TestUpdateWritesNoRequestThatIsNotSent has a rule whose URL cannot be made:
// what there is of its request is none, and passes for none.
func TestUpdateWritesNoRequestThatIsNotSent(t *testing.T) {
	dir := write(t, map[string]string{"invocations.json": `[{"url": ".nothing"}]`, "event.json": event})
	if _, text, err := run(t, Options{Update: true}, Output{}, dir); err != nil || exists(filepath.Join(dir, "request.json")) {
		t.Errorf("update = %v, want no request.json\n%s", err, text)
	}
}

// TestAppendKeepsOrder adds a case to a list: what is there stays, and the event
// keeps its order.
func TestAppendKeepsOrder(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, list, want string }{
		{"no file", "", "[\n  {\"name\": \"n\", \"event\": {\"b\": 1, \"a\": [\"<\"]}, \"rule\": null, \"request\": null}\n]\n"},
		{"a list", "[\n\t{\"name\":  \"o\"}\n]", "[\n\t{\"name\":  \"o\"},\n\t{\"name\": \"n\", \"event\": {\"b\": 1, \"a\": [\"<\"]}, \"rule\": null, \"request\": null}\n]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := Append([]byte(tt.list), Entry{Name: "n", Event: json.RawMessage(`{"b":1,"a":["<"]}`)})
			if err != nil || string(got) != tt.want {
				t.Errorf("got %q, %v\nwant %q", got, err, tt.want)
			}
		})
	}
}

const event = `{"action":"x","context":{"runId":"r_1"},"payload":{"action":{"invocationMethod":{"type":"WEBHOOK","agent":true,"url":"https://h.example"}}}}`

func TestUpdateWritesMissingFiles(t *testing.T) {
	dir := write(t, map[string]string{
		"invocations.json":      `[{"body": {"a": ".action", "long": "\"` + strings.Repeat("x", 100) + `\""}, "report": {"link": ".response.json.url"}}]`,
		"case/event.json":       event,
		"case/response.json":    `{"json":{"url":"https://h.example/1"}}`,
		".hidden/event.json":    `{`,
		".hidden/request.json":  `{`,
		"without/other.json":    `{`,
		"without/nothing.jsonl": `{`,
	})
	if ok, text, err := run(t, Options{Update: true}, Output{}, dir); !ok || err != nil || !strings.Contains(text, "1 case, 1 updated") {
		t.Fatalf("update = %t, %v\n%s", ok, err, text)
	}
	want := `{
  "method": "POST",
  "url": "https://h.example",
  "headers": {},
  "query": {},
  "body": {
    "a": "x",
    "long": "` + strings.Repeat("x", 100) + `"
  }
}
`
	if got := read(t, filepath.Join(dir, "case/request.json")); got != want {
		t.Errorf("request.json = %s\nwant %s", got, want)
	}
	if got, want := read(t, filepath.Join(dir, "case/report.json")), "{\n  \"link\": \"https://h.example/1\"\n}\n"; got != want {
		t.Errorf("report.json = %q, want %q", got, want)
	}
	if ok, text, err := run(t, Options{}, Output{}, dir); !ok || err != nil {
		t.Errorf("after the update = %t, %v\n%s", ok, err, text)
	}
}

// TestEnvIsAll takes variables of this process for what they are to a case:
// not there. Nor does a case read files by NAME_FILE.
func TestEnvIsAll(t *testing.T) {
	t.Setenv("OUTER", "seen")
	t.Setenv("STRICT_MAPPING", "not a boolean")
	dir := write(t, map[string]string{
		"secret":           "from-a-file",
		"invocations.json": `[{"body": {"outer": "env.OUTER", "own": "env.OWN", "home": "env.HOME"}}]`,
		"invocations_test.json": `[{"event": ` + event + `, "env": {"OWN": "1", "PORT_CLIENT_SECRET_FILE": "secret"},
			"request": {"body": {"outer": null, "own": "1", "home": null}}}]`,
	})
	t.Chdir(dir)
	if ok, text, err := run(t, Options{}, Output{}, "."); !ok || err != nil {
		t.Errorf("Run = %t, %v\n%s", ok, err, text)
	}
	if got := os.Getenv("OUTER"); got != "seen" {
		t.Errorf("OUTER is %q after the run, want what it was", got)
	}
}

func TestSettingsOfACase(t *testing.T) {
	dir := write(t, map[string]string{
		"invocations.json": `[{"enabled": ".action == \"y\""}]`,
		"invocations_test.json": `[
			{"event": ` + event + `, "rule": null, "error": null},
			{"event": ` + event + `, "env": {"ON_NO_MATCH": "fail"}, "request": null, "error": "no rule matches"},
			{"event": ` + event + `, "env": {"PORT_CLIENT_SECRET": "s"}, "error": "signature"}]`,
	})
	if ok, text, err := run(t, Options{}, Output{}, dir); !ok || err != nil {
		t.Errorf("Run = %t, %v\n%s", ok, err, text)
	}
}

// TestBadCases holds each fault of a file of cases to an error that names the
// place.
func TestBadCases(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, list, want string }{
		{"no JSON", "[{\n\"name\": }]", "m_test.json:2: "},
		{"no list", `{}`, "m_test.json: must be a list of cases"},
		{"more", `[] []`, "m_test.json:1: more after the JSON value"},
		{"no object", `[1]`, "m_test.json:1: must be an object"},
		{"misspelt", `[{"event": {}, "requests": {}}]`, `m_test.json:1: requests: unknown key`},
		{"nothing expected", `[{"event": {}}]`, "nothing is expected"},
		{"no event", `[{"rule": 0}]`, "no event"},
		{"event of another kind", `[{"event": 1, "rule": 0}]`, "event: must be an object or the name of a file"},
		{"no such event", `[{"event": "none.json", "rule": 0}]`, "none.json: no such file"},
		{"name", `[{"name": 1}]`, "name: must be a string"},
		{"env", `[{"env": {"A": 1}}]`, "env: must be an object of strings"},
		{"none", `[]`, "no cases in"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := write(t, map[string]string{"m_test.json": tt.list, "m.json": `[]`})
			_, err := (Options{}).load([]string{dir})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("load = %v, want %q", err, tt.want)
			}
		})
	}
	if _, err := (Options{}).load([]string{filepath.Join(t.TempDir(), "none")}); err == nil {
		t.Error("load of a folder that is not there: no error")
	}
	dir := write(t, map[string]string{"event.json": event, "request.json": "{}"})
	if _, err := (Options{}).load([]string{dir}); err == nil || !strings.Contains(err.Error(), "no invocations.json there or above it") {
		t.Errorf("load without a mapping = %v", err)
	}
}

// TestCasesThatCannotRun holds what is found when a case runs to a failure of
// that case alone.
func TestCasesThatCannotRun(t *testing.T) {
	tests := []struct{ name, one, want string }{
		{"no such rule", `"rule": "other"`, `no rule of`},
		{"no such index", `"rule": 7`, `has no rule 7, but 1 rule`},
		{"rule of another kind", `"rule": true`, "must be a name, an index or null"},
		{"request of another kind", `"request": 1`, "request: must be an object or null"},
		{"misspelt", `"request": {"header": {}}`, `unknown key "header": a request has method, url, headers, query, body`},
		{"misspelt where nothing is sent", `"env": {"VERB": "none"}, "request": {"methd": "POST"}`, `unknown key "methd": a request has method, url, headers, query, body`},
		{"no response", `"rule": 0, "report": {}`, "report: the case has no response; add one"},
		{"settings", `"rule": 0, "env": {"STRICT_MAPPING": "maybe"}`, `env: STRICT_MAPPING: "maybe" is not true or false`},
		{"response", `"rule": 0, "response": {"statusCode": "x"}`, "response: statusCode is a JSON string"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := write(t, map[string]string{
				"m_test.json": `[{"event": ` + event + `, ` + tt.one + `}, {"event": ` + event + `, "rule": "one"}]`,
				"m.json":      `[{"name": "one", "method": "env.VERB"}]`,
			})
			ok, text, err := run(t, Options{}, Output{}, dir)
			if ok || err != nil || !strings.Contains(text, tt.want) || !strings.Contains(text, "2 cases, 1 failed") {
				t.Errorf("Run = %t, %v\n%s\nwant %q", ok, err, text, tt.want)
			}
		})
	}
	dir := write(t, map[string]string{"m_test.json": `[{"event": ` + event + `, "rule": 0}]`, "m.json": `[{"url": ".a ("}]`})
	if ok, text, _ := run(t, Options{}, Output{}, dir); ok || !strings.Contains(text, "m.json") || !strings.Contains(text, "url") {
		t.Errorf("a mapping that does not compile: %t\n%s", ok, text)
	}
	other := write(t, map[string]string{"other.json": `[{"name": "one"}]`})
	if ok, text, _ := run(t, Options{Mapping: filepath.Join(other, "other.json")}, Output{}, dir); !ok {
		t.Errorf("with another mapping: %t\n%s", ok, text)
	}
}

func TestJUnit(t *testing.T) {
	t.Chdir("testdata")
	var b bytes.Buffer
	if _, _, err := run(t, Options{Run: regexp.MustCompile("good|wrong")}, Output{JUnit: &b}, "failing"); err != nil {
		t.Fatal(err)
	}
	var got suite
	if err := xml.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Tests != 2 || got.Failures != 1 || len(got.Cases) != 2 || got.Cases[0].Failure != nil || got.Cases[1].Failure == nil {
		t.Fatalf("suite = %+v, want two cases, the second failed", got)
	}
	if text := got.Cases[1].Failure.Text; !strings.Contains(text, "request.body.reason\n    want \"stuck queue\"\n    got  \"stuck\"") {
		t.Errorf("failure = %q", text)
	}
}

func TestWriteFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, link := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	if err := os.WriteFile(file, []byte("old"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a", link); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(link, []byte("new")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o640 || read(t, file) != "new" {
		t.Errorf("the file is %v (%v), %q", info.Mode(), err, read(t, file))
	}
	if real, err := os.Readlink(link); err != nil || real != "a" {
		t.Errorf("the link goes to %q (%v), want a", real, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("%v left (%v), want two files", left, err)
	}
	if err := WriteFile(filepath.Join(dir, "none", "c"), nil); err == nil {
		t.Error("no error for a folder that is not there")
	}
}

func TestRewrite(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, before, got, want string }{
		{"same number, written otherwise", `{"a": 1.0}`, `{"a": 1}`, `{"a": 1.0}`},
		{"order stays", `{"b": 1, "a": 2}`, `{"a": 3, "b": 1}`, `{"b": 1, "a": 3}`},
		{"added in one line", `{ "b": 1 }`, `{"a": [1, {"x": "<"}], "b": 1}`, `{ "b": 1, "a": [1, {"x": "<"}] }`},
		{"added below", "{\n\t\"b\": 1\n}\n", `{"a": 2, "b": 1}`, "{\n\t\"b\": 1,\n\t\"a\": 2\n}\n"},
		{"removed", "{\n  \"a\": 1,\n  \"b\": 2\n}", `{"b": 2}`, "{\n  \"b\": 2\n}"},
		{"first and last removed", `{"a": 1, "b": 2, "c": 3}`, `{"b": 2}`, `{"b": 2}`},
		{"all removed", "{\n  \"a\": 1\n}", `{}`, `{}`},
		{"to an empty object", `{"a": {}}`, `{"a": {"b": 1}}`, `{"a": {"b": 1}}`},
		{"list grows", "[\n  1,\n  2\n]", `[1, 3, 4]`, "[\n  1,\n  3,\n  4\n]"},
		{"list shrinks", `[1, [2], 3]`, `[1, [4]]`, `[1, [4]]`},
		{"another kind", `{"a": [1]}`, `{"a": "1"}`, `{"a": "1"}`},
		{"long value", "{\n    \"a\": 1\n}", `{"a": ["` + strings.Repeat("x", 60) + `", "` + strings.Repeat("y", 60) + `"]}`,
			"{\n    \"a\": [\n        \"" + strings.Repeat("x", 60) + "\",\n        \"" + strings.Repeat("y", 60) + "\"\n    ]\n}"},
		{"with a byte order mark", "\ufeff{\"a\": 1}", `{"a": 2}`, "\ufeff{\"a\": 2}"},
		{"a value alone", ` 1 `, `"x"`, ` "x" `},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := rewritten(t, tt.before, tt.got); got != tt.want {
				t.Errorf("got %q\nwant %q", got, tt.want)
			}
		})
	}
}

// rewritten is a document once it holds what value does.
func rewritten(t *testing.T, before, value string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file.json")
	d, err := parseDocument(file, []byte(before))
	if err != nil {
		t.Fatal(err)
	}
	d.replace(d.root, parsed(t, value))
	if err := d.save(); err != nil {
		t.Fatal(err)
	}
	return read(t, file)
}

func parsed(t *testing.T, text string) value {
	t.Helper()
	v, err := newValue(json.RawMessage(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// FuzzRewrite holds a rewritten document to what it was to become.
func FuzzRewrite(f *testing.F) {
	f.Add(`{"a": [1, 2, {"b": null}]}`, `{"a": [1, {"b": 2}], "c": "x"}`)
	f.Add("[\n 1,\n []\n]", `[[], {}, [3]]`)
	f.Fuzz(func(t *testing.T, before, after string) {
		d, err := parseDocument("", []byte(before))
		if err != nil {
			return
		}
		target, err := newValue(json.RawMessage(after))
		if err != nil {
			return
		}
		d.replace(d.root, target)
		got, err := parseDocument("", d.edited())
		if err != nil {
			t.Fatal(err)
		}
		if !got.same(got.root, target) {
			t.Errorf("%q with %q became %q", before, after, got.source)
		}
	})
}

func TestSameScalar(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"1", "1.0", true}, {"1e2", "100", true}, {"1", "2", false}, {"9007199254740993", "9007199254740992", false},
		{"true", "true", true}, {"null", "false", false}, {`"1"`, "1", false}, {"1e999", "2e999", false},
	} {
		if got := sameScalar(parsed(t, tt.a), parsed(t, tt.b)); got != tt.want {
			t.Errorf("sameScalar(%s, %s) = %t, want %t", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestShorten(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 300)
	want, got := shorten(long+"x"+long, long+"y")
	if !strings.HasPrefix(want, "…a") || !strings.HasSuffix(want, "…") || !strings.Contains(want, "ax") || !strings.HasSuffix(got, "ay") {
		t.Errorf("shorten = %q, %q", want, got)
	}
	if want, got := shorten("short", "other"); !reflect.DeepEqual([]string{want, got}, []string{"short", "other"}) {
		t.Errorf("shorten = %q, %q", want, got)
	}
}
