package invoker

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/http/httpguts"

	"port-agent/invoker/wire"
	"port-agent/invoker/wire/wiretest"
)

// targetsOf gives a target for each backend that leads to the server at base.
func targetsOf(t testing.TB, base string) map[string]Target {
	inputs := map[string]any{"service": "a&b", "ref": "main"}
	return map[string]Target{
		Webhook:     event(t, map[string]any{"type": "WEBHOOK", "url": base + "/hook"}, inputs),
		AzureDevOps: event(t, map[string]any{"type": "AZURE_DEVOPS", "org": "acme", "webhook": "deploy"}, inputs),
		Jenkins:     event(t, map[string]any{"type": "WEBHOOK", "url": base + jenkinsPath}, inputs),
		GitLab:      event(t, map[string]any{"type": "GITLAB", "groupName": "acme/platform", "projectName": "api"}, inputs),
		GitHub:      event(t, map[string]any{"type": "GITHUB", "org": "acme", "repo": "api", "workflow": "x.yml"}, inputs),
		PortAPI:     event(t, map[string]any{"type": "WEBHOOK", "url": base + "/v1/x"}, inputs),
	}
}

// settings lead every backend to the server at base, and Port's API too where
// port is set.
func settings(base string, port bool) (Config, Deps) {
	cfg, deps := testConfig(), testDeps()
	cfg.AzureDevOpsURL, cfg.GitLabURL, cfg.GitHubAPIURL = base, base, base
	if port {
		deps.PortAPI = base
	}
	return cfg, deps
}

// TestBackends holds every backend to what all have in common.
func TestBackends(t *testing.T) {
	t.Parallel()
	for name := range targetsOf(t, "http://x") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testBackend(t, name)
		})
	}
}

func testBackend(t *testing.T, name string) {
	// The server repeats whatever it was sent, as a badly written one might.
	s := wiretest.New(t, func(w http.ResponseWriter, r *http.Request) {
		status, err := strconv.Atoi(r.Header.Get("X-Want"))
		if err != nil {
			status = http.StatusOK
		}
		w.WriteHeader(status)
		_ = r.Header.Write(w)
		_, _ = io.Copy(w, r.Body)
		_, _ = io.WriteString(w, r.RequestURI)
		if r.Header.Get("X-Long") != "" {
			_, _ = w.Write(bytes.Repeat([]byte("x"), 2*maxAnswer))
		}
	})
	cfg, deps := settings(s.URL, name == PortAPI)
	deps.Wire = newWire(t)
	i := newInvoker(t, cfg, deps)
	request := func(headers map[string]string) *Request {
		target := targetsOf(t, s.URL)[name]
		target.Rule.Headers = map[string]string{"X-Api-Key": "rule-canary"}
		for k, v := range headers {
			target.Rule.Headers[k] = v
		}
		target.Rule.Query = url.Values{"token": {"query-canary"}}
		req := build(t, i, target)
		if req.Backend != name {
			t.Fatalf("backend: got %s, want %s", req.Backend, name)
		}
		return req
	}

	check := func(req *Request, status int, err error) {
		t.Helper()
		accepted := status >= 200 && status < 300 && (name != Jenkins || status == http.StatusNoContent)
		var refused *StatusError
		if accepted != (err == nil) || err != nil && !errors.As(err, &refused) {
			t.Errorf("%d: got %v, want accepted %t", status, err, accepted)
		}
		if err != nil {
			checkSecrets(t, "error", err.Error())
		}
		retry, _ := Retryable(err, req, nil)
		if want := status == 429 || status == 503; retry != want {
			t.Errorf("%d: retryable: got %t, want %t", status, retry, want)
		}
	}
	t.Run("every status", func(t *testing.T) {
		req := request(nil)
		for status := 100; status < 600; status++ {
			body := []byte("you sent " + testSigner + " with rule-canary and query-canary")
			if status == http.StatusNoContent {
				body = nil
			}
			check(req, status, i.Judge(req, &Response{Response: wire.Response{StatusCode: status, Header: http.Header{}, Body: body}}))
		}
	})
	t.Run("answers", func(t *testing.T) {
		for _, status := range []int{200, 201, 204, 299, 302, 400, 401, 404, 409, 429, 500, 502, 503, 504} {
			req := request(map[string]string{"X-Want": strconv.Itoa(status)})
			res, err := i.Do(t.Context(), req)
			if res == nil {
				t.Fatalf("%d: got %v and no response", status, err)
			}
			check(req, status, err)
		}
	})
	t.Run("body limit", func(t *testing.T) {
		res, _ := i.Do(t.Context(), request(map[string]string{"X-Long": "1"}))
		if res == nil || len(res.Body) != maxAnswer || !res.Truncated {
			t.Errorf("got %v", res)
		}
	})
	t.Run("canceled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		before := len(s.Exchanges())
		_, err := i.Do(ctx, request(nil))
		if !errors.Is(err, context.Canceled) || Sent(err) {
			t.Errorf("got %v, sent %t", err, Sent(err))
		}
		if got := len(s.Exchanges()) - before; got != 0 {
			t.Errorf("got %d requests, want 0", got)
		}
		checkSecrets(t, "error", fmt.Sprint(err))
	})
	t.Run("key", func(t *testing.T) {
		seen := s.Exchanges()
		h := seen[len(seen)-1].Header
		if got := h.Get("Idempotency-Key") + " " + h.Get("X-Port-Run-Id") + " " + h.Get("User-Agent"); got != "r_1 r_1 "+testUserAgent {
			t.Errorf("got %s", got)
		}
	})
	t.Run("unreachable", func(t *testing.T) {
		req := request(nil)
		s.Close()
		deps.Wire.Close()
		_, err := i.Do(t.Context(), req)
		if Sent(err) || !strings.HasSuffix(fmt.Sprint(err), ": connection refused") {
			t.Errorf("got %v, sent %t", err, Sent(err))
		}
		checkSecrets(t, "error", fmt.Sprint(err))
	})
}

