package tests

import (
	"bufio"
	"context"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sandbox is a running `sandbox -serve`: Kafka, Port's API and backends.
type sandbox struct {
	program string
	env     map[string]string // that points an agent at it
	brokers string
	backend string // one that accepts everything
	lines   chan string
}

var (
	exportLine  = regexp.MustCompile(`^export (\w+)=(.*)$`)
	brokersLine = regexp.MustCompile(` -brokers (\S+) -publish `)
	backendLine = regexp.MustCompile(`^Backends: (\S+/ok),`)
)

// startSandbox builds and starts it, and returns once it has said where it is.
func startSandbox(ctx context.Context, t *testing.T) *sandbox {
	t.Helper()
	s := &sandbox{program: filepath.Join(t.TempDir(), "sandbox"), env: map[string]string{}, lines: make(chan string, 100)}
	build := exec.CommandContext(ctx, "go", "build", "-o", s.program, "./cmd/sandbox")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the sandbox: %v\n%s", err, out)
	}
	cmd := exec.Command(s.program, "-serve")
	cmd.Stderr = t.Output()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go s.read(stdout)
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		for range s.lines { // until the pipe ends, which Wait closes
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("the sandbox ended with %v", err)
		}
	})
	for s.backend == "" {
		line := s.next(ctx, t, "")
		if m := exportLine.FindStringSubmatch(line); m != nil {
			s.env[m[1]] = m[2]
		}
		if m := brokersLine.FindStringSubmatch(line); m != nil {
			s.brokers = m[1]
		}
		if m := backendLine.FindStringSubmatch(line); m != nil {
			s.backend = m[1]
		}
	}
	return s
}

func (s *sandbox) read(out io.Reader) {
	defer close(s.lines)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		s.lines <- lines.Text()
	}
}

// next waits for a line of the sandbox that holds text.
func (s *sandbox) next(ctx context.Context, t *testing.T, text string) string {
	t.Helper()
	for {
		select {
		case line, ok := <-s.lines:
			if !ok {
				t.Fatalf("the sandbox ended before it said %q", text)
			}
			if strings.Contains(line, text) {
				return line
			}
		case <-ctx.Done():
			t.Fatalf("the sandbox did not say %q: %v", text, context.Cause(ctx))
		}
	}
}

// publish signs an event and appends it to the runs topic.
func (s *sandbox) publish(ctx context.Context, t *testing.T, event string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "event.json")
	if err := os.WriteFile(file, []byte(event), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(ctx, s.program, "-brokers", s.brokers, "-publish", file).CombinedOutput()
	if err != nil {
		t.Fatalf("publish: %v\n%s", err, out)
	}
}

// testSandbox takes one run from Kafka to a backend and back to Port. The
// values are what the sandbox says of itself, put where a user puts them.
func testSandbox(t *testing.T, image fs.FS) {
	ctx, cancel := context.WithTimeout(t.Context(), 120*time.Second)
	defer cancel()
	s := startSandbox(ctx, t)
	normal := map[string]any{"CI_HOST": "ci.example.com"}
	secret := map[string]any{}
	for name, value := range s.env {
		switch name {
		case "INVOCATIONS_PATH", "HTTP_ADDR", "STATUS_ADDR": // the chart's own business
		case "PORT_CLIENT_ID", "PORT_CLIENT_SECRET":
			secret[name] = value
		default:
			normal[name] = value
		}
	}
	p := start(t, image, newContainer(t, objects(t, map[string]any{
		"http": map[string]any{"port": freePort(t)},
		"env":  map[string]any{"normal": normal, "secret": secret},
		"invocations": `[{
			"name": "rendered",
			"enabled": ".action == \"deploy\"",
			"body": {"service": ".payload.properties.service"},
			"report": {"link": "\"https://\" + env.CI_HOST + \"/\" + .request.body.service"}
		}]`,
	})))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of the agent:\n%s", p.log)
		}
	})
	if err := p.ask(ctx, "/readyz"); err != nil {
		t.Fatalf("readiness probe: %v", err)
	}
	s.publish(ctx, t, `{
		"action": "deploy", "resourceType": "run", "status": "TRIGGERED",
		"context": {"runId": "r_async"},
		"payload": {
			"action": {"invocationMethod": {"type": "WEBHOOK", "agent": true, "synchronized": true, "url": "`+s.backend+`"}},
			"properties": {"service": "checkout"}
		}
	}`)
	told := s.next(ctx, t, "run r_async: SUCCESS")
	for _, want := range []string{`response {"queued":true}`, "link https://ci.example.com/checkout"} {
		if !strings.Contains(told, want) {
			t.Errorf("got %q, want %q in it", told, want)
		}
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		t.Fatal("the agent did not stop")
	}
	if p.err != nil {
		t.Errorf("the agent ended with %v, want exit code 0", p.err)
	}
	checkLog(t, p.log.String())
}
