package wire

import (
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// Backends are spoken to in HTTP/1.1 whatever else they offer.
func TestProtocols(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	cfg := verified
	cfg.VerifySSL = false
	c := newClient(t, cfg, nil)
	res, err := do(t, c, post(t, s.URL))
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
