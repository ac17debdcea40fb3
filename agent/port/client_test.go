package port_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"

	"port-agent/agent"
	"port-agent/agent/port"
	"port-agent/agent/port/porttest"
)

// fixture is a client of a stand-in that it reaches without a network, so that
// it may be used inside a bubble.
type fixture struct {
	*port.Client
	server  *porttest.Server
	metrics *agent.Metrics
	log     *bytes.Buffer
}

func newFixture(t *testing.T, cfg porttest.Config) *fixture {
	t.Helper()
	cfg.Errorf = t.Errorf
	f := &fixture{server: porttest.New(cfg), log: new(bytes.Buffer)}
	f.Client, f.metrics = f.client(t, port.Config{ClientID: "client", ClientSecret: "secret"})
	return f
}

func (f *fixture) client(t *testing.T, cfg port.Config) (*port.Client, *agent.Metrics) {
	t.Helper()
	cfg.BaseURL, cfg.Transport = "https://port.test/", f.server.Transport()
	m := agent.NewMetrics(prometheus.NewRegistry(), "test")
	c, err := port.New(cfg, "port-agent/test", m, zerolog.New(zerolog.SyncWriter(f.log)))
	if err != nil {
		t.Fatal(err)
	}
	return c, m
}

// reports is the count of one kind and outcome.
func (f *fixture) reports(kind, outcome string) int {
	return int(testutil.ToFloat64(f.metrics.Reports.WithLabelValues(kind, outcome)))
}

func (f *fixture) run(t *testing.T, id string) porttest.Run {
	t.Helper()
	run, ok := f.server.Run(id)
	if !ok {
		t.Fatalf("run %s: no call was made for it", id)
	}
	return run
}

// unauthorized makes routes refuse every token.
func (f *fixture) unauthorized(routes ...string) {
	for _, route := range routes {
		f.server.Fault(route, porttest.Fault{Status: http.StatusUnauthorized})
	}
}

// parallel runs do n times at once and returns when all are done.
func parallel(n int, do func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { do(i) })
	}
	all.Wait()
}

func TestConfigNamesEveryFault(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		cfg  port.Config
		want []string // what the error names; none: no error
	}{
		{"complete", port.Config{ClientID: "id", ClientSecret: "secret", BaseURL: "https://api.us.getport.io/"}, nil},
		{"default address", port.Config{ClientID: "id", ClientSecret: "secret"}, nil},
		{"with a path", port.Config{ClientID: "id", ClientSecret: "secret", BaseURL: "http://gateway:8080/port"}, nil},
		{"nothing", port.Config{BaseURL: "api.getport.io"}, []string{"PORT_CLIENT_ID", "PORT_CLIENT_SECRET", "PORT_API_BASE_URL"}},
		{"line feed", port.Config{ClientID: "id", ClientSecret: "hunter2\n"}, []string{"PORT_CLIENT_SECRET", "white space"}},
		{"other scheme", port.Config{ClientID: "id", ClientSecret: "secret", BaseURL: "ftp://port"}, []string{"PORT_API_BASE_URL"}},
		{"no host", port.Config{ClientID: "id", ClientSecret: "secret", BaseURL: "https://"}, []string{"PORT_API_BASE_URL"}},
		{"password", port.Config{ClientID: "id", ClientSecret: "secret", BaseURL: "https://u:hunter2@port"}, []string{"PORT_API_BASE_URL"}},
		{"query", port.Config{ClientID: "id", ClientSecret: "secret", BaseURL: "https://port?a=b"}, []string{"PORT_API_BASE_URL"}},
		{"not a URL", port.Config{ClientID: "id", ClientSecret: "secret", BaseURL: "https://hunter2@por t"}, []string{"PORT_API_BASE_URL"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := test.cfg.Validate()
			if (err == nil) != (len(test.want) == 0) {
				t.Fatalf("got %v, want an error that names %q", err, test.want)
			}
			text := fmt.Sprint(err)
			for _, want := range test.want {
				if !strings.Contains(text, want) {
					t.Errorf("got %q, want it to name %s", text, want)
				}
			}
			if strings.Contains(text, "hunter2") {
				t.Errorf("got %q, which holds the value", text)
			}
		})
	}
}

func TestCallsOverTheNetwork(t *testing.T) {
	t.Parallel()
	server := porttest.NewServer(porttest.Config{Errorf: t.Errorf})
	t.Cleanup(server.Close)
	client, err := port.New(port.Config{ClientID: "client", ClientSecret: "secret", BaseURL: server.URL() + "/"},
		"port-agent/test", agent.NewMetrics(prometheus.NewRegistry(), "test"), zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	parallel(50, func(i int) {
		run := fmt.Sprintf("r_%d", i)
		if err := client.Log(t.Context(), run, []agent.LogLine{{Message: "done"}}); err != nil {
			t.Error(err)
		}
		if err := client.Report(t.Context(), run, agent.Report{Status: agent.StatusSuccess, Response: json.RawMessage(`{}`)}); err != nil {
			t.Error(err)
		}
	})
	if err := server.WaitEnded(t.Context(), 50); err != nil {
		t.Fatal(err)
	}
	if got := server.Count(porttest.RouteToken); got != 1 {
		t.Errorf("tokens: got %d, want 1", got)
	}
}

// A proxy must neither be mistaken for Port nor get a PATCH repeated as a GET.
func TestRedirectIsNoAnswer(t *testing.T) {
	t.Parallel()
	f := newFixture(t, porttest.Config{})
	f.server.Fault("PATCH /v1/organization", porttest.Fault{Times: 1, Status: http.StatusMovedPermanently,
		Header: http.Header{"Location": {"https://login.test/path?secret=1"}}, Body: "<html>"})
	err := f.SetStreamer(t.Context(), port.StreamerKafka)
	if err == nil || !strings.Contains(err.Error(), "redirected to https://login.test:") {
		t.Errorf("got %v, want an error that names where it led", err)
	}
	if got := f.server.Count("GET /v1/organization"); got != 0 {
		t.Errorf("GET calls: got %d, want 0", got)
	}
}
