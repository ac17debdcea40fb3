package invoker

import (
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"port-agent/invoker/wire"
	"port-agent/invoker/wire/wiretest"
)

func TestBuild(t *testing.T) {
	t.Parallel()
	i := newInvoker(t, testConfig(), testDeps())
	form := map[string]string{"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
	big1, _ := new(big.Int).SetString("123456789012345678901234567890", 10)
	for _, tc := range []struct {
		name       string
		method     map[string]any
		rule       Override
		wantMethod string
		wantURL    string
		wantType   string
		wantBody   string
	}{
		{name: "the rule's method", method: map[string]any{"method": "PUT"}, rule: Override{Method: ptr("patch")}, wantMethod: "PATCH"},
		{name: "the method's method", method: map[string]any{"method": "delete"}, wantMethod: "DELETE"},
		{name: "an empty method", method: map[string]any{"method": ""}, wantMethod: "POST"},
		{name: "method is null", method: map[string]any{"method": nil}, wantMethod: "POST"},
		{name: "query is added", method: map[string]any{"url": "https://h.test/p?a=1"},
			rule: Override{Query: url.Values{"b": {"2", "3"}, "c d": {"x&y"}}}, wantURL: "https://h.test/p?a=1&b=2&b=3&c+d=x%26y"},
		{name: "query without another", rule: Override{Query: url.Values{"b": {"2"}}}, wantURL: "https://ci.test/hook?b=2"},
		{name: "spaces and umlauts", method: map[string]any{"url": " https://h.test/a b/ü?q=x y&z=ü%20 "}, wantURL: "https://h.test/a%20b/%C3%BC?q=x%20y&z=%C3%BC%20"},
		{name: "an encoded slash stays", method: map[string]any{"url": "https://h.test/a%2Fb#part"}, wantURL: "https://h.test/a%2Fb"},
		{name: "an underscore in the host", method: map[string]any{"url": "http://my_service:8080/x"}, wantURL: "http://my_service:8080/x"},
		{name: "an IPv6 address", method: map[string]any{"url": "http://[::1]:8080/x"}, wantURL: "http://[::1]:8080/x"},
		{name: "an international host", method: map[string]any{"url": "https://bücher.test/"}, wantURL: "https://xn--bcher-kva.test/"},
		{name: "body of the rule", rule: Override{HasBody: true, Body: map[string]any{"b": "<&>", "a": big1, "f": 1.5}}, wantBody: `{"a":123456789012345678901234567890,"b":"<&>","f":1.5}`},
		{name: "a string as JSON", rule: Override{HasBody: true, Body: "x"}, wantBody: `"x"`},
		{name: "null is no body", rule: Override{HasBody: true}, wantBody: "", wantType: "-"},
		{name: "form", rule: Override{HasBody: true, Headers: form, Body: map[string]any{"b": []any{1, "x y", nil}, "a": true, "n": nil, "o": map[string]any{"k": "<"}}},
			wantBody: "a=true&b=1&b=x+y&o=%7B%22k%22%3A%22%3C%22%7D", wantType: form["content-type"]},
		{name: "form as text", rule: Override{HasBody: true, Headers: form, Body: "a=1&b=2"}, wantBody: "a=1&b=2", wantType: form["content-type"]},
		{name: "text", rule: Override{HasBody: true, Headers: map[string]string{"Content-Type": "text/plain"}, Body: "hello\n"}, wantBody: "hello\n", wantType: "text/plain"},
		{name: "xml", rule: Override{HasBody: true, Headers: map[string]string{"Content-Type": "application/xml"}, Body: "<a/>"}, wantBody: "<a/>", wantType: "application/xml"},
		{name: "lines of JSON", rule: Override{HasBody: true, Headers: map[string]string{"Content-Type": "application/x-ndjson"}, Body: "{}\n{}\n"}, wantBody: "{}\n{}\n", wantType: "application/x-ndjson"},
		{name: "text in JSON", rule: Override{HasBody: true, Headers: map[string]string{"Content-Type": "application/vnd.api+json"}, Body: "hello"}, wantBody: `"hello"`, wantType: "application/vnd.api+json"},
		{name: "an object is JSON whatever the type", rule: Override{HasBody: true, Headers: map[string]string{"Content-Type": "text/plain"}, Body: map[string]any{"a": 1}}, wantBody: `{"a":1}`, wantType: "text/plain"},
		{name: "a JSON type of somebody", rule: Override{HasBody: true, Headers: map[string]string{"Content-Type": "application/vnd.api+json"}, Body: "x"}, wantBody: `"x"`, wantType: "application/vnd.api+json"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			method := map[string]any{"type": "WEBHOOK", "url": "https://ci.test/hook"}
			for k, v := range tc.method {
				method[k] = v
			}
			target := event(t, method, nil)
			target.Rule = tc.rule
			req := build(t, i, target)
			if tc.wantMethod != "" && req.Method != tc.wantMethod {
				t.Errorf("method: got %s, want %s", req.Method, tc.wantMethod)
			}
			if tc.wantURL != "" && req.URL.String() != tc.wantURL {
				t.Errorf("URL: got %s, want %s", req.URL, tc.wantURL)
			}
			wantBody := tc.wantBody
			if !tc.rule.HasBody {
				wantBody = string(target.Event)
			}
			if got := string(req.Body); got != wantBody {
				t.Errorf("body: got %s, want %s", got, wantBody)
			}
			wantType := strings.TrimPrefix(tc.wantType, "-")
			if tc.wantType == "" {
				wantType = "application/json"
			}
			if got := req.Header.Get("Content-Type"); got != wantType {
				t.Errorf("type: got %q, want %q", got, wantType)
			}
		})
	}
}

