package playground

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"port-agent/cmd/port-agent/cases"
	"port-agent/examples"
)

// origin is where the playground of a test is.
const origin = "http://127.0.0.1:4711"

func newServer(t *testing.T, files Files) *Server {
	t.Helper()
	if err := files.Check(); err != nil {
		t.Fatal(err)
	}
	s, err := New(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4711}, files)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// request makes a request as the page does: with the cookie and JSON.
func request(s *Server, method, path, body string) *http.Request {
	r := httptest.NewRequest(method, origin+path, strings.NewReader(body))
	r.AddCookie(&http.Cookie{Name: s.guard.cookie, Value: s.guard.token})
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Origin", origin)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	return r
}

func do(s *Server, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w
}

// ask sends in as JSON and decodes the answer into out.
func ask(t *testing.T, s *Server, path string, in, out any) (status int) {
	t.Helper()
	method, body := http.MethodGet, []byte(nil)
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		method, body = http.MethodPost, data
	}
	w := do(s, request(s, method, path, string(body)))
	dec := json.NewDecoder(w.Body)
	dec.UseNumber()
	if err := dec.Decode(out); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return w.Code
}

// TestOtherOriginsGetNothing tries what a page of another origin in the same
// browser, or a name that points to 127.0.0.1, could send.
func TestOtherOriginsGetNothing(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "m.json")
	if err := os.WriteFile(file, []byte(`[]`), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newServer(t, Files{Mapping: file, Write: true})
	save := `{"mapping":"[{}]","version":"` + version([]byte(`[]`)) + `"}`
	tests := []struct {
		name, method, path, body string
		change                   func(r *http.Request)
		want                     int
	}{
		{"another host", "GET", "/api/start", "", func(r *http.Request) { r.Host = "rebound.example:4711" }, http.StatusMisdirectedRequest},
		{"another port", "GET", "/api/start", "", func(r *http.Request) { r.Host = "127.0.0.1:80" }, http.StatusMisdirectedRequest},
		{"no port", "GET", "/api/start", "", func(r *http.Request) { r.Host = "127.0.0.1" }, http.StatusMisdirectedRequest},
		{"another host with the token", "GET", s.Path(), "", func(r *http.Request) { r.Host = "rebound.example:4711" }, http.StatusMisdirectedRequest},
		{"another origin", "POST", "/api/save", save, func(r *http.Request) {
			r.Header.Set("Origin", "https://evil.example")
			r.Header.Del("Sec-Fetch-Site")
		}, http.StatusForbidden},
		{"another site", "POST", "/api/save", save, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, http.StatusForbidden},
		{"another port of the same site", "POST", "/api/save", save, func(r *http.Request) {
			r.Header.Set("Origin", "http://127.0.0.1:9999")
			r.Header.Set("Sec-Fetch-Site", "same-site")
		}, http.StatusForbidden},
		{"plain text", "POST", "/api/save", save, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, http.StatusUnsupportedMediaType},
		{"a form", "POST", "/api/save", save, func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }, http.StatusUnsupportedMediaType},
		{"JSON in disguise", "POST", "/api/save", save, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain; application/json") }, http.StatusUnsupportedMediaType},
		{"no content type", "POST", "/api/save", save, func(r *http.Request) { r.Header.Del("Content-Type") }, http.StatusUnsupportedMediaType},
		{"no cookie", "POST", "/api/save", save, func(r *http.Request) { r.Header.Del("Cookie") }, http.StatusForbidden},
		{"no cookie, reading", "GET", "/api/start", "", func(r *http.Request) { r.Header.Del("Cookie") }, http.StatusForbidden},
		{"no cookie, the page", "GET", "/", "", func(r *http.Request) { r.Header.Del("Cookie") }, http.StatusForbidden},
		{"no cookie, the script", "GET", "/app.js", "", func(r *http.Request) { r.Header.Del("Cookie") }, http.StatusForbidden},
		{"a wrong cookie", "GET", "/api/start", "", func(r *http.Request) { r.Header.Set("Cookie", s.guard.cookie+"=x") }, http.StatusForbidden},
		{"a wrong token", "GET", "/?token=x", "", func(r *http.Request) { r.Header.Del("Cookie") }, http.StatusForbidden},
		{"an empty token", "GET", "/?token=", "", func(r *http.Request) { r.Header.Del("Cookie") }, http.StatusForbidden},
		{"the token elsewhere", "GET", "/api/start?token=" + s.guard.token, "", func(r *http.Request) { r.Header.Del("Cookie") }, http.StatusForbidden},
		{"another method", "PUT", "/api/save", save, func(*http.Request) {}, http.StatusMethodNotAllowed},
		{"saving by GET", "GET", "/api/save", "", func(*http.Request) {}, http.StatusMethodNotAllowed},
		{"a file of the machine", "GET", "/api/examples/..%2F..%2Fetc", "", func(*http.Request) {}, http.StatusNotFound},
		{"a file beside the events", "GET", "/api/events/..%2Fm.json", "", func(*http.Request) {}, http.StatusNotFound},
		{"an asset elsewhere", "GET", "/../go.mod", "", func(*http.Request) {}, http.StatusTemporaryRedirect},
		{"another path", "GET", "/assets/app.js", "", func(*http.Request) {}, http.StatusNotFound},
		{"a field that is not there", "POST", "/api/save", `{"file":"/etc/passwd"}`, func(*http.Request) {}, http.StatusBadRequest},
		{"too large", "POST", "/api/explain", `{"event":"` + strings.Repeat("x", maxBody) + `"}`, func(*http.Request) {}, http.StatusRequestEntityTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := request(s, tt.method, tt.path, tt.body)
			tt.change(r)
			w := do(s, r)
			if w.Code != tt.want {
				t.Errorf("status = %d, want %d: %s", w.Code, tt.want, w.Body)
			}
			if strings.Contains(w.Body.String(), "root:") || w.Header().Get("Set-Cookie") != "" || w.Header().Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("the answer gives something away: %v %s", w.Header(), w.Body)
			}
		})
	}
	t.Cleanup(func() {
		if data, err := os.ReadFile(file); err != nil || string(data) != "[]" {
			t.Errorf("the mapping is %q (%v) afterwards, want what it was", data, err)
		}
	})
}

