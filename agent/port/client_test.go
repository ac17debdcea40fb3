package port_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"port-agent/agent"
	"port-agent/agent/port"
	"port-agent/agent/port/porttest"
)

// newClient returns a client of a new stand-in.
func newClient(t *testing.T, cfg porttest.Config) (*port.Client, *porttest.Server) {
	t.Helper()
	server := porttest.NewServer(cfg)
	t.Cleanup(server.Close)
	return clientOf(t, server, port.Config{}), server
}

func clientOf(t *testing.T, server *porttest.Server, cfg port.Config) *port.Client {
	t.Helper()
	if cfg.ClientID == "" {
		cfg.ClientID, cfg.ClientSecret = "client", "secret"
	}
	cfg.BaseURL = server.URL() + "/"
	m := agent.NewMetrics(prometheus.NewRegistry(), "test")
	client, err := port.New(cfg, "port-agent/test", m, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func TestReportOfActionRun(t *testing.T) {
	t.Parallel()
	client, server := newClient(t, porttest.Config{})
	err := client.Log(t.Context(), "r_1", []agent.LogLine{{Level: agent.LevelInfo, Message: "one"}, {Level: agent.LevelError, Message: "two"}})
	if err != nil {
		t.Fatal(err)
	}
	err = client.Report(t.Context(), "r_1", agent.Report{
		Status: agent.StatusFailure, Summary: "went <wrong>", Link: []string{"https://a", "https://b"},
		ExternalRunID: "7", StatusLabel: "broken", HasResponse: true, Response: map[string]any{"n": 1, "html": "<b>"},
	})
	if err != nil {
		t.Fatal(err)
	}
	run, _ := server.Run("r_1")
	if got, want := run.Routes(), []string{porttest.RouteLog, porttest.RouteResponse, porttest.RouteStatus}; !slices.Equal(got, want) {
		t.Errorf("calls: got %q, want %q", got, want)
	}
	if got, want := run.Messages(), []string{"one\ntwo"}; !slices.Equal(got, want) {
		t.Errorf("log: got %q, want %q", got, want)
	}
	if got, want := string(run.Response), `{"html":"<b>","n":1}`; got != want {
		t.Errorf("response: got %s, want %s", got, want)
	}
	if run.Status != "FAILURE" || run.Summary != "went <wrong>" || run.ExternalRunID != "7" || run.StatusLabel != "broken" || !slices.Equal(run.Links, []string{"https://a", "https://b"}) {
		t.Errorf("run: got %+v", run)
	}
}

func TestReportOfNodeRun(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		rep        agent.Report
		want       string // the body of the status call; empty: none is made
		wantResult string
	}{
		{"goes on", agent.Report{Link: "https://a"}, "", ""},
		{"succeeded", agent.Report{Status: "SUCCESS", HasResponse: true, Response: "ok", StatusCode: 201},
			`{"output":{"response":{"data":"ok","status":201}},"result":"SUCCESS","status":"COMPLETED"}`, "SUCCESS"},
		{"failed", agent.Report{Status: "FAILURE"}, `{"result":"FAILED","status":"COMPLETED"}`, "FAILED"},
		{"failed for a reason", agent.Report{Status: "FAILURE", Summary: "no", HasResponse: true, StatusCode: 500},
			`{"output":{"response":{"data":null,"status":500},"summary":"no"},"result":"FAILED","status":"COMPLETED"}`, "FAILED"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			client, server := newClient(t, porttest.Config{})
			server.AddRun("wfnr_1")
			lines := []agent.LogLine{{Level: agent.LevelInfo, Message: "one"}, {Level: agent.LevelError, Message: "two"}}
			if err := errors.Join(client.Log(t.Context(), "wfnr_1", lines), client.Report(t.Context(), "wfnr_1", test.rep)); err != nil {
				t.Fatal(err)
			}
			run, _ := server.Run("wfnr_1")
			if got, want := run.Messages(), []string{"one", "two"}; !slices.Equal(got, want) {
				t.Errorf("log: got %q, want %q", got, want)
			}
			var body json.RawMessage
			if len(run.History) > 1 {
				body = run.History[1].Body
			}
			if got := string(body); got != test.want {
				t.Errorf("status call: got %s, want %s", got, test.want)
			}
			if run.Result != test.wantResult {
				t.Errorf("result: got %q, want %q", run.Result, test.wantResult)
			}
		})
	}
}
