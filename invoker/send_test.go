package invoker

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"port-agent/invoker/wire/wiretest"
)

func TestStatusErrorText(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ body, want string }{
		{"", " Internal Server Error"},
		{"no\r\n\tway\x00\x1b[31m \xff ", ": no way [31m ÿ"},
		{strings.Repeat("ü", 600), ": " + strings.Repeat("ü", 500) + "…"},
		{"you sent " + testSigner + " and query-canary", ": you sent [redacted] and [redacted]"},
		{strings.Repeat("x", 495) + "query-canary", ": " + strings.Repeat("x", 495) + "[reda…"},
		{strings.Repeat("x", 495) + "decrypted \n input", ": " + strings.Repeat("x", 495) + "[reda…"},
	} {
		s := wiretest.New(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, tc.body)
		})
		i := newInvoker(t, testConfig(), testDeps())
		target := hook(t, s.URL+"/hook")
		target.Rule.Query = url.Values{"token": {"query-canary"}}
		target.Conceal = func(s string) string { return strings.ReplaceAll(s, "decrypted \n input", "[redacted]") }
		res, err := i.Do(t.Context(), build(t, i, target))
		if want := fmt.Sprintf("POST %s/hook answered 500%s", s.URL, tc.want); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		if res == nil || string(res.Body) != tc.body {
			t.Errorf("response: got %v", res)
		}
	}
}

// A redirect that is not followed is a refusal without a response.
func TestRedirectNotFollowed(t *testing.T) {
	t.Parallel()
	s := wiretest.New(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/end", http.StatusFound) })
	i := newInvoker(t, testConfig(), testDeps())
	req := build(t, i, hook(t, s.URL+"/hook"))
	res, err := i.Do(t.Context(), req)
	want := fmt.Sprintf("POST %s/hook was redirected to %s/end, which is followed only for GET; call that URL directly", s.URL, s.URL)
	if res != nil || err == nil || err.Error() != want {
		t.Errorf("got %v, %v, want %s", res, err, want)
	}
	if retry, _ := Retryable(err, req, []int{http.StatusFound}); retry || !Sent(err) {
		t.Errorf("got retryable %t, sent %t, want false, true", retry, Sent(err))
	}
	s.Only(t)
}

// The certificate of Port's API is checked whatever the settings say, and only
// the body of a webhook is of no use where nobody asks for it.
func TestCall(t *testing.T) {
	t.Parallel()
	cfg, deps := settings("https://ci.test", false)
	i := newInvoker(t, cfg, deps)
	for name, target := range targetsOf(t, "https://ci.test") {
		req := build(t, i, target)
		if want := name == Webhook || name == PortAPI; req.Verify || req.NeedBody || req.SkipBody != want { // PortAPI is a webhook here
			t.Errorf("%s: got %+v", name, req.Call)
		}
	}
	for raw, want := range map[string]bool{"https://api.port.test/v1": true, "https://API.port.test:8443/": true, "http://api.port.test./": true, "https://port.test/": false} {
		req := build(t, i, hook(t, raw))
		if got := req.Verify; got != want {
			t.Errorf("%s: checked: got %t, want %t", raw, got, want)
		}
	}
}