func TestLoopbackOnly(t *testing.T) {
	t.Parallel()
	for addr, ok := range map[string]bool{"127.0.0.1": true, "127.8.8.8": true, "::1": true, "0.0.0.0": false, "::": false, "192.0.2.1": false, "10.0.0.1": false} {
		if _, err := New(&net.TCPAddr{IP: net.ParseIP(addr), Port: 80}, Files{}); (err == nil) != ok {
			t.Errorf("New(%s) = %v, want it accepted: %t", addr, err, ok)
		}
	}
}

// TestFirstPage takes the address that the command prints: it gives a cookie
// that no other site can use, and a page whose scripts all carry the nonce.
func TestFirstPage(t *testing.T) {
	t.Parallel()
	s := newServer(t, Files{})
	w := do(s, httptest.NewRequest("GET", origin+s.Path(), nil))
	cookies := w.Result().Cookies()
	if w.Code != http.StatusOK || len(cookies) != 1 {
		t.Fatalf("first page = %d with %d cookies, want 200 with one", w.Code, len(cookies))
	}
	if c := cookies[0]; !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Value != s.guard.token || len(c.Value) < 26 {
		t.Errorf("cookie = %+v", c)
	}
	policy := w.Header().Get("Content-Security-Policy")
	m := regexp.MustCompile(`script-src 'nonce-([A-Z2-7]+)'`).FindStringSubmatch(policy)
	if m == nil || strings.Contains(strings.Replace(policy, "style-src-attr 'unsafe-inline'", "", 1), "unsafe") {
		t.Fatalf("policy = %q", policy)
	}
	page := w.Body.String()
	if scripts := strings.Count(page, "<script"); scripts != 1 || !strings.Contains(page, `<script type="module" src="/app.js" nonce="`+m[1]+`">`) {
		t.Errorf("%d scripts in\n%s", scripts, page)
	}
	if strings.Contains(page, "{{") || strings.Contains(page, "//") && strings.Contains(page, "http") {
		t.Errorf("the page holds a place to fill in, or an address:\n%s", page)
	}
	again := do(s, request(s, "GET", "/", ""))
	if again.Header().Get("Content-Security-Policy") == policy {
		t.Error("the nonce is the same twice")
	}
	for _, name := range []string{"app.js", "app.css", "icon.svg", "licences.txt"} {
		if w := do(s, request(s, "GET", "/"+name, "")); w.Code != http.StatusOK || w.Body.Len() == 0 || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s = %d, %d bytes, %v", name, w.Code, w.Body.Len(), w.Header())
		}
	}
}

