package port_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"port-agent/agent"
	"port-agent/agent/port/porttest"
)

var someLines = []agent.LogLine{{Level: agent.LevelInfo, Message: "one"}, {Level: agent.LevelError, Message: "two"}}

func TestReportOfActionRun(t *testing.T) {
	t.Parallel()
	f := newFixture(t, porttest.Config{})
	if err := f.Log(t.Context(), "r_1", someLines); err != nil {
		t.Fatal(err)
	}
	err := f.Report(t.Context(), "r_1", agent.Report{
		Status: agent.StatusFailure, Summary: "went <wrong>", Link: []string{"https://a", "https://b"},
		ExternalRunID: "7", StatusLabel: "broken", Response: json.RawMessage(`{"html": "<b>", "n": 1.0}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	run := f.run(t, "r_1")
	if got, want := run.Routes(), []string{porttest.RouteLog, porttest.RouteResponse, porttest.RouteStatus}; !slices.Equal(got, want) {
		t.Errorf("calls: got %q, want %q", got, want)
	}
	if got, want := run.Messages(), []string{"one\ntwo"}; !slices.Equal(got, want) {
		t.Errorf("log: got %q, want %q", got, want)
	}
	if got, want := string(run.Response), `{"html": "<b>", "n": 1.0}`; got != want {
		t.Errorf("response: got %s, want %s", got, want)
	}
	if run.Status != "FAILURE" || run.Summary != "went <wrong>" || run.ExternalRunID != "7" || run.StatusLabel != "broken" ||
		!slices.Equal(run.Links, []string{"https://a", "https://b"}) {
		t.Errorf("run: got %+v", run)
	}
}

func TestReportSendsNoMoreThanIsThere(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		rep  agent.Report
		want []string // bodies
	}{
		{"nothing", agent.Report{}, nil},
		{"empty link", agent.Report{Link: ""}, nil},
		{"one link", agent.Report{Link: "https://a?b&c"}, []string{`{"link":"https://a?b&c"}`}},
		{"status", agent.Report{Status: "SUCCESS", StatusCode: 200}, []string{`{"status":"SUCCESS"}`}},
		{"big number", agent.Report{Response: json.RawMessage(`[12345678901234567890]`)}, []string{`{"response":[12345678901234567890]}`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, porttest.Config{})
			f.server.AddRun("r_1")
			if err := f.Report(t.Context(), "r_1", test.rep); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, c := range f.run(t, "r_1").History {
				got = append(got, string(c.Body))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
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
		{"succeeded", agent.Report{Status: "SUCCESS", Response: json.RawMessage(`"ok"`), StatusCode: 201},
			`{"output":{"response":{"data":"ok","status":201}},"result":"SUCCESS","status":"COMPLETED"}`, "SUCCESS"},
		{"succeeded without a body", agent.Report{Status: "SUCCESS", StatusCode: 204},
			`{"output":{"response":{"data":null,"status":204}},"result":"SUCCESS","status":"COMPLETED"}`, "SUCCESS"},
		{"failed", agent.Report{Status: "FAILURE"}, `{"result":"FAILED","status":"COMPLETED"}`, "FAILED"},
		{"failed for a reason", agent.Report{Status: "FAILURE", Summary: "no", StatusCode: 500},
			`{"output":{"response":{"data":null,"status":500},"summary":"no"},"result":"FAILED","status":"COMPLETED"}`, "FAILED"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, porttest.Config{})
			if err := errors.Join(f.Log(t.Context(), "wfnr_1", someLines), f.Report(t.Context(), "wfnr_1", test.rep)); err != nil {
				t.Fatal(err)
			}
			run := f.run(t, "wfnr_1")
			if got, want := run.Messages(), []string{"one", "two"}; !slices.Equal(got, want) {
				t.Errorf("log: got %q, want %q", got, want)
			}
			var body string
			if len(run.History) > 1 {
				body = string(run.History[1].Body)
			}
			if body != test.want || run.Result != test.wantResult {
				t.Errorf("got %s with result %q, want %s with %q", body, run.Result, test.want, test.wantResult)
			}
		})
	}
}

// Whatever goes wrong on the way, the status is repeated until it is accepted.
func TestReportIsRepeated(t *testing.T) {
	t.Parallel()
	now := time.Now()
	tests := []struct {
		name  string
		fault porttest.Fault
		least time.Duration // until the report is accepted
		most  time.Duration
	}{
		{"500", porttest.Fault{Times: 3, Status: 500}, 1750 * time.Millisecond, 3600 * time.Millisecond},
		// Port tells the end of its window in every answer, which says nothing of when it works again.
		{"500 in a window", porttest.Fault{Times: 1, Status: 500, Header: http.Header{"X-Ratelimit-Reset": {"290"}}}, 0, time.Second},
		{"503 for a while", porttest.Fault{Times: 1, Status: 503, Header: http.Header{"Retry-After": {"7"}}}, 7 * time.Second, 8 * time.Second},
		{"408", porttest.Fault{Times: 1, Status: 408}, 0, time.Second},
		{"connection closed", porttest.Fault{Times: 2, Refuse: true}, 750 * time.Millisecond, 2 * time.Second},
		{"answer lost", porttest.Fault{Times: 1, LoseAnswer: true}, 0, time.Second},
		{"page of a proxy", porttest.Fault{Times: 2, HTML: true}, 750 * time.Millisecond, 2 * time.Second},
		{"text of a proxy", porttest.Fault{Times: 1, Status: 200, Body: "please log in"}, 0, time.Second},
		{"redirect", porttest.Fault{Times: 1, Status: 302, Header: http.Header{"Location": {"/login"}}}, 0, time.Second},
		{"no answer", porttest.Fault{Times: 1, Hang: true}, 10 * time.Second, 11 * time.Second},
		{"429 for seconds", porttest.Fault{Times: 1, Status: 429, Header: http.Header{"Retry-After": {"20"}}}, 20 * time.Second, 22 * time.Second},
		{"429 until an epoch", porttest.Fault{Times: 1, Status: 429, Header: http.Header{"X-Ratelimit-Reset": {"946684830"}}}, 30 * time.Second, 32 * time.Second},
		{"429 until an epoch on another clock", porttest.Fault{Times: 1, Status: 429, Header: http.Header{
			"X-Ratelimit-Reset": {strconv.FormatInt(now.Unix()+40, 10)}, "Date": {now.UTC().Format(http.TimeFormat)}}}, 40 * time.Second, 42 * time.Second},
		{"429 until seconds from now", porttest.Fault{Times: 1, Status: 429, Header: http.Header{"X-Ratelimit-Reset": {"30"}}}, 30 * time.Second, 32 * time.Second},
		{"429 until a date", porttest.Fault{Times: 1, Status: 429, Header: http.Header{"Retry-After": {"Sat, 01 Jan 2000 00:00:50 GMT"}}}, 50 * time.Second, 52 * time.Second},
		{"429", porttest.Fault{Times: 1, Status: 429}, time.Second, 2 * time.Second},
		{"429 for ever", porttest.Fault{Times: 1, Status: 429, Header: http.Header{"Retry-After": {"1e99"}}}, 10 * time.Minute, 11 * time.Minute},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, porttest.Config{})
				f.server.AddRun("r_1")
				f.server.Fault(porttest.RouteStatus, test.fault)
				begun := time.Now()
				if err := f.Report(t.Context(), "r_1", agent.Report{Status: agent.StatusSuccess}); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(begun); took < test.least || took > test.most {
					t.Errorf("took %s, want between %s and %s", took, test.least, test.most)
				}
				if run := f.run(t, "r_1"); !run.Succeeded() || run.Calls != test.fault.Times+1 {
					t.Errorf("got status %s after %d calls, want SUCCESS after %d", run.Status, run.Calls, test.fault.Times+1)
				}
				if got := f.reports("status", "retried"); got != test.fault.Times {
					t.Errorf("retried: got %d, want %d", got, test.fault.Times)
				}
				if got := f.reports("status", "accepted"); got != 1 {
					t.Errorf("accepted: got %d, want 1", got)
				}
			})
		})
	}
}

func TestReportRefusedForGood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, porttest.Config{})
		f.server.Fault(porttest.RouteResponse, porttest.Fault{Status: 413, Body: strings.Repeat("long ", 1000)})
		err := f.Report(t.Context(), "r_1", agent.Report{Status: agent.StatusSuccess, Response: json.RawMessage(`"big"`), Lines: someLines})
		if !errors.Is(err, agent.ErrRejected) {
			t.Fatalf("got %v, want an error that wraps ErrRejected", err)
		}
		text := err.Error()
		if !strings.Contains(text, "answered 413") || !strings.Contains(text, "trace-of-a-fault") || len(text) > 700 {
			t.Errorf("got %q, want the status, the trace id and a short body", text)
		}
		if run := f.run(t, "r_1"); !run.Succeeded() {
			t.Errorf("got status %s, want SUCCESS although the response was refused", run.Status)
		} else if got, want := strings.Join(run.Messages(), ""), "one\nLeft out: response. Port answered 413: Request Entity Too Large.\ntwo"; got != want {
			t.Errorf("log: got %q, want %q", got, want)
		}
		if got := f.reports("response", "refused"); got != 1 {
			t.Errorf("refused: got %d, want 1", got)
		}
		if got := strings.Count(f.log.String(), "trace-of-a-fault"); got != 1 {
			t.Errorf("logged: got %d times, want once", got)
		}
	})
}

func TestReportOfARunThatHasEnded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("long ", 10_000)
	for _, body := range []string{
		"", // the stand-in's own answer
		`{"ok":false,"error":"run_exhausted","message":"` + long + `"}`,
		`{"ok":false,"error":"invalid_request","message":"Node run was already completed"}`,
	} {
		for run, route := range map[string]string{"r_1": porttest.RouteStatus, "wfnr_1": porttest.RouteNodeStatus} {
			f := newFixture(t, porttest.Config{})
			f.server.End(run, porttest.Completed)
			if body != "" {
				f.server.Fault(route, porttest.Fault{Status: 422, Body: body})
			}
			if err := f.Log(t.Context(), run, someLines); err != nil {
				t.Errorf("log of %s: got %v, want none", run, err)
			}
			if err := f.Report(t.Context(), run, agent.Report{Status: agent.StatusFailure}); !errors.Is(err, agent.ErrRunEnded) {
				t.Errorf("report of %s: got %v, want ErrRunEnded", run, err)
			}
			if got := f.reports("status", "accepted"); got != 1 {
				t.Errorf("accepted: got %d, want 1", got)
			}
		}
	}
	f := newFixture(t, porttest.Config{})
	f.server.Fault(porttest.RouteStatus, porttest.Fault{Status: 422, Body: `{"ok":false,"error":"invalid_request"}`})
	if err := f.Report(t.Context(), "r_1", agent.Report{Status: agent.StatusFailure}); !errors.Is(err, agent.ErrRejected) {
		t.Errorf("422 for another reason: got %v, want ErrRejected", err)
	}
}

func TestReportEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, porttest.Config{})
		f.server.Fault(porttest.RouteStatus, porttest.Fault{Hang: true})
		stop := errors.New("time is up")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 25*time.Second, stop)
		defer cancel()
		begun := time.Now()
		err := f.Report(ctx, "r_1", agent.Report{Status: agent.StatusFailure})
		if !errors.Is(err, stop) || errors.Is(err, agent.ErrRejected) {
			t.Errorf("got %v, want the cause and no rejection", err)
		}
		if took := time.Since(begun); took != 25*time.Second {
			t.Errorf("took %s, want 25s", took)
		}
		if got := f.reports("status", "dropped"); got != 1 {
			t.Errorf("dropped: got %d, want 1", got)
		}
	})
}

// The last lines of a run and its status are one call; what else its page shows
// is one before.
func TestCallsPerRun(t *testing.T) {
	t.Parallel()
	synchronous := agent.Report{Status: agent.StatusSuccess, Response: json.RawMessage(`"ok"`), StatusCode: 200, Lines: someLines}
	full := synchronous
	full.Link, full.Summary, full.StatusLabel = "https://a", "fine", "Done"
	node := synchronous
	node.Lines = nil
	tests := []struct {
		name, run string
		rep       agent.Report
		want      []string
	}{
		{"asynchronous", "r_1", agent.Report{}, []string{porttest.RouteLog}},
		{"synchronous", "r_1", synchronous, []string{porttest.RouteResponse, porttest.RouteLog}},
		{"synchronous with link and summary", "r_1", full, []string{porttest.RouteResponse, porttest.RouteStatus, porttest.RouteLog}},
		{"asynchronous node run", "wfnr_1", agent.Report{}, []string{porttest.RouteNodeLog}},
		{"synchronous node run", "wfnr_1", node, []string{porttest.RouteNodeLog, porttest.RouteNodeStatus}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, porttest.Config{})
			if len(test.rep.Lines) == 0 {
				if err := f.Log(t.Context(), test.run, someLines); err != nil {
					t.Fatal(err)
				}
			}
			if err := f.Report(t.Context(), test.run, test.rep); err != nil {
				t.Fatal(err)
			}
			run := f.run(t, test.run)
			if got := run.Routes(); !slices.Equal(got, test.want) {
				t.Errorf("calls: got %q, want %q", got, test.want)
			}
			if run.Succeeded() != (test.rep.Status != "") || run.StatusLabel != test.rep.StatusLabel || run.Summary != test.rep.Summary {
				t.Errorf("got %+v, want what was reported", run)
			}
		})
	}
}

// The line that carries the status is repeated until Port takes it.
func TestStatusWithItsLineIsRepeated(t *testing.T) {
	t.Parallel()
	for _, fault := range []porttest.Fault{
		{Times: 3, Status: 500}, {Times: 1, Hang: true}, {Times: 1, LoseAnswer: true}, {Times: 2, Status: 429}, {Times: 2, HTML: true}, {Times: 2, Refuse: true},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t, porttest.Config{})
			f.server.AddRun("r_1")
			f.server.Fault(porttest.RouteLog, fault)
			if err := f.Report(t.Context(), "r_1", agent.Report{Status: agent.StatusFailure, Lines: someLines}); err != nil {
				t.Fatal(err)
			}
			run := f.run(t, "r_1")
			if got, want := run.Messages(), []string{"one\ntwo"}; !slices.Equal(got, want) || run.Status != "FAILURE" || run.Calls != fault.Times+1 {
				t.Errorf("%+v: got log %q, status %s, %d calls; want it once, FAILURE, %d", fault, got, run.Status, run.Calls, fault.Times+1)
			}
		})
	}
}

// Where Port takes no status with a line for a kind of run, line and status are
// two calls, from the second run of that kind on without asking again.
func TestStatusApartFromItsLine(t *testing.T) {
	t.Parallel()
	f := newFixture(t, porttest.Config{})
	f.server.Fault(porttest.RouteLog, porttest.Fault{Times: 1, Status: 422, Body: `{"ok":false,"error":"run_synchronized_error"}`})
	report := func(run, kind string) []string {
		f.server.AddRun(run)
		err := f.Report(t.Context(), run, agent.Report{Status: agent.StatusSuccess, Lines: someLines, Kind: kind, StatusLabel: "Done"})
		got := f.run(t, run)
		if err != nil || !got.Succeeded() || got.StatusLabel != "Done" || !slices.Equal(got.Messages(), []string{"one\ntwo"}) {
			t.Errorf("run %s: got %v and %+v, want it ended with its line and label", run, err, got)
		}
		return got.Routes()
	}
	for _, run := range []struct {
		id, kind string
		want     []string
	}{
		{"r_1", "synchronized", []string{porttest.RouteLog, porttest.RouteLog, porttest.RouteStatus}},
		{"r_2", "synchronized", []string{porttest.RouteLog, porttest.RouteStatus}},
		{"r_3", "", []string{porttest.RouteLog}},
	} {
		if got := report(run.id, run.kind); !slices.Equal(got, run.want) {
			t.Errorf("run %s: got calls %q, want %q", run.id, got, run.want)
		}
	}
	if got := f.reports("status", "refused"); got != 0 {
		t.Errorf("refused: got %d, want 0: every run ended", got)
	}
	// A line alone that must not be lost is repeated whatever the kind.
	f.server.Fault(porttest.RouteLog, porttest.Fault{Times: 1, Status: 503})
	if err := f.Report(t.Context(), "r_4", agent.Report{Kind: "synchronized", Lines: someLines}); err != nil || len(f.run(t, "r_4").Messages()) != 1 {
		t.Errorf("a line alone: got %v, log %q", err, f.run(t, "r_4").Messages())
	}
}

// News of a run that goes on takes one call; what did not fit into it is left
// for the next one.
func TestProgress(t *testing.T) {
	t.Parallel()
	news := agent.Report{StatusLabel: "Running: Build", Link: "https://ci/7", ExternalRunID: "7", Lines: someLines}
	fields := agent.Report{Link: "https://ci/7", ExternalRunID: "7"}
	lines := agent.Report{StatusLabel: "Running: Build", ExternalRunID: "7", Lines: someLines}
	tests := []struct {
		name, run string
		news      agent.Report
		fault     porttest.Fault
		route     string // of the one call
		left      agent.Report
		want      error
	}{
		{"lines and a link", "r_1", news, porttest.Fault{}, porttest.RouteStatus, agent.Report{Lines: someLines}, nil},
		{"lines and a label", "r_1", lines, porttest.Fault{}, porttest.RouteLog, agent.Report{ExternalRunID: "7"}, nil},
		{"fields", "r_1", fields, porttest.Fault{}, porttest.RouteStatus, agent.Report{}, nil},
		{"label", "r_1", agent.Report{StatusLabel: "Queued"}, porttest.Fault{}, porttest.RouteStatus, agent.Report{}, nil},
		{"nothing", "r_1", agent.Report{}, porttest.Fault{}, "", agent.Report{}, nil},
		{"not taken now", "r_1", lines, porttest.Fault{Status: 500}, porttest.RouteLog, lines, errAny},
		{"refused for good", "r_1", lines, porttest.Fault{Status: 403}, porttest.RouteLog, agent.Report{ExternalRunID: "7"}, agent.ErrRejected},
		{"has ended", "r_ended", lines, porttest.Fault{}, porttest.RouteLog, agent.Report{ExternalRunID: "7"}, agent.ErrRunEnded},
		{"node run", "wfnr_1", news, porttest.Fault{}, porttest.RouteNodeLog, fields, nil},
		{"node run, fields", "wfnr_1", fields, porttest.Fault{}, "", agent.Report{}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, porttest.Config{})
			f.server.AddRun(test.run)
			if test.run == "r_ended" {
				f.server.End(test.run, "SUCCESS")
			}
			if test.fault.Status != 0 {
				f.server.Fault(porttest.All, porttest.Fault{Times: 1, Status: 200, Body: `{"accessToken":"t"}`}) // of the token
				f.server.Fault(porttest.All, test.fault)
			}
			left, err := f.Progress(t.Context(), test.run, test.news)
			if test.want == errAny && err == nil || test.want != errAny && !errors.Is(err, test.want) {
				t.Errorf("got error %v, want %v", err, test.want)
			}
			if !reflect.DeepEqual(left, test.left) {
				t.Errorf("left: got %+v, want %+v", left, test.left)
			}
			var want []string
			if test.route != "" {
				want = []string{test.route}
			}
			if run := f.run(t, test.run); !slices.Equal(run.Routes(), want) {
				t.Errorf("calls: got %q, want %q", run.Routes(), want)
			}
		})
	}
}

var errAny = errors.New("any error")

// A line of the log that must not be lost is repeated until Port takes it, of a
// run of either kind.
func TestReportOfALineAlone(t *testing.T) {
	t.Parallel()
	for run, route := range map[string]string{"r_1": porttest.RouteLog, "wfnr_1": porttest.RouteNodeLog} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t, porttest.Config{})
			f.server.Fault(route, porttest.Fault{Times: 3, Status: 503})
			if err := f.Report(t.Context(), run, agent.Report{Lines: someLines[:1]}); err != nil {
				t.Fatal(err)
			}
			if got := f.run(t, run); !slices.Equal(got.Messages(), []string{"one"}) || got.Ended() {
				t.Errorf("got %+v, want one line in the log of a run that goes on", got)
			}
		})
	}
}

// What is refused for one run alone says nothing of its kind.
func TestRunThatPortDoesNotKnow(t *testing.T) {
	t.Parallel()
	f := newFixture(t, porttest.Config{KnownOnly: true})
	rep := agent.Report{Status: agent.StatusSuccess, Lines: someLines}
	if err := f.Report(t.Context(), "r_1", rep); !errors.Is(err, agent.ErrRejected) {
		t.Errorf("got %v, want ErrRejected", err)
	}
	f.server.AddRun("r_2")
	if err := f.Report(t.Context(), "r_2", rep); err != nil {
		t.Fatal(err)
	}
	if got, want := f.run(t, "r_2").Routes(), []string{porttest.RouteLog}; !slices.Equal(got, want) {
		t.Errorf("the next run: got calls %q, want %q", got, want)
	}
}

// A run ends although Port refuses what its page should show, and its log says
// what was left out.
func TestRefusedFieldsDoNotKeepARunOpen(t *testing.T) {
	t.Parallel()
	const body = `{"ok":false,"error":"invalid_request","message":"no"}`
	full := agent.Report{Status: agent.StatusFailure, Link: "https://a", Summary: "went wrong", ExternalRunID: "7"}
	withLines := full
	withLines.Lines = someLines
	for name, rep := range map[string]agent.Report{"with lines": withLines, "without": full} {
		f := newFixture(t, porttest.Config{})
		f.server.AddRun("r_1")
		f.server.Fault(porttest.RouteStatus, porttest.Fault{Times: 1, Status: 422, Body: body})
		if err := f.Report(t.Context(), "r_1", rep); err != nil {
			t.Errorf("%s: got %v", name, err)
		}
		run := f.run(t, "r_1")
		const want = "Left out: externalRunId, link, summary. Port answered 422: invalid_request."
		if run.Status != "FAILURE" || !strings.Contains(strings.Join(run.Messages(), "\n"), want) {
			t.Errorf("%s: got status %s, log %q; want FAILURE, %q", name, run.Status, run.Messages(), want)
		}
		if !strings.Contains(f.log.String(), "report refused by port") {
			t.Errorf("%s: the agent's log is silent: %s", name, f.log.String())
		}
	}
}

func TestLogIsSentOnceOrDropped(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		fault   porttest.Fault
		outcome string
		wantErr bool
	}{
		{"500", porttest.Fault{Times: 1, Status: 500}, "dropped", true},
		{"429", porttest.Fault{Times: 1, Status: 429}, "dropped", true},
		{"no answer", porttest.Fault{Times: 1, Hang: true}, "dropped", true},
		{"403", porttest.Fault{Times: 1, Status: 403}, "refused", true},
		{"page of a proxy", porttest.Fault{Times: 1, HTML: true}, "dropped", true},
		{"accepted", porttest.Fault{Times: 1, Delay: time.Second}, "accepted", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, porttest.Config{})
				f.server.Fault(porttest.RouteLog, test.fault)
				begun := time.Now()
				err := f.Log(t.Context(), "r_1", someLines)
				if (err != nil) != test.wantErr {
					t.Errorf("got error %v, want one: %v", err, test.wantErr)
				}
				if took := time.Since(begun); took > 5*time.Second {
					t.Errorf("took %s: the run's status waits for that", took)
				}
				if got := f.server.Count(porttest.RouteLog); got != 1 {
					t.Errorf("attempts: got %d, want 1", got)
				}
				if got := f.reports("log", test.outcome); got != 1 {
					t.Errorf("%s: got %d, want 1", test.outcome, got)
				}
			})
		})
	}
}

func TestNoSecretInErrorsAndLogs(t *testing.T) {
	t.Parallel()
	for _, fault := range []porttest.Fault{
		{Status: 500}, {Status: 401}, {Status: 403}, {Status: 429}, {Refuse: true}, {HTML: true}, {Hang: true},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t, porttest.Config{})
			token, err := f.Token(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			f.server.Fault(porttest.All, fault)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			var text strings.Builder
			fmt.Fprintln(&text, f.Log(ctx, "r_1", someLines), f.Report(ctx, "r_1", agent.Report{Status: "SUCCESS"}))
			_, err = f.KafkaCredentials(ctx)
			fmt.Fprintln(&text, err, f.log.String())
			for _, secret := range []string{token, "secret"} {
				if strings.Contains(text.String(), `"`+secret) || strings.Contains(text.String(), "Bearer") || strings.Contains(text.String(), token) {
					t.Errorf("got %q, which holds %q", text.String(), secret)
				}
			}
		})
	}
}

