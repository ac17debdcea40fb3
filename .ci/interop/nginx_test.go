package interop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"port-agent/agent/port/porttest"
)

// authority makes a private certificate authority and a certificate of it for
// host; both as PEM texts.
func authority(t *testing.T, host string) (ca, cert, key string) {
	t.Helper()
	newKey := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	root := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "private authority"}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, NotBefore: root.NotBefore, NotAfter: root.NotAfter}
	rootKey, leafKey := newKey(), newKey()
	text := func(kind string, der []byte, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	der, err := x509.CreateCertificate(rand.Reader, root, root, rootKey.Public(), rootKey)
	ca = text("CERTIFICATE", der, err)
	der, err = x509.CreateCertificate(rand.Reader, leaf, root, leafKey.Public(), rootKey)
	cert = text("CERTIFICATE", der, err)
	der, err = x509.MarshalPKCS8PrivateKey(leafKey)
	return ca, cert, text("PRIVATE KEY", der, err)
}

// tlsServer serves h under a certificate of a private authority, whose file it
// names.
func tlsServer(t *testing.T, host string, h http.Handler) (ca string, s *httptest.Server) {
	t.Helper()
	root, cert, key := authority(t, host)
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	s = httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return write(t, t.TempDir(), "ca.pem", root, 0o600), s
}

// TestNginx has nginx in front of a backend: TLS of a private authority, packed
// answers, connections that it closes after 10 requests and after a second of
// idleness. No run is lost or sent twice for it.
func TestNginx(t *testing.T) {
	const runs = 200
	var mu sync.Mutex
	hits := map[string]int{}
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		hits[r.Header.Get("X-Port-Run-Id")]++
		mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"text": %q}`, strings.Repeat("long enough to be packed ", 200))
	}))
	t.Cleanup(backend.Close)

	dir, port := t.TempDir(), freePort(t)
	ca, cert, key := authority(t, "localhost")
	config := strings.NewReplacer("DIR", dir, "PORT", fmt.Sprint(port), "BACKEND", strings.TrimPrefix(backend.URL, "http://"),
		"CERT", write(t, dir, "cert.pem", cert, 0o600), "KEY", write(t, dir, "key.pem", key, 0o600)).Replace(`
daemon off;
pid DIR/nginx.pid;
error_log stderr;
events {}
http {
  client_body_temp_path DIR; proxy_temp_path DIR; fastcgi_temp_path DIR; uwsgi_temp_path DIR; scgi_temp_path DIR;
  log_format connections '$connection $connection_requests $sent_http_content_encoding';
  access_log DIR/access.log connections;
  gzip on; gzip_types application/json; gzip_min_length 100;
  keepalive_timeout 1s; keepalive_requests 10;
  server {
    listen 127.0.0.1:PORT ssl;
    ssl_certificate CERT; ssl_certificate_key KEY;
    location / { proxy_pass http://BACKEND; }
  }
}
`)
	log := &output{}
	server := exec.Command("nginx", "-p", dir, "-e", "stderr", "-c", write(t, dir, "nginx.conf", config, 0o600))
	server.Stdout, server.Stderr = log, log
	background(t, server)
	reachable(t, port, log)

	w := start(t, []map[string]any{{"url": fmt.Sprintf(`"https://localhost:%d/hook"`, port)}},
		"SSL_CERT_FILE="+write(t, dir, "ca.pem", ca, 0o600), "MAX_IN_FLIGHT_PER_HOST=4")
	var events []porttest.Event
	for i := range runs {
		events = append(events, porttest.Event{Run: fmt.Sprintf("r_%d", i), Entity: fmt.Sprintf("e%d", i), Synchronized: true})
	}
	check := func(events []porttest.Event) {
		t.Helper()
		w.publish(events...)
		for _, e := range events {
			if run := w.wait(e.Run); run.Status != "SUCCESS" || !strings.Contains(string(run.Response), "long enough to be packed") {
				t.Errorf("%s: %s, summary %q, response of %d bytes", run.ID, run.Status, run.Summary, len(run.Response))
			}
		}
	}
	check(events[:runs-3])
	for _, e := range events[runs-3:] { // each meets a connection that nginx is about to close, or has closed
		time.Sleep(time.Second) // the idle time of nginx, in real time
		check([]porttest.Event{e})
	}
	mu.Lock()
	defer mu.Unlock()
	for _, e := range events {
		if hits[e.Run] != 1 {
			t.Errorf("run %s reached the backend %d times, want once", e.Run, hits[e.Run])
		}
	}
	connections, packed := accessLog(t, dir)
	for range 50 { // nginx writes the line of an answer after the answer
		if packed >= runs {
			break
		}
		time.Sleep(100 * time.Millisecond)
		connections, packed = accessLog(t, dir)
	}
	if packed < runs {
		t.Errorf("%d of %d answers were packed", packed, runs)
	}
	if connections >= runs || connections < runs/10 {
		t.Errorf("%d requests went over %d connections, want several on each", runs, connections)
	}
}

// accessLog counts the connections that nginx had and the answers that it packed.
func accessLog(t *testing.T, dir string) (connections, packed int) {
	t.Helper()
	out, err := os.ReadFile(filepath.Join(dir, "access.log"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) != 3 {
			continue
		}
		seen[f[0]] = true
		if f[2] == "gzip" {
			packed++
		}
	}
	return len(seen), packed
}
