package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"port-agent/agent/kafka/kafkatest"
	"port-agent/agent/port/porttest"
)

// runAsAgent makes the test binary behave as the product's: tests that kill
// the agent need it as a process of its own.
const runAsAgent = "PORT_AGENT_TEST_AS_AGENT"

func TestMain(m *testing.M) {
	if os.Getenv(runAsAgent) != "" {
		os.Exit(dispatch(os.Args[1:], os.Stdout, os.Stderr))
	}
	// These tests wait for timers and other processes far more than they compute.
	// As many at once as there are cores would make the waits add up.
	flag.Parse()
	if n, _ := strconv.Atoi(flag.Lookup("test.parallel").Value.String()); n < testsAtOnce {
		_ = flag.Set("test.parallel", strconv.Itoa(testsAtOnce))
	}
	os.Exit(m.Run())
}

const testsAtOnce = 10

const (
	testSecret = "test-client-secret-0123456789abcdef"
	patience   = 60 * time.Second
)

// world is everything around an agent: Kafka, Port's API and a backend.
type world struct {
	t       *testing.T
	kafka   *kafkatest.Cluster
	port    *porttest.Server
	backend *backend
	org     string
	next    int // partition of the next event
	parts   int
}

func newWorld(t *testing.T, partitions int, opts ...kfake.Opt) *world {
	t.Helper()
	c, err := kafkatest.Open(append([]kfake.Opt{kfake.BrokerConfigs(map[string]string{"group.min.session.timeout.ms": "500"})}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return newWorldOn(t, c, partitions)
}

// newWorldOn makes a world around a Kafka that is there.
func newWorldOn(t *testing.T, c *kafkatest.Cluster, partitions int) *world {
	t.Helper()
	t.Cleanup(c.Close)
	org := strings.NewReplacer("/", "_", "=", "_").Replace(fmt.Sprintf("%s_%d", t.Name(), time.Now().UnixNano()))
	w := &world{t: t, kafka: c, org: org, parts: partitions, backend: newBackend(t)}
	w.port = porttest.NewServer(porttest.Config{Errorf: t.Errorf, ClientSecret: testSecret, OrgID: org, Kafka: &porttest.KafkaCredentials{Brokers: c.Brokers}})
	t.Cleanup(w.port.Close)
	for _, topic := range []string{w.runs(), w.changes()} {
		if err := c.CreateTopic(t.Context(), topic, partitions); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *world) runs() string    { return w.org + ".runs" }
func (w *world) changes() string { return w.org + ".change.log" }
func (w *world) group() string   { return w.org + ".port-agent" }

// publish sends events to the runs topic, one partition after another.
func (w *world) publish(events ...porttest.Event) {
	w.t.Helper()
	batches := make([][][]byte, w.parts)
	for _, e := range events {
		if e.URL == "" && e.Method == nil {
			e.URL = w.backend.URL + "/hook"
		}
		batches[w.next] = append(batches[w.next], e.Record(testSecret))
		w.next = (w.next + 1) % w.parts
	}
	for p, records := range batches {
		if err := w.kafka.Produce(w.t.Context(), w.runs(), p, records...); err != nil {
			w.t.Fatal(err)
		}
	}
}

// syncRuns gives n synchronous runs, each of an entity of its own.
func syncRuns(prefix string, n int) []porttest.Event {
	events := make([]porttest.Event, n)
	for i := range events {
		events[i] = porttest.Event{Run: fmt.Sprintf("r_%s%d", prefix, i), Entity: fmt.Sprintf("e%s%d", prefix, i), Synchronized: true}
	}
	return events
}

// waitEnded returns when all runs of events have ended at Port.
func (w *world) waitEnded(events []porttest.Event) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	for _, e := range events {
		if run, err := w.port.Wait(ctx, e.Run, porttest.Run.Ended); err != nil {
			w.t.Fatalf("run %s did not end: %v, status %q, %d requests at the backend", e.Run, err, run.Status, w.backend.count(e.Run))
		}
	}
}

// waitRun returns when done is true of a run at Port.
func (w *world) waitRun(id string, done func(porttest.Run) bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	if run, err := w.port.Wait(ctx, id, done); err != nil {
		w.t.Fatalf("run %s: %v, status %q, calls %q", id, err, run.Status, run.Routes())
	}
}

// wantCommitted checks that the group has committed the end of every
// partition of the runs topic.
func (w *world) wantCommitted() {
	w.t.Helper()
	ends, err := w.kafka.Ends(w.t.Context(), w.runs())
	if err != nil {
		w.t.Fatal(err)
	}
	committed, err := w.kafka.Committed(w.t.Context(), w.group(), w.runs())
	if err != nil {
		w.t.Fatal(err)
	}
	for p, end := range ends {
		if got := committed[p]; got.Offset != end {
			w.t.Errorf("partition %d: committed %+v, want offset %d", p, got, end)
		}
	}
}

// backend counts the requests that it gets by run.
type backend struct {
	*httptest.Server
	mu      sync.Mutex
	hits    map[string]int
	order   []string
	answer  func(w http.ResponseWriter, r *http.Request, run string, nth int) // nil: 200 at once
	bodies  map[string][]byte
	headers map[string]http.Header
	changed chan struct{}
	forget  bool // bodies are not kept
}

func newBackend(t *testing.T) *backend {
	b := &backend{hits: map[string]int{}, bodies: map[string][]byte{}, headers: map[string]http.Header{}, changed: make(chan struct{})}
	b.Server = httptest.NewServer(b)
	t.Cleanup(func() {
		b.CloseClientConnections()
		b.Close()
	})
	return b
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	run := r.Header.Get("X-Port-Run-Id")
	b.mu.Lock()
	b.hits[run]++
	nth := b.hits[run]
	b.order = append(b.order, run)
	if b.headers[run] = r.Header.Clone(); !b.forget {
		b.bodies[run] = body
	}
	answer := b.answer
	close(b.changed)
	b.changed = make(chan struct{})
	b.mu.Unlock()
	if answer != nil {
		answer(w, r, run, nth)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"ok":true}`)
}

// on sets how requests are answered from now on.
func (b *backend) on(answer func(w http.ResponseWriter, r *http.Request, run string, nth int)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answer = answer
}

// held answers nothing until letGo is closed, and then 200.
func held(letGo <-chan struct{}) func(http.ResponseWriter, *http.Request, string, int) {
	return func(_ http.ResponseWriter, r *http.Request, _ string, _ int) {
		select {
		case <-letGo:
		case <-r.Context().Done():
		}
	}
}

// slow answers 200 after d.
func slow(d time.Duration) func(http.ResponseWriter, *http.Request, string, int) {
	return func(w http.ResponseWriter, r *http.Request, _ string, _ int) {
		select {
		case <-time.After(d):
			_, _ = io.WriteString(w, `{"ok":true}`)
		case <-r.Context().Done():
		}
	}
}

func (b *backend) count(run string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.hits[run]
}

func (b *backend) total() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.order)
}

// wait returns when n requests have come in all.
func (b *backend) wait(t *testing.T, n int) {
	t.Helper()
	deadline := time.After(patience)
	for {
		b.mu.Lock()
		got, changed := len(b.order), b.changed
		b.mu.Unlock()
		if got >= n {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("the backend got %d of %d requests", got, n)
		}
	}
}

// gate is an address that refuses connections until it is opened. Its socket is
// bound all the time, so that no other test is given the port meanwhile.
type gate struct {
	t      *testing.T
	addr   string
	socket *os.File
}

func newGate(t *testing.T) *gate {
	t.Helper()
	syscall.ForkLock.RLock()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{t: t, socket: os.NewFile(uintptr(fd), "gate")}
	t.Cleanup(func() { g.socket.Close() })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	bound, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	g.addr = fmt.Sprintf("127.0.0.1:%d", bound.(*syscall.SockaddrInet4).Port)
	return g
}

// open lets h answer at the address.
func (g *gate) open(h http.Handler) {
	if err := syscall.Listen(int(g.socket.Fd()), 128); err != nil {
		g.t.Error(err)
		return
	}
	l, err := net.FileListener(g.socket)
	if err != nil {
		g.t.Error(err)
		return
	}
	s := httptest.NewUnstartedServer(h)
	s.Listener.Close()
	s.Listener = l
	s.Start()
	g.t.Cleanup(s.Close)
}

// process is an agent as its own process.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	out  *output
	done chan struct{}
	err  error
}

// output collects what a process prints.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
	ch  chan struct{}
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.ch)
	o.ch = make(chan struct{})
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// agent starts an agent against the world; env are further settings.
func (w *world) agent(env ...string) *process {
	w.t.Helper()
	return startProcess(w.t, append(w.settings(), env...))
}

// settings are those of every agent of the world.
func (w *world) settings() []string {
	return []string{
		"PORT_CLIENT_ID=client", "PORT_CLIENT_SECRET=" + testSecret, "PORT_ORG_ID=" + w.org, "PORT_API_BASE_URL=" + w.port.URL(),
		"USING_LOCAL_PORT_INSTANCE=true", "KAFKA_CONSUMER_BOOTSTRAP_SERVERS=" + strings.Join(w.kafka.Brokers, ","),
		"KAFKA_CONSUMER_SESSION_TIMEOUT_MS=6000", "HTTP_ADDR=", "STATUS_ADDR=",
	}
}

func startProcess(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, out: &output{ch: make(chan struct{})}, done: make(chan struct{})}
	p.cmd = exec.Command(os.Args[0], args...)
	p.cmd.Dir = t.TempDir() // without a mapping file in it
	p.cmd.Env = append([]string{runAsAgent + "=1", "PATH=" + os.Getenv("PATH"), "HOME=" + p.cmd.Dir}, env...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		select {
		case <-p.done:
			if t.Failed() {
				t.Logf("agent %d has ended (%v) and printed:\n%s", p.cmd.Process.Pid, p.cmd.ProcessState, tail(p.out.String()))
			}
		default:
		}
		p.kill()
		if t.Failed() && os.Getenv("TEST_LOG") != "" {
			t.Logf("agent %d printed:\n%s", p.cmd.Process.Pid, p.out)
		}
	})
	return p
}

// kill ends the process at once, as a lost node does.
func (p *process) kill() {
	_ = p.cmd.Process.Signal(syscall.SIGCONT)
	_ = p.cmd.Process.Kill()
	<-p.done
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatal(err)
	}
}

// terminate sends SIGTERM and wants exit code 0.
func (p *process) terminate() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	if code := p.exit(); code != 0 {
		p.t.Errorf("exit code after SIGTERM is %d, want 0; the agent printed:\n%s", code, tail(p.out.String()))
	}
}

// exit waits for the end and gives the exit code.
func (p *process) exit() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Fatalf("the agent did not exit; it printed:\n%s", tail(p.out.String()))
	}
	return p.cmd.ProcessState.ExitCode()
}

// logged waits for a line of the log.
func (p *process) logged(text string) {
	p.t.Helper()
	deadline := time.After(patience)
	for {
		p.out.mu.Lock()
		found, more := bytes.Contains(p.out.buf.Bytes(), []byte(text)), p.out.ch
		p.out.mu.Unlock()
		if found {
			return
		}
		select {
		case <-more:
		case <-p.done:
			p.t.Fatalf("the agent ended without printing %q:\n%s", text, tail(p.out.String()))
		case <-deadline:
			p.t.Fatalf("the agent did not print %q:\n%s", text, tail(p.out.String()))
		}
	}
}

func tail(s string) string {
	lines := strings.Split(s, "\n")
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}

// mapping writes a mapping file and gives the setting that names it.
func mapping(t *testing.T, rules ...map[string]any) string {
	t.Helper()
	text, err := json.Marshal(rules)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "invocations.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return "INVOCATIONS_PATH=" + file
}

// statuses counts the runs of events by their status.
func (w *world) statuses(events []porttest.Event) map[string]int {
	got := map[string]int{}
	for _, e := range events {
		run, _ := w.port.Run(e.Run)
		got[run.Status]++
	}
	return got
}

func hasLine(messages []string, text string) bool {
	return slices.ContainsFunc(messages, func(m string) bool { return strings.Contains(m, text) })
}
