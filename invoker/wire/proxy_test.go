package wire

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"port-agent/invoker/wire/wiretest"
)

// newProxy is a forward proxy that takes every host for 127.0.0.1, on the
// port that was asked for.
func newProxy(t *testing.T) *wiretest.StandIn {
	t.Helper()
	return wiretest.New(t, forward)
}

func forward(w http.ResponseWriter, r *http.Request) {
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
	splice(client, target)
}

func splice(client, target net.Conn) {
	go func() { _, _ = io.Copy(target, client); target.Close() }()
	_, _ = io.Copy(client, target)
}

// socks serves a connection as a SOCKS5 proxy (RFC 1928) that wants a login
// (RFC 1929) and takes every name for 127.0.0.1.
func socks(c net.Conn, login string) error {
	r := bufio.NewReader(c)
	read := func(n byte) []byte {
		p := make([]byte, n)
		_, _ = io.ReadFull(r, p)
		return p
	}
	text := func() string { return string(read(read(1)[0])) }
	if version := read(1)[0]; version != 5 {
		return fmt.Errorf("version %d", version)
	}
	if methods := text(); !strings.Contains(methods, "\x02") {
		return fmt.Errorf("methods %q", methods)
	}
	_, _ = c.Write([]byte{5, 2})
	read(1)
	if got := text() + ":" + text(); got != login {
		return fmt.Errorf("login %q", got)
	}
	_, _ = c.Write([]byte{1, 0})
	if got := string(read(4)); got != "\x05\x01\x00\x03" {
		return fmt.Errorf("request %q, want one by name", got)
	}
	if name := text(); name != "backend.test" {
		return fmt.Errorf("name %q", name)
	}
	target, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", binary.BigEndian.Uint16(read(2))))
	if err != nil {
		return err
	}
	defer target.Close()
	_, _ = c.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	splice(c, target)
	return nil
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
			backend, scheme := wiretest.New(t, nil), "http"
			cfg := verified
			if tc.tls {
				backend, scheme = a.serveTLS(t, new(tls.Config)), "https"
				cfg.CADir = t.TempDir()
				write(t, cfg.CADir+"/ca.crt", a.pem)
			}
			c := newClient(t, cfg, map[string]string{
				tc.variable: strings.Replace(proxy.URL, "http://", "me:password-canary@", 1), "NO_PROXY": tc.noProxy,
			})
			c.dialer.Resolver = resolver(t, map[string]string{"backend.test": "127.0.0.1"})
			_, port, _ := net.SplitHostPort(backend.Listener.Addr().String())
			if _, err := do(t, c, post(t, scheme+"://backend.test:"+port+"/hook")); err != nil {
				t.Fatal(err)
			}
			backend.Only(t)
			if tc.want == "" {
				if got := len(proxy.Exchanges()); got != 0 {
					t.Errorf("the proxy was asked %d times", got)
				}
				return
			}
			seen := proxy.Only(t)
			if got, want := seen.Method+" "+seen.URI, strings.Replace(tc.want, "PORT", port, 1); got != want {
				t.Errorf("proxy: got %s, want %s", got, want)
			}
			want := "Basic " + base64.StdEncoding.EncodeToString([]byte("me:password-canary"))
			if got := seen.Header.Get("Proxy-Authorization"); got != want {
				t.Errorf("proxy authorization: got %q, want %q", got, want)
			}
		})
	}
}

