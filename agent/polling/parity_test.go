package polling_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"port-agent/agent"
	"port-agent/agent/polling"
	"port-agent/agent/port"
	"port-agent/agent/port/porttest"
	"port-agent/agent/redact"
	"port-agent/invoker"
	"port-agent/invoker/follow"
	"port-agent/invoker/wire"
	"port-agent/transform"
)

const secret = "test-client-secret-0123456789abcdef"

const mapping = `[
	{"name": "shaped", "enabled": ".payload.properties.rule == \"shaped\"",
	 "url": "env.BACKEND + \"/shaped/\" + .context.runId", "method": "\"PUT\"", "headers": {"X-Rule": ".context.entity"},
	 "query": {"env": ".payload.properties.env"}, "body": {"who": ".trigger.by.userId", "id": ".payload.properties.id"},
	 "report": {"link": "\"https://ci.internal/\" + .response.json.path", "externalRunId": ".response.json.path"}},
	{"name": "shaped node", "enabled": ".context.runId | startswith(\"wfnr_s\")",
	 "url": ".payload.action.invocationMethod.url + \"?run=\" + .context.runId", "body": {"id": ".context.runId"}},
	{"name": "broken", "enabled": ".payload.properties.rule == \"broken\"", "url": ".payload | error"},
	{"name": "asis"}
]`

// events are twenty runs of every kind that both sources know.
func events(backend string) []porttest.Event {
	var all []porttest.Event
	for _, synchronized := range []bool{false, true} {
		for _, answer := range []string{"/200", "/500", "/204", "/text"} {
			all = append(all, porttest.Event{Synchronized: synchronized, URL: backend + answer, Entity: "e1"})
		}
		all = append(all,
			porttest.Event{Synchronized: synchronized, URL: backend + "/200", Method: map[string]any{"method": "DELETE"}, Entity: "e2"},
			porttest.Event{Synchronized: synchronized, URL: backend + "/200", Entity: "e3",
				Properties: map[string]any{"rule": "shaped", "env": []string{"a", "b"}, "id": json.Number("12345678901234567890")}},
			porttest.Event{Synchronized: synchronized, URL: backend + "/200", Properties: map[string]any{"rule": "broken"}},
		)
	}
	for i := range all {
		all[i].Run = fmt.Sprintf("r_%d", i)
	}
	for i := range 6 {
		all = append(all, porttest.Event{Run: fmt.Sprintf("wfnr_s%d", i), Synchronized: i%2 == 1, URL: backend + []string{"/200", "/500", "/204"}[i/2]})
	}
	return all
}

// source hands the events of a list to the pipeline.
type source func(t *testing.T, server *porttest.Server, client *port.Client, m *agent.Metrics, handle polling.Handler, list []porttest.Event)