// TestAssetsAreSmall holds what a browser loads to 160 KB, compressed.
func TestAssetsAreSmall(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	err := fs.WalkDir(assets, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := assets.ReadFile(name)
		if err == nil {
			_, err = z.Write(data)
		}
		return err
	})
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err != nil || b.Len() > 160_000 || b.Len() < 10_000 {
		t.Errorf("the assets have %d bytes compressed (%v), want 160,000 at most", b.Len(), err)
	}
	t.Logf("%d bytes", b.Len())
}

func TestExamplesGiveTheirGoldenFiles(t *testing.T) {
	s := newServer(t, Files{})
	var o opening
	if ask(t, s, "/api/start", nil, &o); len(o.Examples) < 16 {
		t.Fatalf("%d examples, want 16 or more", len(o.Examples))
	}
	for _, e := range o.Examples {
		t.Run(e.Name, func(t *testing.T) {
			if e.Title == "" {
				t.Error("no title")
			}
			var st state
			if code := ask(t, s, "/api/examples/"+e.Name, nil, &st); code != http.StatusOK {
				t.Fatalf("example = %d", code)
			}
			var got struct {
				Findings []finding
				Faults   map[string]string
				View     struct{ Request, Report, Poll any }
			}
			if ask(t, s, "/api/explain", st, &got); len(got.Findings)+len(got.Faults) > 0 {
				t.Errorf("findings %v, faults %v, want none", got.Findings, got.Faults)
			}
			for name, got := range map[string]any{"request.json": got.View.Request, "report.json": got.View.Report, "poll-report.json": got.View.Poll} {
				data, err := examples.Files.ReadFile(e.Name + "/" + name)
				if err != nil {
					continue
				}
				var want any
				dec := json.NewDecoder(bytes.NewReader(data))
				dec.UseNumber()
				if err := dec.Decode(&want); err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%s = %v\nwant %v", name, got, want)
				}
			}
		})
	}
}

func TestExplain(t *testing.T) {
	t.Setenv("OUTER", "of the process")
	s := newServer(t, Files{})
	var o opening
	ask(t, s, "/api/start", nil, &o)
	in := map[string]any{"mapping": o.Mapping, "event": o.Event, "response": o.Response, "poll": "", "env": o.Env, "jq": ".payload.properties.reason"}
	explained := func(t *testing.T, changes map[string]any) (got verdict) {
		t.Helper()
		now := map[string]any{}
		for _, m := range []map[string]any{in, changes} {
			for k, v := range m {
				now[k] = v
			}
		}
		if code := ask(t, s, "/api/explain", now, &got); code != http.StatusOK {
			t.Fatalf("explain = %d", code)
		}
		return got
	}
	got := explained(t, nil)
	if len(got.Findings) > 0 || len(got.Faults) > 0 || got.View.Rule == nil || *got.View.Rule != 0 || got.JQ.Value != "stuck queue" || !got.Details.Good {
		t.Errorf("the start = %+v, want a request without findings", got)
	}
	if url := *got.View.Request.URL; url != "https://ops.internal/services/checkout/restart" {
		t.Errorf("url = %s", url)
	}

	// 😀 has two UTF-16 units and four bytes: places count the former.
	got = explained(t, map[string]any{"mapping": "[\n {\"name\": \"😀\", \"enabled\": \"(.a\"}]"})
	if len(got.Findings) == 0 || got.Findings[0].Line != 2 || got.Findings[0].Warning || got.View != nil {
		t.Fatalf("findings = %+v, want an error in line 2 and no view", got.Findings)
	}
	if f := got.Findings[0]; f.From < 30 || f.To > 33 || f.From > f.To || f.Column != f.From-1 {
		t.Errorf("finding = %+v, want a place within the expression", f)
	}

	got = explained(t, map[string]any{"mapping": `[{"enabled": ".action == \"other\""}]`})
	if got.View.Rule != nil || len(got.View.Considered) != 1 || !strings.Contains(got.View.Considered[0].Why, `(.action is "restart_service")`) {
		t.Errorf("considered = %+v, want why the rule does not match", got.View.Considered)
	}
	for field, text := range map[string]string{"event": `{"a": `, "response": `{"statusCode": "x"}`, "env": ""} {
		change := map[string]any{field: text}
		if field == "env" {
			change[field] = map[string]string{"STRICT_MAPPING": "maybe"}
		}
		if got := explained(t, change); got.Faults[field] == "" {
			t.Errorf("a broken %s: faults = %v", field, got.Faults)
		}
	}
	for expr, want := range map[string]any{".nothing": nil, "env.OUTER": nil, "env.OPS_TOKEN": "stand-in", "[.action, 1]": []any{"restart_service", json.Number("1")}} {
		if got := explained(t, map[string]any{"jq": expr}); got.JQ.Error != "" || !reflect.DeepEqual(got.JQ.Value, want) {
			t.Errorf("%s = %v, %q, want %v", expr, got.JQ.Value, got.JQ.Error, want)
		}
	}
	for _, expr := range []string{".a (", ".action.x", `error("no")`, "nofunction"} {
		if got := explained(t, map[string]any{"jq": expr}); got.JQ.Error == "" || got.JQ.Value != nil {
			t.Errorf("%s = %v, want an error", expr, got.JQ.Value)
		}
	}
}