// Whatever a proxy speaks, it is asked with the login of its URL, and one
// connection through it serves one request after the other.
func TestProxyKinds(t *testing.T) {
	t.Parallel()
	const login = "me:password-canary"
	a := newAuthority(t)
	caDir := t.TempDir()
	write(t, filepath.Join(caDir, "ca.crt"), a.pem)
	for _, kind := range []string{"http", "https", "socks5", "socks5h"} {
		for _, scheme := range []string{"http", "https"} {
			t.Run(scheme+" by "+kind, func(t *testing.T) {
				t.Parallel()
				var conns atomic.Int64
				var address string
				if strings.HasPrefix(kind, "socks") {
					address = rawServer(t, func(_ int, c net.Conn) {
						conns.Add(1)
						if err := socks(c, login); err != nil {
							t.Error(err)
						}
					})
				} else {
					want := "Basic " + base64.StdEncoding.EncodeToString([]byte(login))
					proxy := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						if got := r.Header.Get("Proxy-Authorization"); got != want {
							t.Errorf("proxy authorization: got %q, want %q", got, want)
						}
						forward(w, r)
					}))
					proxy.Config.ConnState = func(_ net.Conn, state http.ConnState) {
						if state == http.StateNew {
							conns.Add(1)
						}
					}
					if kind == "https" {
						proxy.TLS = &tls.Config{Certificates: []tls.Certificate{a.pair(t)}}
						proxy.StartTLS()
					} else {
						proxy.Start()
					}
					t.Cleanup(proxy.Close)
					address = proxy.Listener.Addr().String()
				}
				backend := wiretest.New(t, nil)
				if scheme == "https" {
					backend = a.serveTLS(t, new(tls.Config))
				}
				cfg := verified
				cfg.CADir = caDir
				c := newClient(t, cfg, map[string]string{"ALL_PROXY": kind + "://" + login + "@" + address})
				_, port, _ := net.SplitHostPort(backend.Listener.Addr().String())
				for range 2 {
					if _, err := do(t, c, post(t, scheme+"://backend.test:"+port+"/hook")); err != nil {
						t.Fatal(err)
					}
				}
				for _, seen := range backend.Exchanges() {
					if seen.Header.Get("Proxy-Authorization") != "" && (scheme == "https" || strings.HasPrefix(kind, "socks")) {
						t.Error("the backend was told the proxy's login")
					}
				}
				if got := len(backend.Exchanges()); got != 2 {
					t.Errorf("got %d requests, want 2", got)
				}
				if got := conns.Load(); got != 1 {
					t.Errorf("got %d connections to the proxy, want 1", got)
				}
				c.Close()
			})
		}
	}
}

func TestProxyFails(t *testing.T) {
	t.Parallel()
	refusing := wiretest.New(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	for _, tc := range []struct{ name, proxy, want string }{
		{"nobody there", "http://me:password-canary@127.0.0.1:1", "proxy: connection refused"},
		{"no such name", "http://proxy.test:3128", "proxy: no such host"},
		{"says no", refusing.URL, "proxy: answered 403 Forbidden"},
		{"not https", strings.Replace(refusing.URL, "http", "https", 1), "proxy: tls: first record does not look like a TLS handshake"},
		{"socks", "socks5://me:password-canary@127.0.0.1:1", "proxy: connection refused"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, verified, map[string]string{"HTTPS_PROXY": tc.proxy})
			c.dialer.Resolver = resolver(t, nil)
			_, err := do(t, c, post(t, "https://backend.test/hook?token=query-canary"))
			if want := "POST https://backend.test/hook: " + tc.want; err == nil || err.Error() != want {
				t.Fatalf("got %v, want %s", err, want)
			}
			if e := fault(t, err); e.Final || e.Sent {
				t.Errorf("got final %t, sent %t, want neither", e.Final, e.Sent)
			}
		})
	}
}

// A proxy resolves names itself and may be in any network: targets are
// refused by what they are called.
func TestProxyEgress(t *testing.T) {
	t.Parallel()
	proxy := newProxy(t)
	backend := wiretest.New(t, nil)
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
		cfg := verified
		cfg.EgressAllow, cfg.EgressDeny = tc.allow, tc.deny
		c := newClient(t, cfg, map[string]string{"HTTP_PROXY": proxy.URL})
		_, err := do(t, c, post(t, "http://"+tc.host))
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
		vars := env(map[string]string{tc.variable: tc.value})
		_, err := New(verified, vars)
		if err == nil || err.Error() != tc.want {
			t.Errorf("got %v, want %s", err, tc.want)
		}
		if _, err := Transport(verified, vars); err == nil || err.Error() != tc.want {
			t.Errorf("transport: got %v, want %s", err, tc.want)
		}
	}
}
