package wire

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"port-agent/invoker/wire/wiretest"
)

// authority is a certificate authority of a test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := new(authority)
	a.cert, a.key, a.pem = issue(t, nil, &x509.Certificate{
		Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	return a
}

func issue(t *testing.T, by *authority, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := template, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// leaf issues a certificate for servers and clients, as PEM.
func (a *authority) leaf(t *testing.T, names ...string) (cert, key []byte) {
	t.Helper()
	_, private, cert := issue(t, a, &x509.Certificate{
		Subject: pkix.Name{CommonName: names[0]}, DNSNames: names, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return cert, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// pair issues a certificate for backend.test and 127.0.0.1.
func (a *authority) pair(t *testing.T) tls.Certificate {
	t.Helper()
	cert, key := a.leaf(t, "backend.test")
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// serveTLS starts a stand-in with a certificate of the authority.
func (a *authority) serveTLS(t *testing.T, config *tls.Config) *wiretest.StandIn {
	t.Helper()
	config.Certificates = []tls.Certificate{a.pair(t)}
	s := new(wiretest.StandIn)
	s.Server = httptest.NewUnstartedServer(s.Record(nil))
	s.TLS = config
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestPrivateAuthority(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	s := a.serveTLS(t, new(tls.Config))
	dir := t.TempDir()
	cfg := verified
	cfg.CADir = dir

	try := func(cfg Config, vars map[string]string) error {
		_, err := do(t, newClient(t, cfg, vars), post(t, s.URL+"/hook"))
		return err
	}
	err := try(cfg, nil)
	want := "POST " + s.URL + "/hook: certificate not trusted: x509: certificate signed by unknown authority"
	if err == nil || err.Error() != want {
		t.Errorf("without the authority: got %v, want %s", err, want)
	}
	if e := fault(t, err); !e.Final || e.Sent {
		t.Errorf("got final %t, sent %t, want true, false", e.Final, e.Sent)
	}
	write(t, filepath.Join(dir, "notes.txt"), []byte("no certificate"))
	for _, name := range []string{"ca.crt", "ca.pem"} {
		file := filepath.Join(dir, name)
		write(t, file, bytes.Join([][]byte{[]byte("# ours\n"), newAuthority(t).pem, a.pem}, nil))
		if err := try(cfg, nil); err != nil {
			t.Errorf("with %s: got %v", name, err)
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(t.TempDir(), "bundle")
	write(t, file, a.pem)
	for _, setting := range bundleSettings {
		if err := try(cfg, map[string]string{setting: file}); err != nil {
			t.Errorf("with %s: got %v", setting, err)
		}
	}
	cfg.VerifySSL = false
	c := newClient(t, cfg, nil)
	call := post(t, s.URL+"/hook")
	if _, err := do(t, c, call); err != nil {
		t.Errorf("without the check: got %v", err)
	}
	call.Verify = true
	if _, err := do(t, c, call); err == nil || err.Error() != want {
		t.Errorf("a call that is checked all the same: got %v, want %s", err, want)
	}
	transport, err := Transport(cfg, env(map[string]string{bundleSettings[0]: file}))
	if err != nil {
		t.Fatal(err)
	}
	defer transport.CloseIdleConnections()
	if transport.TLSClientConfig.InsecureSkipVerify {
		t.Error("the check was switched off")
	}
	res, err := transport.RoundTrip(httptest.NewRequest(http.MethodGet, s.URL, nil))
	if err != nil {
		t.Fatalf("transport: %v", err)
	}
	res.Body.Close()
}

func TestWrongName(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	s := a.serveTLS(t, new(tls.Config))
	cfg := verified
	cfg.CADir = t.TempDir()
	write(t, filepath.Join(cfg.CADir, "ca.crt"), a.pem)
	c := newClient(t, cfg, nil)
	c.dialer.Resolver = resolver(t, map[string]string{"backend.test": "127.0.0.1", "other.test": "127.0.0.1"})
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	if _, err := do(t, c, post(t, "https://backend.test:"+port)); err != nil {
		t.Error(err)
	}
	_, err := do(t, c, post(t, "https://other.test:"+port))
	want := "POST https://other.test:" + port + ": certificate not trusted: x509: certificate is valid for backend.test, not other.test"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestClientCertificate(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name      string
		cert, key string
		version   uint16
	}{
		{"two files", "backend.test.crt", "backend.test.key", tls.VersionTLS13},
		{"a folder", "backend.test/tls.crt", "backend.test/tls.key", tls.VersionTLS12},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			a := newAuthority(t)
			clients := x509.NewCertPool()
			clients.AddCert(a.cert)
			s := a.serveTLS(t, &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients, MaxVersion: tc.version})
			cfg := verified
			cfg.CADir, cfg.ClientCertDir = t.TempDir(), t.TempDir()
			write(t, filepath.Join(cfg.CADir, "ca.crt"), a.pem)
			cert, key := a.leaf(t, "agent")
			write(t, filepath.Join(cfg.ClientCertDir, tc.cert), cert)
			write(t, filepath.Join(cfg.ClientCertDir, tc.key), key)
			c := newClient(t, cfg, nil)
			c.dialer.Resolver = resolver(t, map[string]string{"backend.test": "127.0.0.1"})
			_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
			if _, err := do(t, c, post(t, "https://Backend.test:"+port)); err != nil {
				t.Error(err)
			}
			// The same server under a name that has no certificate. In TLS 1.3
			// the alert may be lost behind a connection reset.
			_, err := do(t, c, post(t, "https://127.0.0.1:"+port))
			if err == nil {
				t.Fatal("accepted without a certificate")
			}
			e := fault(t, err)
			if strings.Contains(err.Error(), "the server refused the client certificate") != e.Final || e.Final && e.Sent {
				t.Errorf("got %v, final %t, sent %t", err, e.Final, e.Sent)
			}
		})
	}
}

func TestRenewedClientCertificate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := newAuthority(t)
	var serials []string
	for range 2 {
		cert, key := a.leaf(t, "agent")
		write(t, filepath.Join(dir, "h.crt"), cert)
		write(t, filepath.Join(dir, "h.key"), key)
		pairs, err := clientCertificates(dir)
		if err != nil {
			t.Fatal(err)
		}
		loaded, err := pairs["h"].load(nil)
		if err != nil {
			t.Fatal(err)
		}
		serials = append(serials, loaded.Leaf.SerialNumber.String())
	}
	if serials[0] == serials[1] {
		t.Error("the renewed certificate was not read")
	}
}

func TestBadCertificateFiles(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	cert, key := a.leaf(t, "agent")
	broken := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("xx")})
	for _, tc := range []struct {
		name  string
		files map[string][]byte
		ca    bool
		want  string // after the folder
	}{
		{"no certificate", map[string][]byte{"a.crt": []byte("hello")}, true, "/a.crt holds no certificate in PEM form that can be read"},
		{"a key", map[string][]byte{"a.pem": key}, true, "/a.pem holds no certificate in PEM form that can be read"},
		{"empty", map[string][]byte{"a.pem": nil}, true, "/a.pem holds no certificate in PEM form that can be read"},
		{"broken", map[string][]byte{"a.pem": broken}, true, "/a.pem holds no certificate in PEM form that can be read"},
		{"no key", map[string][]byte{"h.crt": cert}, false, "/h.crt"},
		{"no certificate to a key", map[string][]byte{"h.key": key}, false, "/h.crt"},
		{"a folder without", map[string][]byte{"g.crt": cert, "g.key": key, "h/readme": nil}, false, "/h/tls.crt"},
		{"a hidden file", map[string][]byte{".h.crt": cert}, false, " holds neither HOST.crt"},
		{"nothing", map[string][]byte{"readme": nil}, false, " holds neither HOST.crt with HOST.key nor HOST/tls.crt with HOST/tls.key"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for name, data := range tc.files {
				write(t, filepath.Join(dir, name), data)
			}
			cfg := verified
			if tc.ca {
				cfg.CADir = dir
			} else {
				cfg.ClientCertDir = dir
			}
			_, err := New(cfg, env(nil))
			if err == nil || !strings.Contains(err.Error(), dir+tc.want) {
				t.Errorf("got %v, want %s", err, dir+tc.want)
			}
		})
	}
	for _, setting := range bundleSettings {
		if _, err := New(verified, env(map[string]string{setting: "/nonexistent"})); err == nil || !strings.HasPrefix(err.Error(), setting+": ") {
			t.Errorf("a file that is not there: got %v, want %s", err, setting)
		}
	}
	for _, set := range []func(*Config){
		func(c *Config) { c.CADir = "/nonexistent" },
		func(c *Config) { c.ClientCertDir = "/nonexistent" },
	} {
		cfg := verified
		set(&cfg)
		if _, err := New(cfg, env(nil)); err == nil || !strings.Contains(err.Error(), "_DIR: ") {
			t.Errorf("a folder that is not there: got %v", err)
		}
	}
}

// Servers of long ago are reached where TLS_LEGACY_HOSTS names them, and
// nowhere else.
func TestLegacyHosts(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	caDir := t.TempDir()
	write(t, filepath.Join(caDir, "ca.crt"), a.pem)
	for _, tc := range []struct {
		name   string
		server *tls.Config
	}{
		{"TLS 1.0", &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}},
		{"TLS 1.1", &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}},
		{"weak cipher", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256}}},
	} {
		for _, hosts := range [][]string{{"127.0.0.1"}, {"*.test", "127.0.0.0/8"}, {"other.test"}, nil} {
			t.Run(fmt.Sprintf("%s %v", tc.name, hosts), func(t *testing.T) {
				t.Parallel()
				server := tc.server.Clone()
				s := a.serveTLS(t, server)
				cfg := verified
				cfg.CADir, cfg.TLSLegacyHosts = caDir, hosts
				c := newClient(t, cfg, nil)
				_, err := do(t, c, post(t, s.URL))
				if got, want := err == nil, len(hosts) > 0 && hosts[0] != "other.test"; got != want {
					t.Errorf("got %v, want reached %t", err, want)
				}
				if err != nil && (fault(t, err).Sent || !strings.Contains(err.Error(), "TLS_LEGACY_HOSTS")) {
					t.Errorf("got %v, sent %t", err, fault(t, err).Sent)
				}
			})
		}
	}
}
