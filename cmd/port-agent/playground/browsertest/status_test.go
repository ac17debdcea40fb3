package browsertest

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// sandbox is Port on this machine, as cmd/sandbox serves it.
type sandbox struct {
	binary  string
	env     []string // points an agent at it
	brokers string
	backend string // a URL that answers 200
}

func startSandbox(t *testing.T) *sandbox {
	t.Helper()
	s := &sandbox{binary: filepath.Join(t.TempDir(), "sandbox")}
	if out, err := exec.Command("go", "build", "-C", root, "-o", s.binary, "./cmd/sandbox").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	cmd := exec.Command(s.binary, "-serve")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	start(t, cmd)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line := lines.Text()
		if v, ok := strings.CutPrefix(line, "export "); ok {
			s.env = append(s.env, v)
		}
		if _, after, ok := strings.Cut(line, "-brokers "); ok {
			s.brokers, _, _ = strings.Cut(after, " ")
		}
		if urls, ok := strings.CutPrefix(line, "Backends: "); ok {
			s.backend, _, _ = strings.Cut(urls, ",")
			go func() {
				for lines.Scan() { // what it tells later is not needed, and must not block it
				}
			}()
			return s
		}
	}
	t.Fatal("the sandbox did not say how to use it")
	return nil
}

// publish sends an event of a run to a backend that accepts it.
func (s *sandbox) publish(t *testing.T, run string) {
	t.Helper()
	event := filepath.Join(t.TempDir(), "event.json")
	text := fmt.Sprintf(`{"action": "deploy", "context": {"runId": %q}, "payload": {"action": {"invocationMethod":
		{"type": "WEBHOOK", "agent": true, "synchronized": true, "url": %q}}}, "headers": {}}`, run, s.backend)
	if err := os.WriteFile(event, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(s.binary, "-brokers", s.brokers, "-publish", event).CombinedOutput(); err != nil {
		t.Fatalf("publish: %v\n%s", err, out)
	}
}

// start starts a program and ends it with the test.
func start(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
}

// agent starts an agent against the sandbox and gives the address of its status.
func (s *sandbox) agent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), append(s.env, "STATUS_ADDR="+addr)...)
	start(t, cmd)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return "http://" + addr + "/"
		}
		if time.Now().After(end) {
			t.Fatal("the agent does not answer")
		}
	}
}

// TestStatusPage shows a run within 6 s of its end, without losing the place
// that the page was scrolled to.
func TestStatusPage(t *testing.T) {
	s := startSandbox(t)
	address := s.agent(t)
	for _, scheme := range []string{"light", "dark"} {
		t.Run(scheme, func(t *testing.T) {
			var before []step
			if scheme == "dark" {
				before = append(before, dark)
			}
			p := visit(t, address, before...)
			p.wait(`document.getElementById("sentence")?.textContent === "working"`)
			p.do(chromedp.EmulateViewport(1440, 500))
			p.eval(`scrollTo(0, 300)`, nil)

			run := "r_status_" + scheme
			s.publish(t, run)
			ended := time.Now()
			p.wait(fmt.Sprintf(`document.querySelector("#runs + .box").innerText.includes(%s)`, quote(run)))
			p.has("#runs + .box", "SUCCESS")
			if took := time.Since(ended); took > 6*time.Second {
				t.Errorf("the page showed the run after %s, want 6 s at the most", took.Round(time.Millisecond))
			}
			var scrolled int
			if p.eval(`Math.round(scrollY)`, &scrolled); scrolled != 300 {
				t.Errorf("the page is scrolled to %d, want 300", scrolled)
			}
			p.accessible("status")
			p.shot(scheme + "-status")
			p.do(chromedp.EmulateViewport(390, 800))
			var wide bool
			if p.eval(`document.documentElement.scrollWidth > innerWidth`, &wide); wide {
				t.Error("the page is wider than a phone")
			}
			p.shot(scheme + "-status-phone")
		})
	}
}
