package requests

import (
	"bufio"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"port-agent/invoker/wire"
)

// signer issues certificates.
type signer struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func key(t *testing.T, kind string) crypto.Signer {
	t.Helper()
	var k crypto.Signer
	var err error
	switch kind {
	case "rsa1024":
		k, err = rsa.GenerateKey(rand.Reader, 1024)
	case "rsa":
		k, err = rsa.GenerateKey(rand.Reader, 2048)
	case "p521":
		k, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "ed25519":
		_, k, err = ed25519.GenerateKey(rand.Reader)
	default:
		k, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// issue signs a certificate for 127.0.0.1 as change leaves it; by nil: by itself.
func issue(t *testing.T, by *signer, k crypto.Signer, change func(*x509.Certificate)) *signer {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "127.0.0.1"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
	if change != nil {
		change(c)
	}
	parent, parentKey := c, k
	if by != nil {
		parent, parentKey = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, k.Public(), parentKey)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return &signer{c, k}
}

func (s *signer) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.cert.Raw})
}

func (s *signer) pair() tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{s.cert.Raw}, PrivateKey: s.key}
}

func asAuthority(c *x509.Certificate) {
	c.Subject.CommonName, c.IsCA, c.BasicConstraintsValid = "authority", true, true
	c.KeyUsage, c.ExtKeyUsage, c.IPAddresses = x509.KeyUsageCertSign|x509.KeyUsageCRLSign, nil, nil
	c.SubjectKeyId = []byte{1, 2, 3, 4}
}

func compareTLS(t *testing.T, py *python, d *differences) {
	root := issue(t, nil, key(t, "rsa"), asAuthority)
	dir := t.TempDir()
	bundle := filepath.Join(dir, "root.pem")
	if err := os.WriteFile(bundle, root.pem(), 0o600); err != nil {
		t.Fatal(err)
	}
	try := func(name, address string, verify bool) {
		c := testCase{Name: "tls " + name, Method: "GET", URL: "https://" + address + "/", Verify: bundle}
		if !verify {
			c.Verify = false
		}
		theirs := py.send(t, c)
		for _, legacy := range []bool{false, true} {
			if legacy && theirs.Outcome == "failed" {
				continue
			}
			cfg := wire.Config{CADir: dir, VerifySSL: verify}
			if legacy {
				cfg.TLSLegacyHosts = []string{"127.0.0.1"}
			}
			ours := sendAgent(newAgent(t, cfg), c)
			field := map[bool]string{false: "outcome", true: "with TLS_LEGACY_HOSTS"}[legacy]
			d.compare(c.Name, map[string]string{field: theirs.Outcome}, map[string]string{field: ours.Outcome}, nil, theirs.Detail, ours.Detail)
		}
	}
	for _, s := range tlsServers(t, root) {
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.TLS = s.config
		server.StartTLS()
		try(s.name, server.Listener.Addr().String(), !s.unverified)
		server.Close()
	}
	leaf := issue(t, root, key(t, "rsa"), nil)
	files := writePair(t, leaf)
	for name, args := range map[string][]string{
		"DHE":         {"-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256", "-www"},
		"DHE or RSA":  {"-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256:AES128-GCM-SHA256", "-www"},
		"renegotiate": {"-tls1_2"},
		"ChaCha":      {"-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256", "-www"},
		"P-521 alone": {"-tls1_3", "-groups", "P-521", "-www"},
		"ffdhe alone": {"-tls1_3", "-groups", "ffdhe2048", "-www"},
		"X448 alone":  {"-tls1_3", "-groups", "X448", "-www"},
	} {
		try("openssl "+name, openssl(t, append(args, files...)), true)
	}
}

