package port_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"port-agent/agent"
	"port-agent/agent/port"
	"port-agent/agent/port/porttest"
)

func TestKafkaCredentials(t *testing.T) {
	t.Parallel()
	f := newFixture(t, porttest.Config{Kafka: &porttest.KafkaCredentials{Brokers: []string{"a:1", "b:2"}, Username: "u", Password: "p"}})
	got, err := f.KafkaCredentials(t.Context())
	if err != nil || got.Username != "u" || got.Password.Reveal() != "p" || !slices.Equal(got.Brokers, []string{"a:1", "b:2"}) {
		t.Errorf("got %+v and %v", got, err)
	}
}

func TestNoTopicProvisioned(t *testing.T) {
	t.Parallel()
	f := newFixture(t, porttest.Config{})
	if _, err := f.KafkaCredentials(t.Context()); !errors.Is(err, port.ErrNoTopic) {
		t.Errorf("got %v, want ErrNoTopic", err)
	}
}

// An outage of Port at start is waited out for a while, and named after it.
func TestStartWithoutPort(t *testing.T) {
	t.Parallel()
	for _, fault := range []porttest.Fault{{Refuse: true}, {Hang: true}, {Status: 502}, {HTML: true}} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t, porttest.Config{})
			f.server.Fault(porttest.All, fault)
			begun := time.Now()
			_, err := f.KafkaCredentials(t.Context())
			if took := time.Since(begun); err == nil || took > time.Minute {
				t.Errorf("%+v: got %v after %s, want an error within a minute", fault, err, took)
			}
			if log := f.log.String(); !strings.Contains(log, `"retry_in_ms":`) || strings.Contains(log, `"run":`) {
				t.Errorf("%+v: the log is %s, want when the call is repeated, and no run", fault, log)
			}
			f.server.ClearFaults()
			f.server.Fault("GET /v1/organization", porttest.Fault{Times: 2, Status: 502})
			time.Sleep(time.Minute) // until a token may be asked for again
			if got, err := f.Organization(t.Context()); err != nil || got != "org" {
				t.Errorf("%+v: got %q and %v, want org", fault, got, err)
			}
		})
	}
}

func TestOrganization(t *testing.T) {
	t.Parallel()
	f := newFixture(t, porttest.Config{OrgID: "org_1"})
	if got, err := f.Organization(t.Context()); err != nil || got != "org_1" {
		t.Errorf("got %q and %v, want org_1", got, err)
	}
	client, _ := f.client(t, port.Config{ClientID: "client", ClientSecret: "secret", OrgID: "org_2"})
	if got, err := client.Organization(t.Context()); err != nil || got != "org_2" {
		t.Errorf("got %q and %v, want org_2 as set", got, err)
	}
	if got := f.server.Count("GET /v1/organization"); got != 1 {
		t.Errorf("calls: got %d, want 1", got)
	}
}

func TestSetStreamer(t *testing.T) {
	t.Parallel()
	f := newFixture(t, porttest.Config{})
	if err := f.SetStreamer(t.Context(), port.StreamerPolling); err != nil || f.server.Streamer() != "POLLING" {
		t.Errorf("got %q and %v, want POLLING", f.server.Streamer(), err)
	}
	f.server.Fault("PATCH /v1/organization", porttest.Fault{Status: 403})
	if err := f.SetStreamer(t.Context(), port.StreamerKafka); err == nil {
		t.Error("refused: got no error")
	}
}

func TestLookup(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, run, status string
		want              agent.RunState
	}{
		{"goes on", "r_1", "", agent.RunState{Status: "IN_PROGRESS", Logs: []string{"one\ntwo"}}},
		{"succeeded", "r_1", "SUCCESS", agent.RunState{Status: "SUCCESS", Ended: true}},
		{"declined", "r_1", "DECLINED", agent.RunState{Status: "DECLINED", Ended: true}},
		{"node run goes on", "wfnr_1", "", agent.RunState{Status: "IN_PROGRESS", Logs: []string{"one", "two"}}},
		{"node run ended", "wfnr_1", "COMPLETED", agent.RunState{Status: "COMPLETED", Ended: true}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, porttest.Config{})
			if err := f.Log(t.Context(), test.run, someLines); err != nil {
				t.Fatal(err)
			}
			if test.status != "" {
				f.server.End(test.run, test.status)
			}
			got, err := f.Lookup(t.Context(), test.run)
			if err != nil || got.Status != test.want.Status || got.Ended != test.want.Ended || !slices.Equal(got.Logs, test.want.Logs) {
				t.Errorf("got %+v and %v, want %+v", got, err, test.want)
			}
		})
	}
}

