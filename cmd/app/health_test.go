package app

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"port-agent/agent"
	"port-agent/agent/kafka/kafkatest"
	"port-agent/agent/port"
	"port-agent/agent/port/porttest"
)

const testSecret = "a-client-secret-of-some-length-0123456789"

// running is an App at work, with its surroundings.
type running struct {
	*App
	t     *testing.T
	kafka *kafkatest.Cluster
	port  *porttest.Server
	done  chan error // what Run has returned
	stop  func() error
}

// start runs an App on an in-memory cluster and a stand-in for Port. The
// stand-in gives Kafka's credentials only once its faults are cleared.
func start(t *testing.T, vars map[string]string) *running {
	t.Helper()
	cluster, err := kafkatest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	for _, topic := range []string{"org.runs", "org.change.log"} {
		if err := cluster.CreateTopic(t.Context(), topic, 1); err != nil {
			t.Fatal(err)
		}
	}
	server := porttest.NewServer(porttest.Config{Errorf: t.Errorf, ClientID: "id", ClientSecret: testSecret, OrgID: "org",
		Kafka: &porttest.KafkaCredentials{Brokers: cluster.Brokers}})
	t.Cleanup(server.Close)
	server.Fault(porttest.RouteKafka, porttest.Fault{Status: http.StatusInternalServerError})
	mapping := filepath.Join(t.TempDir(), "invocations.json")
	if err := os.WriteFile(mapping, []byte(`[{"name": "all", "report": {"link": ".response.json.url"}}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	setOnly(t, map[string]string{"PORT_CLIENT_SECRET": testSecret, "PORT_ORG_ID": "org", "PORT_API_BASE_URL": server.URL(),
		"HTTP_ADDR": "127.0.0.1:0", "STATUS_ADDR": "", "INVOCATIONS_PATH": mapping})
	for name, value := range vars {
		t.Setenv(name, value)
	}
	cfg, err := ReadConfig()
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(cfg, "test", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{App: a, t: t, kafka: cluster, port: server, done: make(chan error, 1)}
	go func() { r.done <- a.Run(ctx) }()
	r.stop = func() error {
		cancel()
		return r.wait()
	}
	t.Cleanup(func() { _ = r.stop() })
	return r
}

// wait returns what Run has returned, as often as it is asked.
func (r *running) wait() error {
	err := <-r.done
	r.done <- err
	return err
}

// get asks the server for health and metrics.
func (r *running) get(path string) (int, string) {
	r.t.Helper()
	res, err := http.Get("http://" + r.Addr() + path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// eventually asks until an answer fits.
func (r *running) eventually(path, what string, fits func(status int, body string) bool) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 30*time.Second)
	defer cancel()
	for {
		status, body := r.get(path)
		if fits(status, body) {
			return
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			r.t.Fatalf("%s answers %d %s, want %s", path, status, body, what)
		}
	}
}

func TestHealthAndMetrics(t *testing.T) {
	r := start(t, nil)
	for path, want := range map[string]struct {
		status int
		body   string
	}{
		"/livez":  {http.StatusOK, "alive\n"},
		"/readyz": {http.StatusServiceUnavailable, "source not connected\n"},
		"/":       {http.StatusNotFound, "404 page not found\n"},
	} {
		if status, body := r.get(path); status != want.status || body != want.body {
			t.Errorf("before the source is connected %s answers %d %q, want %d %q", path, status, body, want.status, want.body)
		}
	}
	r.port.ClearFaults()
	r.eventually("/readyz", "200", func(status int, _ string) bool { return status == http.StatusOK })
	if status, _ := r.get("/livez"); status != http.StatusOK {
		t.Errorf("/livez answers %d, want 200", status)
	}
	// Each metric has its series before the first event: an increase from nothing is none.
	for name, labels := range documentedMetrics(t) {
		r.eventually("/metrics", "the metric "+name, func(_ int, body string) bool {
			return hasSeries(body, name, labels)
		})
	}

	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"url":"https://jobs.example/1"}`)
	}))
	t.Cleanup(backend.Close)
	event := porttest.Event{Run: "r_1", Synchronized: true, URL: backend.URL}
	if err := r.kafka.Produce(t.Context(), "org.runs", 0, event.Record(testSecret), []byte("no json")); err != nil {
		t.Fatal(err)
	}
	for _, series := range []string{
		`port_agent_events_total{outcome="invoked",topic="org.runs"} 1`,
		`port_agent_events_total{outcome="malformed",topic="org.runs"} 1`,
		`port_agent_invocations_total{backend="webhook",outcome="accepted",reason="ok"} 1`,
		`port_agent_reports_total{kind="status",outcome="accepted"} 1`,
		`port_agent_reports_total{kind="response",outcome="accepted"} 1`,
		`port_agent_rule_matches_total{rule="0 \"all\""} 1`,
		`port_agent_lag{partition="0",topic="org.runs"} 0`,
		`port_agent_unsettled_events 0`,
		`port_agent_in_flight 0`,
		`port_agent_source_connected 1`,
		`port_agent_rebalances_total 1`,
	} {
		r.eventually("/metrics", series, func(_ int, body string) bool { return strings.Contains(body, series+"\n") })
	}
	if err := r.stop(); err != nil {
		t.Errorf("the agent stopped with %v, want nil", err)
	}
}