// TestEnvironmentNamesNoFiles has a page try to read a file by the settings.
func TestEnvironmentNamesNoFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("in-the-file"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newServer(t, Files{})
	env := map[string]string{"GITHUB_TOKEN_FILE": file, "PORT_CLIENT_SECRET_FILE": file, "INVOCATIONS_PATH": file, "SSL_CERT_FILE": file}
	body, _ := json.Marshal(map[string]any{"mapping": `[{"body": "[env, $ENV]", "backend": "GITHUB"}]`, "event": `{"payload":{"action":{"invocationMethod":
		{"type":"GITHUB","org":"o","repo":"r","workflow":"w","workflowInputs":{"ref":"m"},"agent":true}}},"headers":{}}`, "env": env})
	w := do(s, request(s, "POST", "/api/explain", string(body)))
	if w.Code != http.StatusOK || strings.Contains(w.Body.String(), "in-the-file") {
		t.Errorf("explain = %d %s", w.Code, w.Body)
	}
}

// TestAbortedEvaluationGivesWay holds the place of an evaluation and aborts
// one that waits for it.
func TestAbortedEvaluationGivesWay(t *testing.T) {
	t.Parallel()
	s := newServer(t, Files{})
	s.busy <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := do(s, request(s, "POST", "/api/explain", `{"mapping":"[]","event":"{}"}`).WithContext(ctx))
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), context.Canceled.Error()) {
		t.Errorf("explain = %d %s, want an aborted request", w.Code, w.Body)
	}
	<-s.busy
}

