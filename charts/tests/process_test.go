package tests

import (
	"bufio"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestRenderedContainer starts the agent with exactly the environment and the
// files of the rendered pod.
func TestRenderedContainer(t *testing.T) {
	t.Parallel()
	image := buildImage(t)
	t.Run("works in the sandbox", func(t *testing.T) {
		t.Parallel()
		testSandbox(t, image)
	})
	t.Run("works when polling", func(t *testing.T) {
		t.Parallel()
		testPolling(t, image)
	})
	t.Run("refuses a mapping that does not compile", func(t *testing.T) {
		t.Parallel()
		testRefusal(t, image, "invocations", "/etc/port-agent/mapping/invocations.json")
	})
	t.Run("refuses it under the old name", func(t *testing.T) {
		t.Parallel()
		testRefusal(t, image, "controlThePayloadConfig", "/etc/port-agent/mapping/control_the_payload_config.json")
	})
}

// testPolling follows one run from Port to a backend with a private certificate
// and back: credentials and token from the Secret, the mapping from the
// ConfigMap, the certificate from its own Secret.
func testPolling(t *testing.T, image fs.FS) {
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	requests := make(chan *http.Request, 10)
	backend := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		requests <- r
		writeJSON(w, map[string]any{"job": 42})
	}))
	t.Cleanup(backend.Close)
	port := newPortAPI(t, backend.URL)

	c := newContainer(t, objects(t, map[string]any{
		"http": map[string]any{"port": freePort(t)},
		"env": map[string]any{
			"normal": map[string]any{"STREAMER_NAME": "POLLING", "PORT_API_BASE_URL": port.URL, "POLLING_INTERVAL_SECONDS": 1, "DETAILED_LOGGING": true},
			"secret": map[string]any{"PORT_CLIENT_ID": "id", "PORT_CLIENT_SECRET": "canary-secret", "CI_TOKEN": "canary-ci"},
		},
		"selfSignedCertificate": map[string]any{
			"enabled":     true,
			"certificate": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: backend.Certificate().Raw})),
		},
		"invocations": []any{map[string]any{
			"enabled": `.action == "deploy"`,
			"url":     `"` + backend.URL + `/deploy"`,
			"headers": map[string]any{"Authorization": `"Bearer " + env.CI_TOKEN`},
			"body":    map[string]any{"service": ".payload.properties.service", "big": 12345678901},
			"report":  map[string]any{"link": `"https://ci.example.com/" + (.response.json.job | tostring)`},
		}},
	}))
	p := start(t, image, c)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of the agent:\n%s", p.log)
		}
	})

	for _, name := range []string{"startup", "liveness", "readiness"} {
		if err := p.ask(ctx, c.probes[name].HTTPGet.Path); err != nil {
			t.Fatalf("%s probe: %v", name, err)
		}
	}
	if err := p.ask(ctx, "/metrics"); err != nil {
		t.Errorf("metrics: %v", err)
	}

	select {
	case r := <-requests:
		body, _ := io.ReadAll(r.Body)
		if got, want := string(body), `{"big":12345678901,"service":"checkout"}`; r.URL.Path != "/deploy" || got != want {
			t.Errorf("got %s with %s, want /deploy with %s", r.URL.Path, got, want)
		}
		if got := r.Header.Get("Authorization"); got != "Bearer canary-ci" {
			t.Errorf("got authorization %q", got)
		}
		if got := r.Header.Get("User-Agent"); got != "port-agent/1.2.3-test" {
			t.Errorf("got user agent %q", got)
		}
	case <-ctx.Done():
		t.Fatal("the backend was not called")
	}
	told := map[string]any{}
	for told["status"] == nil {
		select {
		case got := <-port.ended:
			maps.Copy(told, got)
		case <-ctx.Done():
			t.Fatal("Port was not told how the run ended")
		}
	}
	if told["status"] != "SUCCESS" || told["link"] != "https://ci.example.com/42" {
		t.Errorf("got report %v", told)
	}

	stopped := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		t.Fatal("the agent did not stop")
	}
	if p.err != nil || time.Since(stopped) > c.grace {
		t.Errorf("the agent stopped after %v with %v, want exit code 0 within the grace period", time.Since(stopped), p.err)
	}
	checkLog(t, p.log.String())
	for len(port.texts) > 0 {
		if text := <-port.texts; strings.Contains(text, "canary") {
			t.Errorf("a secret went to Port: %s", text)
		}
	}
}

// checkLog holds the log to one JSON object a line, without a secret.
func checkLog(t *testing.T, log string) {
	t.Helper()
	if strings.Contains(log, "canary") {
		t.Error("a secret is in the log")
	}
	lines := bufio.NewScanner(strings.NewReader(log))
	n := 0
	for ; lines.Scan(); n++ {
		var line struct{ Level, Message string }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil || line.Level == "" || line.Message == "" {
			t.Errorf("log line %q: %v", lines.Text(), err)
		}
	}
	if n < 3 {
		t.Errorf("got %d lines of log:\n%s", n, log)
	}
}

// testRefusal starts the agent with a mapping that only its compiler can
// judge: the pod must end at once and say where the fault is.
func testRefusal(t *testing.T, image fs.FS, value, file string) {
	c := newContainer(t, objects(t, map[string]any{
		"http": map[string]any{"port": freePort(t)},
		value:  `[{"name": "first"}, {"name": "broken", "url": ".a | | .b"}]`,
	}, credentials))
	p := start(t, image, c)
	select {
	case <-p.done:
	case <-time.After(30 * time.Second):
		t.Fatalf("the agent runs with a mapping that does not compile:\n%s", p.log)
	}
	var exit *exec.ExitError
	if !errors.As(p.err, &exit) || exit.ExitCode() != 2 {
		t.Errorf("got %v, want exit code 2", p.err)
	}
	for _, want := range []string{file, "broken", "url"} {
		if !strings.Contains(p.log.String(), want) {
			t.Errorf("the log does not name %q:\n%s", want, p.log)
		}
	}
}
