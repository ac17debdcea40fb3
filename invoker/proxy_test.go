package invoker

import (
	"crypto/tls"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

// newProxy is a forward proxy that takes every host for 127.0.0.1, on the
// port that was asked for.
func newProxy(t *testing.T) *standIn {
	t.Helper()
	return newStandIn(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodConnect {
			tunnel(w, r)
			return
		}
		r.URL.Host = "127.0.0.1:" + r.URL.Port()
		r.RequestURI = ""
		res, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer res.Body.Close()
		w.WriteHeader(res.StatusCode)
		_, _ = io.Copy(w, res.Body)
	})
}

func tunnel(w http.ResponseWriter, r *http.Request) {
	_, port, _ := net.SplitHostPort(r.Host)
	target, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer target.Close()
	client, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer client.Close()
	_, _ = io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n")
	go func() { _, _ = io.Copy(target, client); target.Close() }()
	_, _ = io.Copy(client, target)
}

func TestProxy(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, variable string
		tls            bool
		noProxy        string
		want           string // the first line that the proxy sees; "": the proxy is not asked
	}{
		{name: "http", variable: "HTTP_PROXY", want: "POST http://backend.test:PORT/hook"},
		{name: "lower case", variable: "http_proxy", want: "POST http://backend.test:PORT/hook"},
		{name: "all for http", variable: "ALL_PROXY", want: "POST http://backend.test:PORT/hook"},
		{name: "https", variable: "HTTPS_PROXY", tls: true, want: "CONNECT backend.test:PORT"},
		{name: "all for https", variable: "all_proxy", tls: true, want: "CONNECT backend.test:PORT"},
		{name: "only for the other", variable: "HTTPS_PROXY", want: ""},
		{name: "not for the name", variable: "ALL_PROXY", noProxy: "other.test, backend.test", want: ""},
		{name: "not for the domain", variable: "HTTPS_PROXY", tls: true, noProxy: ".test", want: ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			proxy := newProxy(t)
			a := newAuthority(t)
			backend, scheme := newStandIn(t, nil), "http"
			deps, cfg := testDeps(), testConfig()
			if tc.tls {
				backend, scheme = a.serveTLS(t, new(tls.Config)), "https"
				cfg.CADir = t.TempDir()
				write(t, cfg.CADir+"/ca.crt", a.pem)
			}
			deps.Env = env(map[string]string{
				tc.variable: strings.Replace(proxy.URL, "http://", "me:password-canary@", 1), "NO_PROXY": tc.noProxy,
			})
			i := newInvoker(t, cfg, deps)
			i.dialer.Resolver = resolver(t, map[string]string{"backend.test": "127.0.0.1"})
			_, port, _ := net.SplitHostPort(backend.Listener.Addr().String())
			if _, err := i.Do(t.Context(), build(t, i, hook(t, scheme+"://backend.test:"+port+"/hook"))); err != nil {
				t.Fatal(err)
			}
			checkV1(t, backend.only(t))
			if tc.want == "" {
				if got := len(proxy.exchanges()); got != 0 {
					t.Errorf("the proxy was asked %d times", got)
				}
				return
			}
			seen := proxy.only(t)
			if got, want := seen.method+" "+seen.uri, strings.Replace(tc.want, "PORT", port, 1); got != want {
				t.Errorf("proxy: got %s, want %s", got, want)
			}
			want := "Basic " + base64.StdEncoding.EncodeToString([]byte("me:password-canary"))
			if got := seen.header.Get("Proxy-Authorization"); got != want {
				t.Errorf("proxy authorization: got %q, want %q", got, want)
			}
		})
	}
}

func TestProxyFails(t *testing.T) {
	t.Parallel()
	refusing := newStandIn(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	for _, tc := range []struct{ name, proxy, want string }{
		{"nobody there", "http://me:password-canary@127.0.0.1:1", "proxy: connection refused"},
		{"no such name", "http://proxy.test:3128", "proxy: no such host"},
		{"says no", refusing.URL, "Forbidden"},
		{"socks", "socks5://me:password-canary@127.0.0.1:1", "proxy: connection refused"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			deps := testDeps()
			deps.Env = env(map[string]string{"HTTPS_PROXY": tc.proxy})
			i := newInvoker(t, testConfig(), deps)
			i.dialer.Resolver = resolver(t, nil)
			req := build(t, i, hook(t, "https://backend.test/hook?token=query-canary"))
			_, err := i.Do(t.Context(), req)
			if want := "POST https://backend.test/hook: " + tc.want; err == nil || err.Error() != want {
				t.Fatalf("got %v, want %s", err, want)
			}
			if retry, _ := Retryable(err, req, nil); !retry || Sent(err) {
				t.Errorf("got retryable %t, sent %t, want true, false", retry, Sent(err))
			}
		})
	}
}

// A proxy resolves names itself and may be in any network: targets are
// refused by what they are called.
func TestProxyEgress(t *testing.T) {
	t.Parallel()
	proxy := newProxy(t)
	backend := newStandIn(t, nil)
	_, port, _ := net.SplitHostPort(backend.Listener.Addr().String())
	for _, tc := range []struct {
		host        string
		allow, deny []string
		want        bool
	}{
		{"backend.test:" + port, nil, nil, true},
		{"backend.test:" + port, nil, []string{"127.0.0.0/8"}, true},
		{"backend.test:" + port, []string{"backend.test"}, []string{"*"}, true},
		{"backend.test:" + port, []string{"127.0.0.1"}, []string{"*"}, false},
		{"backend.test:" + port, nil, []string{"*.test"}, false},
		{"metadata.google.internal", nil, nil, false},
		{"metadata", nil, nil, false},
		{"169.254.169.254", nil, nil, false},
		{"[fe80::1]", nil, nil, false},
	} {
		deps, cfg := testDeps(), testConfig()
		deps.Env = env(map[string]string{"HTTP_PROXY": proxy.URL})
		cfg.EgressAllow, cfg.EgressDeny = tc.allow, tc.deny
		i := newInvoker(t, cfg, deps)
		_, err := i.Do(t.Context(), build(t, i, hook(t, "http://"+tc.host)))
		if got := err == nil; got != tc.want {
			t.Errorf("%s, allow %v, deny %v: got %v, want reached %t", tc.host, tc.allow, tc.deny, err, tc.want)
		}
		if !tc.want && err != nil && !strings.Contains(err.Error(), "refused by egress policy") {
			t.Errorf("%s: got %v", tc.host, err)
		}
	}
}

func TestBadProxy(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ variable, value, want string }{
		{"HTTP_PROXY", "http://me:password-canary@ho st", "HTTP_PROXY: not a proxy URL: invalid character"},
		{"https_proxy", "ftp://proxy.test", "HTTPS_PROXY: not a proxy URL: its scheme is not http, https, socks5 or socks5h"},
		{"ALL_PROXY", "http://", "ALL_PROXY: not a proxy URL: it names no host"},
		{"HTTP_PROXY", "http://u:password-canary#@proxy.test", "HTTP_PROXY: not a proxy URL: invalid port"},
	} {
		deps := testDeps()
		deps.Env = env(map[string]string{tc.variable: tc.value})
		_, err := New(testConfig(), deps, zerolog.Nop())
		if err == nil || err.Error() != tc.want {
			t.Errorf("got %v, want %s", err, tc.want)
		}
		if _, err := Transport(testConfig(), deps.Env); err == nil || err.Error() != tc.want {
			t.Errorf("transport: got %v, want %s", err, tc.want)
		}
	}
}