// hasSeries reports whether a page of metrics has a series of a name, with
// labels of these names.
func hasSeries(page, name string, labels []string) bool {
	for line := range strings.Lines(page) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || len(rest) == 0 {
			continue
		}
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			rest = strings.TrimPrefix(rest, suffix)
		}
		if rest[0] != '{' && rest[0] != ' ' {
			continue // another metric, whose name begins with this one
		}
		all := true
		for _, l := range labels {
			all = all && strings.Contains(rest, l+`="`)
		}
		if all {
			return true
		}
	}
	return false
}

func TestOneTopicForBothIsRefused(t *testing.T) {
	r := start(t, map[string]string{"KAFKA_CHANGE_LOG_TOPIC": "org.runs"})
	err := r.wait()
	if err == nil || !strings.Contains(err.Error(), "KAFKA_CHANGE_LOG_TOPIC") {
		t.Errorf("the agent stopped with %v, want an error that names KAFKA_CHANGE_LOG_TOPIC", err)
	}
}

// watched is an App as far as watchCredentials needs it.
func watched(t *testing.T, server *porttest.Server) *App {
	t.Helper()
	metrics := agent.NewMetrics(prometheus.NewRegistry(), "test")
	client, err := port.New(port.Config{ClientID: "client", ClientSecret: "secret", Transport: server.Transport()}, "test", metrics, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	return &App{port: client, log: zerolog.Nop()}
}

func TestCredentialsThatWereNeverTakenStopTheAgent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := porttest.New(porttest.Config{Errorf: t.Errorf})
		server.Fault(porttest.RouteToken, porttest.Fault{Times: 3, Status: http.StatusBadGateway})
		a := watched(t, server)
		ctx, stop := context.WithCancelCause(t.Context())
		defer stop(nil)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			a.watchCredentials(ctx, stop)
		}()
		synctest.Wait()
		if ctx.Err() != nil {
			t.Fatalf("an API that does not answer stopped the agent: %v", context.Cause(ctx))
		}
		server.Fault(porttest.RouteToken, porttest.Fault{Status: http.StatusUnauthorized})
		<-ended
		if err := context.Cause(ctx); !errors.Is(err, port.ErrCredentials) {
			t.Errorf("the agent was stopped with %v, want ErrCredentials", err)
		}
	})
}

func TestCredentialsThatAreNoLongerTakenAreTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := porttest.New(porttest.Config{Errorf: t.Errorf, TokenLife: time.Hour})
		a := watched(t, server)
		a.source.Store(source(connected{}))
		ctx, stop := context.WithCancelCause(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			a.watchCredentials(ctx, stop)
		}()
		synctest.Wait()
		if ready, why := a.Ready(); !ready {
			t.Errorf("not ready at first: %s", why)
		}
		server.Fault(porttest.RouteToken, porttest.Fault{Status: http.StatusForbidden})
		time.Sleep(2 * time.Hour)
		if ready, why := a.Ready(); ready || why != "credentials refused by port" {
			t.Errorf("with credentials that are refused ready is %t (%q), want false and the reason", ready, why)
		}
		if ctx.Err() != nil {
			t.Errorf("the agent was stopped: %v", context.Cause(ctx))
		}
		server.ClearFaults()
		time.Sleep(2 * credentialsInterval)
		if ready, why := a.Ready(); !ready {
			t.Errorf("with credentials that are taken again not ready: %s", why)
		}
		stop(nil)
		<-ended
	})
}

// A call that needs a token learns between two looks that it is refused.
func TestCredentialsRefusedToAReportAreToldAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := porttest.New(porttest.Config{Errorf: t.Errorf, TokenLife: time.Hour})
		a := watched(t, server)
		a.source.Store(source(connected{}))
		if _, err := a.port.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		server.Fault(porttest.RouteToken, porttest.Fault{Status: http.StatusUnauthorized})
		time.Sleep(2 * time.Hour) // the token has run out
		if ready, why := a.Ready(); !ready {
			t.Errorf("not ready before the call: %s", why)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_ = a.port.Report(ctx, "r_1", agent.Report{Status: agent.StatusSuccess})
		if ready, why := a.Ready(); ready || why != "credentials refused by port" {
			t.Errorf("got ready %t (%q), want false and the reason", ready, why)
		}
	})
}

// connected is a source that has nothing to say.
type connected struct{}

func (connected) Run(context.Context) error { return nil }
func (connected) Ready() bool               { return true }

// Port is told which source the agent uses, wherever the brokers' addresses come from.
func TestStreamerIsSet(t *testing.T) {
	for name, vars := range map[string]map[string]string{
		"KAFKA": nil, "KAFKA, local": {"USING_LOCAL_PORT_INSTANCE": "true", "KAFKA_CONSUMER_BOOTSTRAP_SERVERS": "127.0.0.1:1"},
		"POLLING": {"STREAMER_NAME": "polling"},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, vars)
			want, _, _ := strings.Cut(name, ",")
			r.eventually("/livez", "the streamer "+want, func(int, string) bool { return r.port.Streamer() == want })
		})
	}
}
