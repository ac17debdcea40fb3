package interop

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"port-agent/agent/port/porttest"
)

const proxyPassword = "canary-proxy-password"

// startSquid starts squid with a login. It finds backend.test here, which
// nobody else does.
func startSquid(t *testing.T) (port int) {
	t.Helper()
	// Started by root, squid goes on as a user of its own, who has to reach its
	// files: the folder for temporary files may be root's alone.
	dir, err := os.MkdirTemp("/tmp", "squid")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	port = freePort(t)
	hash, err := exec.Command("openssl", "passwd", "-apr1", proxyPassword).Output()
	if err != nil {
		t.Fatal(err)
	}
	config := strings.NewReplacer("DIR", dir, "PORT", fmt.Sprint(port),
		"USERS", write(t, dir, "users", "port:"+string(hash), 0o644), "HOSTS", write(t, dir, "hosts", "127.0.0.1 backend.test\n", 0o644)).Replace(`
http_port 127.0.0.1:PORT
auth_param basic program /usr/lib/squid/basic_ncsa_auth USERS
auth_param basic realm proxy
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
hosts_file HOSTS
cache deny all
access_log stdio:DIR/access.log
cache_log DIR/cache.log
pid_filename DIR/squid.pid
coredump_dir DIR
shutdown_lifetime 1 seconds
`)
	log := &output{}
	// A name of its own, for it keeps shared memory under its name.
	name := fmt.Sprintf("interop%d", port)
	t.Cleanup(func() {
		left, _ := filepath.Glob("/dev/shm/" + name + "-*")
		for _, file := range left {
			_ = os.Remove(file)
		}
	})
	server := exec.Command("squid", "-N", "-n", name, "-f", write(t, dir, "squid.conf", config, 0o644))
	server.Stdout, server.Stderr = log, log
	background(t, server)
	reachable(t, port, log)
	return port
}

// TestSquid goes through a proxy that wants a login, by plain HTTP and through
// CONNECT to TLS, and is turned away with a wrong password.
func TestSquid(t *testing.T) {
	port := startSquid(t)
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get("Proxy-Authorization") != "" {
			t.Error("the proxy's login reached the backend")
		}
		fmt.Fprintf(w, `{"via": %q, "bytes": %d}`, r.Header.Get("Via"), len(body))
	})
	plain := httptest.NewServer(echo)
	t.Cleanup(plain.Close)
	ca, secured := tlsServer(t, "backend.test", echo)
	url := func(s *httptest.Server, scheme string) string {
		return fmt.Sprintf(`%q`, scheme+"://backend.test:"+s.URL[strings.LastIndex(s.URL, ":")+1:]+"/hook")
	}
	rules := []map[string]any{
		{"enabled": `.action == "plain"`, "url": url(plain, "http")},
		{"enabled": `.action == "secured"`, "url": url(secured, "https")},
	}
	proxy := func(password string) []string {
		p := fmt.Sprintf("http://port:%s@127.0.0.1:%d", password, port)
		return []string{"HTTP_PROXY=" + p, "HTTPS_PROXY=" + p, "NO_PROXY=127.0.0.1", "SSL_CERT_FILE=" + ca, "RETRY_MAX_ATTEMPTS=1"}
	}
	w := start(t, rules, proxy(proxyPassword)...)
	for action, via := range map[string]bool{"plain": true, "secured": false} {
		run := w.run(porttest.Event{Run: "r_" + action, Action: action, Synchronized: true})
		if run.Status != "SUCCESS" || strings.Contains(string(run.Response), "squid") != via {
			t.Errorf("%s: %s, response %s, log %q", action, run.Status, run.Response, run.Messages())
		}
	}
	w.noSecret("canary")

	w = start(t, rules, proxy("canary-wrong-password")...)
	for _, action := range []string{"plain", "secured"} {
		run := w.run(porttest.Event{Run: "r_" + action, Action: action, Synchronized: true})
		if run.Status != "FAILURE" || !strings.Contains(run.Summary, "407") && !strings.Contains(run.Summary, "Proxy Authentication Required") {
			t.Errorf("%s with a wrong password: %s, summary %q", action, run.Status, run.Summary)
		}
	}
	w.noSecret("canary")
}
