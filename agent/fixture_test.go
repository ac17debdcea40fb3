package agent

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"port-agent/agent/event"
	"port-agent/agent/redact"
	"port-agent/invoker"
	"port-agent/invoker/follow"
	"port-agent/invoker/wire"
	"port-agent/transform"
)

// testSecret is the client secret of all tests of the pipeline.
const testSecret = "a-client-secret-of-thirty-two-bytes-or-more"

const runsTopic = "org.runs"

// fixture is an agent between a Port and a backend that are the test's own.
// Nothing of it touches the network, so that it can live in a synctest bubble.
type fixture struct {
	*Agent
	port     *fakePort
	backend  *fakeBackend
	registry *prometheus.Registry
	log      *safeBuffer
}

func testConfig() Config {
	return Config{
		MaxInFlight: 128, MaxInFlightPerHost: 32, OrderBy: "entity", OnInterrupted: "fail", OnNoMatch: "ignore", OnUnvouched: "skip",
		RetryMaxSeconds: 120, RetryMaxAttempts: 6, MaxEventBytes: 4 << 20, DrainTimeout: 40 * time.Second,
	}
}

// builtIn is the mapping of an agent without a file.
const builtIn = `[{"enabled": true}]`

func newFixture(t testing.TB, mapping string, edit ...func(*Config)) *fixture {
	t.Helper()
	cfg := testConfig()
	for _, e := range edit {
		e(&cfg)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	rules, findings := transform.Parse("invocations.json", []byte(mapping), transform.Config{TimeoutMS: 1000}, nil)
	if rules == nil {
		t.Fatal(findings)
	}
	calls, err := wire.New(wire.Config{VerifySSL: true}, func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(calls.Close)
	builder, err := invoker.New(invoker.Config{
		Timeout: 30, GitLabURL: "https://gitlab.example/", AzureDevOpsURL: "https://azure.example",
		GitHubAPIURL: "https://github.example", GitLabToken: "glpat-0123456789",
	}, invoker.Deps{
		Signer: testSecret, UserAgent: "port-agent/test", Wire: calls, Env: func(name string) (string, bool) {
			if name != "group_project" {
				return "", false
			}
			return "trigger-token", true
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{port: &fakePort{}, backend: &fakeBackend{Invoker: builder}, registry: prometheus.NewRegistry(), log: new(safeBuffer)}
	redactor := redact.New(testSecret)
	f.Agent = New(cfg, Deps{
		Secret: testSecret, Mapping: func() *transform.Mapping { return rules }, Invoker: f.backend, Follower: follow.New(follow.Config{Mode: "auto", TimeoutSeconds: 86400}, f.backend), Reporter: f.port, Redactor: redactor,
		Metrics: NewMetrics(f.registry, "test"), LogOutput: f.log,
	}, zerolog.New(redactor.Writer(f.log)).Level(zerolog.DebugLevel))
	return f
}

// count gives the sum of a counter's or gauge's series that have all of labels, given as
// name, value, name, value.
func (f *fixture) count(t testing.TB, name string, labels ...string) float64 {
	t.Helper()
	families, err := f.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	total, found := 0.0, false
	for _, family := range families {
		if family.GetName() != "port_agent_"+name {
			continue
		}
		for _, m := range family.GetMetric() {
			have := map[string]string{}
			for _, l := range m.GetLabel() {
				have[l.GetName()] = l.GetValue()
			}
			matches := true
			for i := 0; i+1 < len(labels); i += 2 {
				matches = matches && have[labels[i]] == labels[i+1]
			}
			if matches {
				found = true
				total += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	if !found {
		t.Fatalf("no metric %s %q", name, labels)
	}
	return total
}

// fakeBackend answers requests without a network. Requests are built by a real
// invoker.
type fakeBackend struct {
	*invoker.Invoker
	do func(ctx context.Context, req *invoker.Request) (*invoker.Response, error) // nil: 200
	// fetch answers a look at a pipeline; looks has the times of all so far.
	fetch func(ctx context.Context, url string) (*invoker.Response, error)

	mu    sync.Mutex
	seen  []*invoker.Request
	looks []time.Time
}

// Fetch counts looks at the pipeline itself; what a follower asks beside that
// has no answer.
func (b *fakeBackend) Fetch(ctx context.Context, f invoker.FetchRequest) (*invoker.Response, error) {
	if strings.Contains(f.URL, "/jobs") {
		return answered(404, ""), nil
	}
	b.mu.Lock()
	b.looks = append(b.looks, time.Now())
	b.mu.Unlock()
	return b.fetch(ctx, f.URL)
}

func (b *fakeBackend) Do(ctx context.Context, req *invoker.Request) (*invoker.Response, error) {
	b.mu.Lock()
	b.seen = append(b.seen, req)
	b.mu.Unlock()
	if b.do == nil {
		return answered(200, `{"ok":true}`), nil
	}
	return b.do(ctx, req)
}

// requests gives what was sent so far.
func (b *fakeBackend) requests() []*invoker.Request {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.seen)
}

// in turn makes a backend of a list of answers, the last of which repeats.
func inTurn(answers ...func(ctx context.Context, req *invoker.Request) (*invoker.Response, error)) func(context.Context, *invoker.Request) (*invoker.Response, error) {
	var mu sync.Mutex
	n := 0
	return func(ctx context.Context, req *invoker.Request) (*invoker.Response, error) {
		mu.Lock()
		answer := answers[min(n, len(answers)-1)]
		n++
		mu.Unlock()
		return answer(ctx, req)
	}
}

// runs names the runs of the requests that were sent so far.
func (b *fakeBackend) runs() []string {
	var runs []string
	for _, req := range b.requests() {
		runs = append(runs, req.Header.Get("X-Port-Run-Id"))
	}
	return runs
}

func answered(status int, body string) *invoker.Response {
	return &invoker.Response{Response: wire.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(body)}}
}

// accepts answers with a success.
func accepts(status int, body string) func(context.Context, *invoker.Request) (*invoker.Response, error) {
	return func(context.Context, *invoker.Request) (*invoker.Response, error) { return answered(status, body), nil }
}

// says answers with a failure, and with Retry-After where after is not 0.
func says(status int, body string, after time.Duration) func(context.Context, *invoker.Request) (*invoker.Response, error) {
	return func(_ context.Context, req *invoker.Request) (*invoker.Response, error) {
		return answered(status, body), &invoker.StatusError{
			Endpoint: req.Endpoint(), StatusCode: status, Body: body, RetryAfter: after,
		}
	}
}

var errNetwork = errors.New("connection refused")

// fails is an attempt without an answer.
func fails(sent, final bool) func(context.Context, *invoker.Request) (*invoker.Response, error) {
	return func(_ context.Context, req *invoker.Request) (*invoker.Response, error) {
		return nil, &wire.Error{Endpoint: req.Endpoint(), Sent: sent, Final: final, Err: errNetwork}
	}
}

// takes answers after d, or breaks off as the real invoker does when ctx ends
// before.
func takes(d time.Duration, then func(context.Context, *invoker.Request) (*invoker.Response, error)) func(context.Context, *invoker.Request) (*invoker.Response, error) {
	return func(ctx context.Context, req *invoker.Request) (*invoker.Response, error) {
		if err := Pause(ctx, d); err != nil {
			return nil, &wire.Error{Endpoint: req.Endpoint(), Sent: true, Err: err}
		}
		return then(ctx, req)
	}
}

// fakePort keeps the calls that the agent makes.
type fakePort struct {
	onLog      func(ctx context.Context, run string, lines []LogLine) error
	onReport   func(ctx context.Context, run string, rep Report) error
	onLookup   func(ctx context.Context, run string) (RunState, error)
	onProgress func(ctx context.Context, run string, news Report) (Report, error)

	mu    sync.Mutex
	calls []portCall
}

type portCall struct {
	kind  string // log, report, progress, lookup
	run   string
	lines []LogLine
	rep   Report
	at    time.Time
}

func (p *fakePort) note(c portCall) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.at = time.Now()
	p.calls = append(p.calls, c)
}

func (p *fakePort) Log(ctx context.Context, run string, lines []LogLine) error {
	p.note(portCall{kind: "log", run: run, lines: slices.Clone(lines)})
	if p.onLog != nil {
		return p.onLog(ctx, run, lines)
	}
	return ctx.Err()
}

func (p *fakePort) Report(ctx context.Context, run string, rep Report) error {
	p.note(portCall{kind: "report", run: run, rep: rep, lines: slices.Clone(rep.Lines)})
	if p.onReport != nil {
		return p.onReport(ctx, run, rep)
	}
	return context.Cause(ctx)
}

func (p *fakePort) Progress(ctx context.Context, run string, news Report) (Report, error) {
	p.note(portCall{kind: "progress", run: run, rep: news, lines: slices.Clone(news.Lines)})
	if p.onProgress != nil {
		return p.onProgress(ctx, run, news)
	}
	return Report{}, context.Cause(ctx)
}

func (p *fakePort) Lookup(ctx context.Context, run string) (RunState, error) {
	p.note(portCall{kind: "lookup", run: run})
	if p.onLookup != nil {
		return p.onLookup(ctx, run)
	}
	return RunState{Status: "IN_PROGRESS"}, context.Cause(ctx)
}

// of gives the calls for a run in order.
func (p *fakePort) of(run string) []portCall {
	p.mu.Lock()
	defer p.mu.Unlock()
	var calls []portCall
	for _, c := range p.calls {
		if c.run == run {
			calls = append(calls, c)
		}
	}
	return calls
}

// kinds names the calls for a run in order.
func (p *fakePort) kinds(run string) string {
	var kinds []string
	for _, c := range p.of(run) {
		kinds = append(kinds, c.kind)
	}
	return strings.Join(kinds, " ")
}

// messages gives the run's log.
func (p *fakePort) messages(run string) []string {
	var messages []string
	for _, c := range p.of(run) {
		for _, l := range c.lines {
			messages = append(messages, l.Level+" "+l.Message)
		}
	}
	return messages
}

// report gives what Port was told of a run beside its log: at most a response
// and, after or with the last line of the log, the rest.
func (p *fakePort) report(t testing.TB, run string) Report {
	t.Helper()
	var rep Report
	for _, c := range p.of(run) {
		if c.kind != "report" {
			continue
		}
		if rep.Response != nil {
			c.rep.Response = rep.Response
		}
		rep = c.rep
	}
	rep.Lines, rep.Kind = nil, ""
	return rep
}

// fakeLedger keeps what the agent says of one event.
type fakeLedger struct {
	onStart func(ctx context.Context) error

	mu      sync.Mutex
	started bool
	starts  int
	resets  int

	following int
}

func (l *fakeLedger) Start(ctx context.Context) error {
	l.mu.Lock()
	l.starts++
	l.started = true // as the real one: the mark is set before it is committed
	l.mu.Unlock()
	if l.onStart != nil {
		return l.onStart(ctx)
	}
	return context.Cause(ctx)
}

func (l *fakeLedger) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.resets++
	l.started = false
}

func (l *fakeLedger) Following() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.following++
}

// marked is what the event's next owner would find.
func (l *fakeLedger) marked() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.started
}

// object builds a tree from members, given as a dotted path and a value.
func object(members ...any) map[string]any {
	root := map[string]any{}
	for i := 0; i+1 < len(members); i += 2 {
		set(root, members[i].(string), members[i+1])
	}
	return root
}

func set(root map[string]any, path string, v any) {
	steps := strings.Split(path, ".")
	for _, s := range steps[:len(steps)-1] {
		child, ok := root[s].(map[string]any)
		if !ok {
			child = map[string]any{}
			root[s] = child
		}
		root = child
	}
	last := steps[len(steps)-1]
	if v == nil {
		delete(root, last)
		return
	}
	root[last] = v
}

// runEvent is a signed event of an action run to a webhook; members change it,
// and a nil value takes one away.
func runEvent(t testing.TB, run string, members ...any) *Event {
	t.Helper()
	root := object(
		"action", "deploy", "resourceType", "run", "status", "TRIGGERED", "context.runId", run,
		"payload.action.invocationMethod.type", "WEBHOOK",
		"payload.action.invocationMethod.agent", true,
		"payload.action.invocationMethod.url", "https://ci.internal/hook",
		"payload.action.invocationMethod.synchronized", false,
		"payload.properties.service", "cart",
	)
	for i := 0; i+1 < len(members); i += 2 {
		set(root, members[i].(string), members[i+1])
	}
	return &Event{Topic: runsTopic, Partition: 2, Offset: 7, Time: time.Now(), Record: signed(t, root), Vouched: true, Ledger: new(fakeLedger)}
}

// synchronized is the member that makes a run wait for the answer.
const synchronized = "payload.action.invocationMethod.synchronized"

// changeEvent is an event of the change log, which nobody signs.
func changeEvent(t testing.TB, members ...any) *Event {
	t.Helper()
	root := object(
		"action", "UPDATE", "resourceType", "entity", "context.entity", "cart", "context.blueprint", "service",
		"changelogDestination.type", "WEBHOOK", "changelogDestination.agent", true, "changelogDestination.url", "https://ci.internal/changes",
	)
	for i := 0; i+1 < len(members); i += 2 {
		set(root, members[i].(string), members[i+1])
	}
	return &Event{Topic: "org.change.log", Partition: 1, Offset: 3, Time: time.Now(), Record: marshal(t, root), ChangeLog: true, Vouched: true, Ledger: new(fakeLedger)}
}

// signed gives the record that Port makes of root.
func signed(t testing.TB, root map[string]any) []byte {
	t.Helper()
	headers := map[string]any{}
	if have, ok := root["headers"].(map[string]any); ok {
		headers = maps.Clone(have)
	}
	root["headers"] = headers
	m, err := event.Decode(marshal(t, root))
	if err != nil {
		t.Fatal(err)
	}
	m.Timestamp = fmt.Sprint(time.Now().Unix())
	headers["X-Port-Timestamp"] = m.Timestamp
	headers["X-Port-Signature"] = invoker.NewSigner(testSecret).V1(m.Timestamp, m.Body)
	return marshal(t, root)
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// encrypted is text as Port encrypts an input.
func encrypted(t testing.TB, text string) string {
	t.Helper()
	block, err := aes.NewCipher([]byte(testSecret[:32]))
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCMWithNonceSize(block, 16)
	if err != nil {
		t.Fatal(err)
	}
	nonce := bytes.Repeat([]byte{7}, 16)
	return base64.StdEncoding.EncodeToString(gcm.Seal(nonce, nonce, []byte(text), nil))
}

// settle handles an event that has to be settled.
func (f *fixture) settle(t testing.TB, ev *Event) {
	t.Helper()
	if err := f.Handle(t.Context(), ev); err != nil {
		t.Fatalf("event not settled: %v", err)
	}
}

func ledgerOf(ev *Event) *fakeLedger { return ev.Ledger.(*fakeLedger) }

// safeBuffer is a buffer for many writers.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