// A log that Port cannot give does not keep an interrupted run waiting for ever.
func TestLookupWithoutALog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, porttest.Config{})
		f.server.AddRun("r_1")
		f.server.Fault(porttest.RouteLogs, porttest.Fault{Status: 500})
		got, err := f.Lookup(t.Context(), "r_1")
		if err != nil || got.Status != porttest.InProgress || got.Ended || len(got.Logs) != 0 {
			t.Errorf("got %+v and %v, want the run in progress and no log", got, err)
		}
		if calls := f.server.Count(porttest.RouteLogs); calls < 3 || calls > 10 {
			t.Errorf("asked for the log %d times, want it tried a few times", calls)
		}
	})
}

func TestPassing(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		fault porttest.Fault
		want  bool
	}{
		{"not reached", porttest.Fault{Refuse: true}, true},
		{"500", porttest.Fault{Status: 500}, true},
		{"429", porttest.Fault{Status: 429}, true},
		{"403", porttest.Fault{Status: 403}, false},
		{"no id", porttest.Fault{Status: 200, Body: `{"organization":{}}`}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, porttest.Config{})
				f.server.Fault("GET /v1/organization", test.fault)
				_, err := f.Organization(t.Context())
				if err == nil || port.Passing(err) != test.want {
					t.Errorf("%v: passing is %t, want %t", err, port.Passing(err), test.want)
				}
			})
		})
	}
}

func TestLookupReadsWhatThereIs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, run, body string
		want            agent.RunState
	}{
		{"logs in the run", "r_1", `{"run":{"status":"IN_PROGRESS","logs":[{"message":"a"}]}}`, agent.RunState{Status: "IN_PROGRESS", Logs: []string{"a"}}},
		{"node run", "wfnr_1", `{"nodeRun":{"status":"COMPLETED"}}`, agent.RunState{Status: "COMPLETED", Ended: true}},
		{"node run logs", "wfnr_1", `{"nodeRun":{"status":"IN_PROGRESS","nodeRunLogs":[{"message":"a"}]}}`, agent.RunState{Status: "IN_PROGRESS", Logs: []string{"a"}}},
		{"without an envelope", "wfnr_1", `{"status":"IN_PROGRESS"}`, agent.RunState{Status: "IN_PROGRESS"}},
		{"logs of another form", "r_1", `{"run":{"status":"IN_PROGRESS","logs":{"message":"a"}}}`, agent.RunState{Status: "IN_PROGRESS"}},
		{"ended by its time", "r_1", `{"run":{"status":"NEW","endedAt":"2026-01-01T00:00:00Z"}}`, agent.RunState{Status: "NEW", Ended: true}},
		{"its time", "r_1", `{"run":{"status":"NEW","createdAt":"2026-01-01T10:00:00.5Z","endedAt":"2026-01-01T00:00:00Z"}}`,
			agent.RunState{Status: "NEW", Ended: true, Created: time.Date(2026, 1, 1, 10, 0, 0, 5e8, time.UTC)}},
		{"its time of another form", "r_1", `{"run":{"status":"IN_PROGRESS","createdAt":17}}`, agent.RunState{Status: "IN_PROGRESS"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, porttest.Config{})
			for _, route := range []string{porttest.RouteRun, porttest.RouteNode} {
				f.server.Fault(route, porttest.Fault{Status: 200, Body: test.body})
			}
			for _, route := range []string{porttest.RouteLogs, porttest.RouteNodeLogs} {
				f.server.Fault(route, porttest.Fault{Status: 404})
			}
			got, err := f.Lookup(t.Context(), test.run)
			if err != nil || got.Status != test.want.Status || got.Ended != test.want.Ended || !slices.Equal(got.Logs, test.want.Logs) || !got.Created.Equal(test.want.Created) {
				t.Errorf("got %+v and %v, want %+v", got, err, test.want)
			}
		})
	}
}

// An answer that nothing can be made of stays one, however often it is asked
// for.
func TestLookupOfAnotherForm(t *testing.T) {
	t.Parallel()
	f := newFixture(t, porttest.Config{})
	f.server.Fault(porttest.RouteRun, porttest.Fault{Status: 200, Body: `[1]`})
	if _, err := f.Lookup(t.Context(), "r_1"); !errors.Is(err, agent.ErrRejected) {
		t.Errorf("run: got %v, want an error that wraps ErrRejected", err)
	}
	f.server.ClearFaults()
	f.server.Fault(porttest.RouteLogs, porttest.Fault{Status: 200, Body: `[1]`})
	if got, err := f.Lookup(t.Context(), "r_1"); err != nil || got.Status != "IN_PROGRESS" || got.Logs != nil {
		t.Errorf("log: got %+v and %v, want the run without a log", got, err)
	}
}

func TestLookupOfAnUnknownRun(t *testing.T) {
	t.Parallel()
	f := newFixture(t, porttest.Config{KnownOnly: true})
	if _, err := f.Lookup(t.Context(), "r_1"); !errors.Is(err, agent.ErrRejected) {
		t.Errorf("got %v, want an error that wraps ErrRejected", err)
	}
}

func TestLookupOutlastsAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, porttest.Config{})
		f.server.AddRun("r_1")
		f.server.Fault(porttest.RouteRun, porttest.Fault{Times: 10, Status: 503})
		f.server.Fault(porttest.RouteLogs, porttest.Fault{Times: 10, Refuse: true})
		if _, err := f.Lookup(t.Context(), "r_1"); err != nil {
			t.Error(err)
		}
	})
}

func TestClaims(t *testing.T) {
	t.Parallel()
	f := newFixture(t, porttest.Config{})
	for _, id := range []string{"r_1", "r_2", "r_3"} {
		if err := errors.Join(f.server.Enqueue(id, map[string]any{"url": "https://a"}), f.server.EnqueueNode("wfn"+id, map[string]any{"url": "https://b"})); err != nil {
			t.Fatal(err)
		}
	}
	runs, err := f.Claim(t.Context(), 2, false)
	if err != nil || len(runs) != 2 || runs[0].ID != "r_1" || string(runs[1].Body) != `{"url":"https://a"}` || time.Until(runs[0].Until) < time.Minute {
		t.Errorf("runs: got %+v and %v", runs, err)
	}
	if runs, err := f.Claim(t.Context(), 2, false); err != nil || len(runs) != 1 {
		t.Errorf("claimed again: got %+v and %v, want the one that is left", runs, err)
	}
	nodes, err := f.Claim(t.Context(), 1, true)
	if err != nil || len(nodes) != 1 || nodes[0].ID != "wfnr_1" || string(nodes[0].Body) != `{"url":"https://b"}` {
		t.Errorf("node runs: got %+v and %v", nodes, err)
	}
	for i, want := range []bool{true, false} {
		for _, run := range []string{"r_1", "r_2", "wfnr_1"} {
			if got, err := f.Ack(t.Context(), run); got != want || err != nil {
				t.Errorf("ack %d of %s: got %v and %v, want %v", i, run, got, err, want)
			}
		}
	}
}

// A 403 to what only an organisation's agent asks for names its usual causes.
func TestForbiddenNamesTheUsualCauses(t *testing.T) {
	t.Parallel()
	f := newFixture(t, porttest.Config{})
	f.server.Fault(porttest.RouteKafka, porttest.Fault{Status: http.StatusForbidden})
	f.server.Fault(porttest.RouteClaim, porttest.Fault{Status: http.StatusForbidden})
	_, kafka := f.KafkaCredentials(t.Context())
	_, claim := f.Claim(t.Context(), 1, false)
	f.server.Fault(porttest.RouteToken, porttest.Fault{Status: http.StatusUnauthorized})
	f.server.ExpireTokens()
	_, token := f.Organization(t.Context())
	for name, test := range map[string]struct {
		err  error
		want []string
	}{
		"kafka": {kafka, []string{"answered 403", "a person's", "https://api.us.getport.io", "PORT_API_BASE_URL"}},
		"claim": {claim, []string{"answered 403", "a person's", "https://api.us.getport.io", "PORT_API_BASE_URL"}},
		"token": {token, []string{"answered 401", "PORT_CLIENT_SECRET", "https://api.us.getport.io", "PORT_API_BASE_URL"}},
	} {
		for _, want := range test.want {
			if !strings.Contains(fmt.Sprint(test.err), want) {
				t.Errorf("%s: got %v, want it to name %s", name, test.err, want)
			}
		}
	}
}

// The runs that go on come in pages; only those for agents are given.
func TestActiveRuns(t *testing.T) {
	t.Parallel()
	f := newFixture(t, porttest.Config{})
	var want []string
	for i := range 2300 {
		run := fmt.Sprintf("r_%d", i)
		if err := f.server.Enqueue(run, map[string]any{"type": "WEBHOOK", "agent": i%2 == 0}); err != nil {
			t.Fatal(err)
		}
		switch {
		case i%10 == 0:
			f.server.End(run, "SUCCESS")
		case i%2 == 0:
			want = append(want, run)
		}
	}
	runs, err := f.ActiveRuns(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range slices.Backward(runs) {
		got = append(got, r.ID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %d runs, want %d", len(got), len(want))
	}
	if n := f.server.Count(porttest.RouteRuns); n != 3 {
		t.Errorf("calls: got %d, want 3", n)
	}
}

// Of a log in either order the last line is the last that was written.
func TestRunLogInOrder(t *testing.T) {
	t.Parallel()
	for _, order := range []string{"2026-01-01T00:00:02Z 2026-01-01T00:00:01Z", "2026-01-01T00:00:01.5+02:00 2026-01-01T00:00:01.4+02:00"} {
		f := newFixture(t, porttest.Config{})
		second, first, _ := strings.Cut(order, " ")
		f.server.Fault(porttest.RouteLogs, porttest.Fault{Status: 200, Body: `{"ok":true,"runLogs":[{"message":"b","createdAt":"` + second + `"},{"message":"a","createdAt":"` + first + `"}]}`})
		if got, err := f.RunLog(t.Context(), "r_1"); err != nil || !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("got %q, %v; want a, b", got, err)
		}
	}
}