func TestBuildRefuses(t *testing.T) {
	t.Parallel()
	i := newInvoker(t, testConfig(), testDeps())
	for _, tc := range []struct {
		name   string
		method map[string]any
		rule   Override
		want   string
	}{
		{"no URL", nil, Override{}, errNoURL.Error()},
		{"an empty URL", nil, Override{URL: ptr(" ")}, errNoURL.Error()},
		{"a URL that is no text", map[string]any{"url": 5}, Override{}, errNoURL.Error()},
		{"no scheme", map[string]any{"url": "ci.test/hook"}, Override{}, "the URL is not valid: it does not begin with http:// or https://"},
		{"a file", map[string]any{"url": "file:///etc/passwd"}, Override{}, "the URL is not valid: it does not begin with http:// or https://"},
		{"no host", map[string]any{"url": "https:///hook"}, Override{}, "the URL is not valid: it names no host"},
		{"a number for a host", map[string]any{"url": "http://2852039166/x"}, Override{}, "the URL is not valid: its host is neither a name nor an address"},
		{"digits in full width", map[string]any{"url": "http://１６９.254.169.254/x"}, Override{}, "the URL is not valid: its host is neither a name nor an address"},
		{"an address before two dots", map[string]any{"url": "http://169.254.169.254../x"}, Override{}, "the URL is not valid: its host is neither a name nor an address"},
		{"a name before two dots", map[string]any{"url": "http://metadata.google.internal../x"}, Override{}, "the URL is not valid: its host is neither a name nor an address"},
		{"a dot for a host", map[string]any{"url": "http://./x"}, Override{}, "the URL is not valid: its host is neither a name nor an address"},
		{"hex for a host", map[string]any{"url": "http://169.254.0xa9fe/x"}, Override{}, "the URL is not valid: its host is neither a name nor an address"},
		{"a password that breaks the URL", map[string]any{"url": "https://u:password-canary#x@ci.test"}, Override{}, "the URL is not valid: invalid port"},
		{"template in the path", map[string]any{"url": "https://ci.test/{{ .inputs.x }}"}, Override{}, "URL still holds {{ .inputs.x }}, which Port did not resolve"},
		{"template, encoded", map[string]any{"url": "https://ci.test/%7B%7B .x %7D%7D"}, Override{}, "URL still holds {{ .x }}, which Port did not resolve"},
		{"template in the project", map[string]any{"type": "GITLAB", "groupName": "acme", "projectName": "{{ .x }}"}, Override{HasBody: true}, "URL still holds {{ .x }}, which Port did not resolve"},
		{"template in a header", map[string]any{"url": "https://ci.test"}, Override{Headers: map[string]string{"X-Who": "a {{.who}}"}}, "header X-Who still holds {{.who}}, which Port did not resolve"},
		{"template in the query", map[string]any{"url": "https://ci.test"}, Override{Query: url.Values{"q": {"{{.who}}"}}}, "query value q still holds {{.who}}, which Port did not resolve"},
		{"header with a line break", map[string]any{"url": "https://ci.test"}, Override{Headers: map[string]string{"X-Token": "rule-canary\n"}}, "header X-Token holds a line break"},
		{"header with a control character", map[string]any{"url": "https://ci.test"}, Override{Headers: map[string]string{"X-Token": "rule-canary\x00"}}, "header X-Token holds a control character"},
		{"header name", map[string]any{"url": "https://ci.test"}, Override{Headers: map[string]string{"X Token": "a"}}, `header name "X Token" is not valid`},
		{"method", map[string]any{"url": "https://ci.test", "method": "TRACE"}, Override{}, `method "TRACE" is not one of GET, POST, PUT, PATCH, DELETE`},
		{"backend", map[string]any{"url": "https://ci.test"}, Override{Backend: "X"}, `backend "X" is not known`},
		{"azure", map[string]any{"type": "AZURE_DEVOPS", "org": "x"}, Override{}, "the invocation method lacks webhook"},
		{"github", map[string]any{"type": "GITHUB", "org": "x", "repo": "y"}, Override{}, "the invocation method lacks workflow"},
		{"gitlab", map[string]any{"type": "GITLAB"}, Override{}, "the invocation method lacks groupName"},
		{"a body that is no JSON", map[string]any{"url": "https://ci.test"}, Override{HasBody: true, Body: func() {}}, "encode body: json: unsupported type: func()"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := i.Build(Target{Method: ReadMethod(tc.method), Rule: tc.rule, Event: []byte(`{}`), Root: map[string]any{}})
			if err == nil || err.Error() != tc.want {
				t.Errorf("got %v, want %s", err, tc.want)
			}
			if err != nil {
				checkSecrets(t, "error", err.Error())
			}
		})
	}
}