func writePair(t *testing.T, s *signer) []string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(s.key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, private := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if err := os.WriteFile(cert, s.pem(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(private, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"-cert", cert, "-key", private}
}

// openssl starts a server and returns its address. Without -www it asks for a
// new handshake in the middle of each request, and answers behind it.
func openssl(t *testing.T, args []string) string {
	t.Helper()
	cmd := exec.Command("openssl", append([]string{"s_server", "-accept", "127.0.0.1:0"}, args...)...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("openssl: %v", err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	address := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			l := lines.Text()
			if a, ok := strings.CutPrefix(l, "ACCEPT "); ok {
				select {
				case address <- a:
				default:
				}
			}
			if strings.HasPrefix(l, "GET ") {
				_, _ = io.WriteString(in, "R\n")
				time.AfterFunc(300*time.Millisecond, func() {
					_, _ = io.WriteString(in, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok\n")
				})
			}
		}
	}()
	select {
	case a := <-address:
		return a
	case <-time.After(10 * time.Second):
		t.Fatal("openssl does not say where it listens")
		return ""
	}
}

type tlsServer struct {
	name       string
	config     *tls.Config
	unverified bool // the clients do not verify
}

func tlsServers(t *testing.T, root *signer) []tlsServer {
	leaf := issue(t, root, key(t, "rsa"), nil)
	with := func(change func(*tls.Config)) *tls.Config {
		c := &tls.Config{Certificates: []tls.Certificate{leaf.pair()}, MinVersion: tls.VersionTLS10}
		change(c)
		return c
	}
	cert := func(kind string, change func(*x509.Certificate)) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{issue(t, root, key(t, kind), change).pair()}}
	}
	middle := issue(t, root, key(t, ""), func(c *x509.Certificate) { asAuthority(c); c.Subject.CommonName = "middle"; c.SubjectKeyId = []byte{9} })
	all := []tlsServer{
		{name: "1.3", config: with(func(c *tls.Config) { c.MinVersion = tls.VersionTLS13 })},
		{name: "1.2", config: with(func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 })},
		{name: "1.1", config: with(func(c *tls.Config) { c.MaxVersion = tls.VersionTLS11 })},
		{name: "1.0", config: with(func(c *tls.Config) { c.MaxVersion = tls.VersionTLS10 })},
		{name: "no tickets", config: with(func(c *tls.Config) { c.SessionTicketsDisabled = true })},
		{name: "h2 and http/1.1", config: with(func(c *tls.Config) { c.NextProtos = []string{"h2", "http/1.1"} })},
		{name: "asks for a certificate", config: with(func(c *tls.Config) { c.ClientAuth = tls.RequestClientCert })},
		{name: "needs a certificate", config: with(func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert; c.MaxVersion = tls.VersionTLS12 })},
		{name: "P-256 alone", config: with(func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.CurveP256} })},
		{name: "P-384 alone, 1.2", config: with(func(c *tls.Config) {
			c.CurvePreferences = []tls.CurveID{tls.CurveP384}
			c.MaxVersion = tls.VersionTLS12
		})},
		{name: "certificate ECDSA", config: cert("", nil)},
		{name: "certificate P-521", config: cert("p521", nil)},
		{name: "certificate Ed25519", config: cert("ed25519", nil)},
		{name: "certificate RSA 1024", config: cert("rsa1024", nil)},
		{name: "certificate expired", config: cert("", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })},
		{name: "certificate expired, unverified", unverified: true, config: cert("", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })},
		{name: "certificate not yet valid", config: cert("", func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) })},
		{name: "certificate of another host", config: cert("", func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 2)} })},
		{name: "certificate with a common name alone", config: cert("", func(c *x509.Certificate) { c.IPAddresses = nil })},
		{name: "certificate with the address as a name", config: cert("", func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"127.0.0.1"} })},
		{name: "certificate without usages", config: cert("", func(c *x509.Certificate) { c.ExtKeyUsage, c.KeyUsage = nil, 0 })},
		{name: "certificate for clients", config: cert("", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })},
		{name: "certificate of nobody", config: &tls.Config{Certificates: []tls.Certificate{issue(t, nil, key(t, ""), nil).pair()}}},
		{name: "certificate of nobody, unverified", unverified: true, config: &tls.Config{Certificates: []tls.Certificate{issue(t, nil, key(t, ""), nil).pair()}}},
		{name: "certificate without the middle", config: &tls.Config{Certificates: []tls.Certificate{issue(t, middle, key(t, ""), nil).pair()}}},
	}
	full := issue(t, middle, key(t, ""), nil).pair()
	full.Certificate = append(full.Certificate, middle.cert.Raw)
	all = append(all, tlsServer{name: "certificate with the middle", config: &tls.Config{Certificates: []tls.Certificate{full}}})
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if strings.Contains(suite.Name, "ECDSA") || len(suite.SupportedVersions) == 1 && suite.SupportedVersions[0] == tls.VersionTLS13 {
			continue
		}
		all = append(all, tlsServer{name: "cipher " + strings.TrimPrefix(suite.Name, "TLS_"), config: with(func(c *tls.Config) {
			c.CipherSuites, c.MaxVersion = []uint16{suite.ID}, tls.VersionTLS12
		})})
	}
	return all
}