// FuzzBuild gives strangers' bytes to every backend: events, methods, rules.
func FuzzBuild(f *testing.F) {
	f.Add("GITLAB", `{"groupName":"a","projectName":"b"}`, `{"payload":{"properties":{"a":1}}}`, "https://h/p?q", "k", "v", "application/json")
	f.Add("AZURE_DEVOPS", `{"org":"a","webhook":"b","payload":[1]}`, `{}`, "", "Host", "x", "text/plain")
	f.Add("GITHUB", `{"org":"a","repo":"b","workflow":5}`, `{}`, "", "", "", "application/x-www-form-urlencoded")
	f.Add("JENKINS", `{"url":"http://h/generic-webhook-trigger/invoke"}`, `[]`, "http://[::1]:0/{{x}}", "X", "\n", "")
	f.Add("PORT_API", `{"url":"http://h","body":{"a":"b"}}`, `null`, "http://u:p@h", "X", "{{}}", "a/b;c=d")
	i := newInvoker(f, testConfig(), testDeps())
	f.Fuzz(func(t *testing.T, backend, methodJSON, rootJSON, raw, header, value, contentType string) {
		object := func(text string) map[string]any {
			v, _ := decodeJSON([]byte(text))
			m, _ := v.(map[string]any)
			return m
		}
		method, root := object(methodJSON), object(rootJSON)
		target := Target{Key: value, Event: []byte(rootJSON), Root: root, Method: ReadMethod(method), Decrypted: true}
		target.Rule = Override{Backend: backend, Headers: map[string]string{header: value, "Content-Type": contentType}}
		if raw != "" {
			target.Rule.URL = &raw
		}
		req, err := i.Build(target)
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without words")
			}
			return
		}
		if u, err := url.Parse(req.URL.String()); err != nil || u.Host == "" || u.User != nil {
			t.Errorf("URL %q: %v", req.URL, err)
		}
		for k, values := range req.Header {
			as := cmp.Or(req.Spelling[k], k)
			if !httpguts.ValidHeaderFieldName(as) || http.CanonicalHeaderKey(as) != k || !httpguts.ValidHeaderFieldValue(values[0]) {
				t.Errorf("header %q as %q: %q", k, as, values)
			}
		}
		_, _, _, _ = req.Value(), req.Host(), req.Endpoint(), req.Secrets()
	})
}

// FuzzAnswer gives strangers' bytes to what reads answers.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"jobs":{"a":{"triggered":true,"id":1,"url":"queue/item/1/"}}}`))
	f.Add([]byte(`{"id":1e999,"web_url":5}`))
	f.Add([]byte("\xff{{"))
	i := newInvoker(f, testConfig(), testDeps())
	f.Fuzz(func(t *testing.T, body []byte) {
		for name, target := range targetsOf(t, "http://ci.test/jenkins") {
			req := build(t, i, target)
			req.Backend, req.backend = name, i.backends[name]
			res := &Response{Response: wire.Response{StatusCode: 200, Header: http.Header{}, Body: body}}
			out, err := i.judge(req, res, req.Header)
			if out == nil {
				t.Fatalf("%s: no response", name)
			}
			if err != nil && len([]rune(err.Error())) > maxExcerpt+len(req.Endpoint())+2 {
				t.Errorf("%s: an error of %d characters", name, len([]rune(err.Error())))
			}
			if out.Link != "" && !strings.HasPrefix(out.Link, "http") && name == Jenkins {
				t.Errorf("link %q", out.Link)
			}
			asJSON(t, res.Value())
		}
	})
}