// fromRecords hands them over as records of the runs topic.
func fromRecords(t *testing.T, _ *porttest.Server, _ *port.Client, _ *agent.Metrics, handle polling.Handler, list []porttest.Event) {
	var running sync.WaitGroup
	var places agent.Sequence
	for i, e := range list {
		ev := &agent.Event{Topic: "org.runs", Offset: int64(i), Time: time.Now(), Record: e.Record(secret), Vouched: true, Place: places.Next(), Ledger: noLedger{}}
		running.Go(func() {
			if err := handle(t.Context(), ev); err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
}

type noLedger struct{}

func (noLedger) Start(context.Context) error { return nil }
func (noLedger) Reset()                      {}
func (noLedger) Following()                  {}

// fromPolling lets a poller claim them.
func fromPolling(t *testing.T, server *porttest.Server, client *port.Client, m *agent.Metrics, handle polling.Handler, list []porttest.Event) {
	for _, e := range list {
		if err := server.EnqueueEvent(e); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	var handled sync.WaitGroup
	handled.Add(len(list))
	poller, err := polling.New(polling.Config{Interval: 10, BatchSize: 100, InitialBackoff: 1, MaxBackoff: 1, BackoffFactor: 1, MaxFailure: 60, Window: 128},
		client, func(ctx context.Context, ev *agent.Event) error {
			defer handled.Done()
			return handle(ctx, ev)
		}, m, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- poller.Run(ctx) }()
	handled.Wait()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// story is what the backend and Port saw of a run.
type story struct {
	Request string
	Body    any
	Header  http.Header
	Run     porttest.Run
}

// stories runs the pipeline on events from src.
func stories(t *testing.T, src source) map[string]story {
	t.Helper()
	var mu sync.Mutex
	got := make(map[string]story)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		run := r.Header.Get("X-Port-Run-Id")
		for _, name := range []string{"X-Port-Signature", "X-Port-Timestamp", "Content-Length"} {
			r.Header.Del(name) // of the time, and of the order of the event's keys
		}
		mu.Lock()
		got[run] = story{Request: r.Method + " " + r.URL.String(), Body: parse(body), Header: r.Header}
		mu.Unlock()
		switch r.URL.Path {
		case "/500":
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, "no such pipeline")
		case "/204":
			w.WriteHeader(http.StatusNoContent)
		case "/text":
			_, _ = io.WriteString(w, "queued")
		default:
			_, _ = fmt.Fprintf(w, `{"path":%q,"big":12345678901234567890}`, r.URL.Path)
		}
	}))
	defer backend.Close()
	server := porttest.NewServer(porttest.Config{Errorf: t.Errorf, ClientSecret: secret})
	defer server.Close()
	m := agent.NewMetrics(prometheus.NewRegistry(), "test")
	client, err := port.New(port.Config{ClientID: "client", ClientSecret: secret, BaseURL: server.URL()}, "port-agent/test", m, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	list := events(backend.URL)
	src(t, server, client, m, pipeline(t, client, m, backend.URL), list)
	for _, e := range list {
		s := got[e.Run]
		s.Run, _ = server.Run(e.Run)
		s.Run.Acked = 0
		// A poller looks at its start into the logs of the runs that there are.
		s.Run.History = slices.DeleteFunc(s.Run.History, func(c porttest.Call) bool { return c.Route == porttest.RouteLogs })
		s.Run.Calls = len(s.Run.History)
		for i := range s.Run.History {
			s.Run.History[i].At = time.Time{}
		}
		for i := range s.Run.Logs {
			s.Run.Logs[i].At = time.Time{}
		}
		got[e.Run] = s
	}
	return got
}

func pipeline(t *testing.T, client *port.Client, m *agent.Metrics, backend string) polling.Handler {
	t.Helper()
	rules, findings := transform.Parse("invocations.json", []byte(mapping), transform.Config{TimeoutMS: 10_000}, []string{"BACKEND=" + backend})
	if rules == nil {
		t.Fatal(findings)
	}
	calls, err := wire.New(wire.Config{VerifySSL: true}, os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(calls.Close)
	inv, err := invoker.New(invoker.Config{Timeout: 30, GitLabURL: "https://gitlab.test", AzureDevOpsURL: "https://azure.test", GitHubAPIURL: "https://github.test"},
		invoker.Deps{Signer: secret, PortAPI: client.BaseURL(), Token: client.Token, UserAgent: "port-agent/test", Wire: calls})
	if err != nil {
		t.Fatal(err)
	}
	cfg := agent.Config{
		MaxInFlight: 128, MaxInFlightPerHost: 32, OrderBy: "entity", OnInterrupted: "fail", OnNoMatch: "ignore",
		RetryMaxSeconds: 1, RetryMaxAttempts: 1, MaxEventBytes: 4 << 20, DrainTimeout: 10 * time.Second,
	}
	a := agent.New(cfg, agent.Deps{Secret: secret, Mapping: func() *transform.Mapping { return rules }, Invoker: inv, Follower: follow.New(follow.Config{Mode: "off"}, inv), Reporter: client, Redactor: redact.New(secret), LogOutput: io.Discard, Metrics: m}, zerolog.Nop())
	return a.Handle
}

// varying is what differs from one backend and one moment to the next.
var varying = regexp.MustCompile(`127\.0\.0\.1:\d+|in [a-z ]*[0-9.]+ m?s`)

// text is a story to compare with another.
func (s story) text(t *testing.T) string {
	t.Helper()
	text, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return varying.ReplaceAllString(string(text), "…")
}

func parse(body []byte) any {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return string(body)
	}
	return v
}

// The same runs, from Kafka or claimed of Port's API, give the same requests
// and the same reports, at the same number of calls.
func TestSourcesGiveTheSame(t *testing.T) {
	t.Parallel()
	kafka, polled := stories(t, fromRecords), stories(t, fromPolling)
	if len(kafka) != 20 {
		t.Errorf("runs: got %d, want 20", len(kafka))
	}
	for run, want := range kafka {
		if got, want := polled[run].text(t), want.text(t); got != want {
			t.Errorf("run %s:\npolled %s\nkafka %s", run, got, want)
		}
		calls, most := len(want.Run.History), 3
		if agent.IsNodeRun(run) {
			most = 2
		}
		if calls < 1 || calls > most {
			t.Errorf("run %s: got calls %q, want one for its log and one for each thing to tell", run, want.Run.Routes())
		}
	}
}