func TestBuildHeaders(t *testing.T) {
	t.Parallel()
	s := wiretest.New(t, nil)
	i := newInvoker(t, testConfig(), testDeps())
	target := hook(t, strings.Replace(s.URL, "http://", "http://me:password-canary@", 1)+"/hook")
	target.Rule.Headers = map[string]string{
		"user-agent": "mine", "idempotency-key": "k", "host": "virtual.test", "X-Port-Run-Id": "own",
		"x-port-signature": "forged", "X-Port-Timestamp": "1", "Content-Length": "3", "transfer-encoding": "chunked",
	}
	req := build(t, i, target)
	if _, err := i.Do(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	seen := s.Only(t)
	for k, want := range map[string]string{
		"User-Agent": "mine", "Idempotency-Key": "k", "X-Port-Run-Id": "own",
		"Authorization": "Basic bWU6cGFzc3dvcmQtY2FuYXJ5",
	} {
		if got := seen.Header.Values(k); len(got) != 1 || got[0] != want {
			t.Errorf("%s: got %q, want %q", k, got, want)
		}
	}
	if seen.Host != "virtual.test" {
		t.Errorf("host: got %s, want virtual.test", seen.Host)
	}
	checkV1(t, seen)
	checkSecrets(t, "URL", req.URL.String()+req.Endpoint()+asJSON(t, req.Value()["url"]))
	target.Rule.Headers = map[string]string{"Authorization": "rule-canary"}
	if got := build(t, i, target).Header.Get("Authorization"); got != "rule-canary" {
		t.Errorf("the rule's authorization: got %q", got)
	}
}

func TestRequest(t *testing.T) {
	t.Parallel()
	i := newInvoker(t, testConfig(), testDeps())
	target := hook(t, "https://CI.test/hook?token=query-canary")
	target.Rule = Override{Query: url.Values{"page": {"1", "2"}}, Headers: map[string]string{"x-api-key": "rule-canary"}, Timeout: 1500 * time.Millisecond}
	req := build(t, i, target)
	if got, want := req.Host(), "ci.test:443"; got != want {
		t.Errorf("host: got %s, want %s", got, want)
	}
	if got, want := req.Endpoint(), "POST https://ci.test/hook"; got != want {
		t.Errorf("endpoint: got %s, want %s", got, want)
	}
	if got, want := req.Timeout, 1500*time.Millisecond; got != want {
		t.Errorf("timeout: got %v, want %v", got, want)
	}
	want := asJSON(t, map[string]any{
		"method": "POST", "url": "https://CI.test/hook?token=query-canary", "query": map[string]any{"page": []any{"1", "2"}},
		"headers": map[string]any{"Content-Type": "application/json", "Idempotency-Key": "r_1", "X-Api-Key": "rule-canary", "X-Port-Run-Id": "r_1", "User-Agent": testUserAgent},
		"body":    target.Root,
	})
	if got := asJSON(t, req.Value()); got != want {
		t.Errorf("value: got %s, want %s", got, want)
	}
	if got, want := strings.Join(req.Secrets(), " "), "rule-canary query-canary"; got != want {
		t.Errorf("secrets: got %s, want %s", got, want)
	}
	if req.Idempotent() || !(&Request{Call: wire.Call{Method: http.MethodPut}}).Idempotent() {
		t.Error("POST is taken for idempotent, or PUT is not")
	}
}

func TestDecryptedEvent(t *testing.T) {
	t.Parallel()
	i := newInvoker(t, testConfig(), testDeps())
	target := hook(t, "https://ci.test/hook")
	target.Event = []byte(`{"secret":"cipher"}`)
	target.Root = map[string]any{"secret": "<plain>"}
	target.Decrypted = true
	if got, want := string(build(t, i, target).Body), `{"secret":"<plain>"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestResponseValue(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ body, want string }{
		{`{"id":9007199254740993,"f":1.0,"big":123456789012345678901,"huge":1e999}`, `{"big":123456789012345678901,"f":1,"huge":1.7976931348623157e+308,"id":9007199254740993}`},
		{`[1,"x",null]`, `[1,"x",null]`},
		{`{"a":1} trailing`, `null`},
		{`oops`, `null`},
		{``, `null`},
	} {
		res := &Response{Response: wire.Response{StatusCode: 201, Header: http.Header{"Etag": {"x"}, "Www-Authenticate": {"Basic", "Bearer"}}, Body: []byte(tc.body)}}
		got := asJSON(t, res.Value())
		want := asJSON(t, map[string]any{"statusCode": 201, "headers": map[string]any{"ETag": "x", "WWW-Authenticate": "Basic, Bearer"}, "text": tc.body, "json": jsonRaw(tc.want)})
		if got != want {
			t.Errorf("%s: got %s, want %s", tc.body, got, want)
		}
	}
	cut := &Response{Response: wire.Response{Body: []byte("{}\xff"), Truncated: true}}
	if got, want := cut.Text(), "{}\uFFFD… [cut at 1 MiB]"; got != want {
		t.Errorf("cut: got %q, want %q", got, want)
	}
	if _, ok := cut.JSON(); ok {
		t.Error("a cut answer was taken for JSON")
	}
}

type jsonRaw string

func (r jsonRaw) MarshalJSON() ([]byte, error) { return []byte(r), nil }
