// Package interop runs the agent against programs that nobody of this project
// wrote: Apache Airflow, Debian's webhook server, OpenSSL, squid and nginx.
//
// It is started by .ci/interop/run, which installs them, and is no part of
// `go test ./...`.
package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"port-agent/agent/kafka/kafkatest"
	"port-agent/agent/port/porttest"
)

const (
	clientSecret = "canary-client-secret-0123456789abcdef"
	patience     = 2 * time.Minute
)

// binary is the agent, built once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "interop")
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "port-agent")
	out, err := exec.Command("go", "build", "-o", file, "port-agent/cmd/port-agent").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the agent: %w\n%s", err, out)
	}
	return file, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if file, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(file))
	}
	os.Exit(code)
}

// world is a Kafka, Port's API and an agent with a mapping.
type world struct {
	t     *testing.T
	kafka *kafkatest.Cluster
	port  *porttest.Server
	log   *output
}

// start starts an agent with the rules of a mapping and further settings.
func start(t *testing.T, rules []map[string]any, env ...string) *world {
	t.Helper()
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cluster, err := kafkatest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	w := &world{t: t, kafka: cluster, port: porttest.NewServer(porttest.Config{Errorf: t.Errorf, ClientSecret: clientSecret}), log: &output{}}
	t.Cleanup(w.port.Close)
	for _, topic := range []string{"org.runs", "org.change.log"} {
		if err := cluster.CreateTopic(t.Context(), topic, 1); err != nil {
			t.Fatal(err)
		}
	}
	mapping, err := json.Marshal(rules)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "invocations.json")
	if err := os.WriteFile(path, mapping, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(file)
	cmd.Dir = t.TempDir()
	cmd.Env = append([]string{
		"PORT_CLIENT_ID=client", "PORT_CLIENT_SECRET=" + clientSecret, "PORT_ORG_ID=org", "PORT_API_BASE_URL=" + w.port.URL(),
		"USING_LOCAL_PORT_INSTANCE=true", "KAFKA_CONSUMER_BOOTSTRAP_SERVERS=" + strings.Join(cluster.Brokers, ","),
		"KAFKA_CONSUMER_AUTO_OFFSET_RESET=earliest", "HTTP_ADDR=", "STATUS_ADDR=", "INVOCATIONS_PATH=" + path, "HOME=" + cmd.Dir,
	}, env...)
	cmd.Stdout, cmd.Stderr = w.log, w.log
	background(t, cmd)
	return w
}

// run publishes one run and returns when Port has its end.
func (w *world) run(e porttest.Event) porttest.Run {
	w.t.Helper()
	w.publish(e)
	return w.wait(e.Run)
}

func (w *world) publish(events ...porttest.Event) {
	w.t.Helper()
	var records [][]byte
	for _, e := range events {
		records = append(records, e.Record(clientSecret))
	}
	if err := w.kafka.Produce(w.t.Context(), "org.runs", 0, records...); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) wait(id string) porttest.Run {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	run, err := w.port.Wait(ctx, id, porttest.Run.Ended)
	if err != nil {
		w.t.Fatalf("run %s did not end: %v; its log: %q\nthe agent's log:\n%s", id, err, run.Messages(), w.log)
	}
	return run
}

// noSecret holds what the agent said anywhere to words that it must not hold.
func (w *world) noSecret(words ...string) {
	w.t.Helper()
	for _, word := range words {
		if strings.Contains(w.log.String(), word) {
			w.t.Errorf("the agent's log holds %q", word)
		}
	}
}

// background starts a program and ends it with the test: first by SIGTERM, for
// those that have children.
func background(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(done)
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		select {
		case <-done:
		case <-time.After(15 * time.Second):
		}
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what is left of its group
		<-done
	})
}

// output collects what a program prints.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// freePort gives a port of 127.0.0.1 that nobody listens at.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// reachable returns when somebody listens at a port of 127.0.0.1.
func reachable(t *testing.T, port int, log fmt.Stringer) {
	t.Helper()
	poll(t, fmt.Sprintf("something listens at port %d", port), log, func() bool {
		c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), time.Second)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// poll returns when ready says so.
func poll(t *testing.T, what string, log fmt.Stringer, ready func() bool) {
	t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	end := time.After(patience)
	for !ready() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("waited %s for this: %s. Its log:\n%s", patience, what, log)
		}
	}
}

// write puts a file into a folder of the test.
func write(t *testing.T, dir, name, text string, mode os.FileMode) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return file
}