// A response that is as large as it may be, with everything else that a report
// can hold, makes no call that Port finds too large.
func TestLargestReportFits(t *testing.T) {
	t.Parallel()
	text := strings.Repeat(`"`, 5000)
	lines := make([]agent.LogLine, 300)
	for i := range lines {
		lines[i] = agent.LogLine{Level: agent.LevelInfo, Message: text}
	}
	for _, run := range []string{"r_1", "wfnr_1"} {
		f := newFixture(t, porttest.Config{})
		err := f.Report(t.Context(), run, agent.Report{
			Status: agent.StatusFailure, Summary: text, StatusLabel: text, ExternalRunID: text, Link: "https://a/" + text[:4000],
			Response: json.RawMessage(`"` + strings.Repeat("x", 1<<20-64<<10-2) + `"`), StatusCode: 200, Lines: lines,
		})
		got := f.run(t, run)
		if log := strings.Join(got.Messages(), "\n"); err != nil || !got.Ended() || !strings.HasPrefix(log, "205 lines left out.") {
			t.Errorf("run %s: got %v, status %s, log %.100s", run, err, got.Status, log)
		}
		for _, c := range got.History {
			if c.Status/100 != 2 {
				t.Errorf("run %s: %s of %d bytes answered %d", run, c.Route, len(c.Body), c.Status)
			}
		}
	}
}
