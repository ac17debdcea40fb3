package invoker

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// What is written when a TLS connection is closed is no part of a request.
func TestMeteredConn(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	cert, key := a.leaf(t, "backend.test")
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, MaxVersion: version})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, c)
				c.Close()
			}
		}()
		for _, data := range []string{"", "GET"} {
			raw, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			conn := tls.Client(&meteredConn{Conn: raw}, &tls.Config{RootCAs: roots, ServerName: "backend.test"})
			if err := conn.Handshake(); err != nil {
				t.Fatal(err)
			}
			m := metered(conn)
			before := m.written.Load()
			if data != "" {
				_, _ = io.WriteString(conn, data)
			}
			conn.Close()
			if got, want := m.written.Load() != before, data != ""; got != want {
				t.Errorf("%s, %q: written: got %t, want %t", tls.VersionName(version), data, got, want)
			}
		}
		l.Close()
		<-done
	}
	if got := metered(&net.TCPConn{}); got != nil {
		t.Errorf("a connection of somebody else: got %v", got)
	}
}

// Backends are spoken to in HTTP/1.1 whatever else they offer.
func TestProtocols(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	cfg := testConfig()
	cfg.VerifySSL = false
	i := newInvoker(t, cfg, testDeps())
	res, err := i.Do(t.Context(), build(t, i, hook(t, s.URL)))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(res.Body), "HTTP/1.1"; got != want {
		t.Errorf("backend: got %s, want %s", got, want)
	}
	way, err := Transport(cfg, env(nil))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(way.CloseIdleConnections)
	way.TLSClientConfig.RootCAs = x509.NewCertPool()
	way.TLSClientConfig.RootCAs.AddCert(s.Certificate())
	answer, err := way.RoundTrip(httptest.NewRequest(http.MethodGet, s.URL, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if got, want := answer.Proto, "HTTP/2.0"; got != want {
		t.Errorf("Port: got %s, want %s", got, want)
	}
}