func TestSave(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "mapping.json")
	s := newServer(t, Files{Mapping: file, Write: true})
	var o opening
	if ask(t, s, "/api/start", nil, &o); !o.Given || !o.Write || o.File != "mapping.json" || o.Version != "" {
		t.Fatalf("start = %+v, want a file that is not there yet", o)
	}
	var got map[string]string
	save := func(mapping, version string) int {
		got = nil
		return ask(t, s, "/api/save", map[string]string{"mapping": mapping, "version": version}, &got)
	}
	if code := save("[1]", ""); code != http.StatusOK {
		t.Fatalf("first save = %d %v", code, got)
	}
	first := got["version"]
	if code := save("[2]", first); code != http.StatusOK {
		t.Fatalf("second save = %d %v", code, got)
	}
	if err := os.WriteFile(file, []byte("[3]"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code := save("[4]", first); code != http.StatusConflict || got["mapping"] != "[3]" {
		t.Fatalf("save over a change = %d %v, want a conflict with what is there", code, got)
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "[3]" {
		t.Errorf("the file is %q (%v), want what the other wrote", data, err)
	}
	if code := save("[4]", got["version"]); code != http.StatusOK {
		t.Errorf("save with the new version = %d %v", code, got)
	}
	if code := ask(t, newServer(t, Files{Mapping: file}), "/api/save", map[string]string{"mapping": "[]"}, &got); code != http.StatusForbidden {
		t.Errorf("save without -write = %d", code)
	}
	if data, _ := os.ReadFile(file); string(data) != "[4]" {
		t.Errorf("the file is %q", data)
	}
}

// TestSaveCase writes cases from what the page shows; port-agent test passes
// them.
func TestSaveCase(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "mapping.json")
	var o opening
	ask(t, newServer(t, Files{}), "/api/start", nil, &o)
	if err := os.WriteFile(file, []byte(o.Mapping), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newServer(t, Files{Mapping: file, Write: true})
	var made struct {
		File, Text, Error string
		Written           bool
	}
	body := map[string]any{"mapping": o.Mapping, "event": o.Event, "response": o.Response, "poll": "", "env": o.Env}
	for _, name := range []string{"restarts", "restarts again"} {
		body["name"] = name
		if code := ask(t, s, "/api/case", body, &made); code != http.StatusOK || !made.Written || made.File != "mapping_test.json" {
			t.Fatalf("case = %d %+v", code, made)
		}
	}
	if code := ask(t, s, "/api/case", body, &made); code != http.StatusBadRequest || !strings.Contains(made.Error, "already") {
		t.Errorf("the same name again = %d %+v", code, made)
	}
	body["name"], body["event"] = "stops", strings.Replace(o.Event, "restart_service", "other", 1)
	if code := ask(t, s, "/api/case", body, &made); code != http.StatusOK {
		t.Errorf("case = %d %+v", code, made)
	}
	var text bytes.Buffer
	if ok, err := cases.Run(t.Context(), []string{dir}, cases.Options{}, cases.Output{Text: &text}); !ok || err != nil || !strings.Contains(text.String(), "3 cases") {
		t.Errorf("test = %t, %v\n%s", ok, err, text.String())
	}
	for field, text := range map[string]string{"mapping": `[{"body": "("}]`, "event": "{", "response": `{"statusCode": "x"}`} {
		was := body[field]
		body["name"], body[field] = "broken", text
		if code := ask(t, s, "/api/case", body, &made); code != http.StatusBadRequest || made.Error == "" {
			t.Errorf("a broken %s = %d %+v", field, code, made)
		}
		body[field] = was
	}
	body["name"] = "elsewhere"
	if code := ask(t, newServer(t, Files{}), "/api/case", body, &made); code != http.StatusOK || made.Written || made.File != "invocations_test.json" || !strings.HasPrefix(made.Text, "[\n  {\n    \"name\": \"elsewhere\",") {
		t.Errorf("without -write: %d %+v", code, made)
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"b.json": `{"b":1}`, "a.json": `{"a":1}`, "notes.txt": "x", "answer": `{}`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := newServer(t, Files{Event: dir, Response: filepath.Join(dir, "answer"), Poll: filepath.Join(dir, "answer")})
	var o opening
	if ask(t, s, "/api/start", nil, &o); o.Event != `{"a":1}` || o.Response != "{}" || o.Poll != "{}" || len(o.Events) != 2 {
		t.Fatalf("start = %+v, want the first of two events", o)
	}
	var got map[string]string
	if code := ask(t, s, "/api/events/"+o.Events[1].Name, nil, &got); code != http.StatusOK || got["event"] != `{"b":1}` {
		t.Errorf("second event = %d %v", code, got)
	}
	if code := ask(t, s, "/api/events/b.json", nil, &got); code != http.StatusNotFound {
		t.Errorf("an event by the name of its file = %d %v", code, got)
	}
	for name, f := range map[string]Files{
		"-write needs -mapping": {Write: true},
		"read mapping":          {Mapping: filepath.Join(dir, "none")},
		"read event":            {Event: filepath.Join(dir, "none")},
		"holds no *.json":       {Event: t.TempDir()},
		"none":                  {Response: filepath.Join(dir, "none")},
	} {
		if err := f.Check(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("Check(%+v) = %v, want %q", f, err, name)
		}
	}
}

// TestFunctionsExist holds the functions that the page completes to those that
// mappings have.
func TestFunctionsExist(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("web/src/jq.js")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(source), "Record<string, string>} */ ({")
	list, _, _ = strings.Cut(list, "\n})")
	names := regexp.MustCompile(`(\w+): "(\([^)]*\))?`).FindAllStringSubmatch(list, -1)
	if len(names) < 90 {
		t.Fatalf("%d functions, want 90 or more", len(names))
	}
	s := newServer(t, Files{})
	for _, m := range names {
		expr := m[1]
		if m[2] != "" {
			expr += "(" + strings.Join(slices.Repeat([]string{"."}, 1+strings.Count(m[2], ";")), "; ") + ")"
		}
		body, _ := json.Marshal(map[string]string{"mapping": "[]", "event": "{}", "jq": expr})
		w := do(s, request(s, "POST", "/api/explain", string(body)))
		if text, _ := io.ReadAll(w.Body); strings.Contains(string(text), "not defined") || strings.Contains(string(text), "no function") {
			t.Errorf("%s: %s", expr, text)
		}
	}
}
