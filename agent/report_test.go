package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"port-agent/agent/redact"
	"port-agent/invoker"
	"port-agent/invoker/wire"
	"port-agent/transform"
)

// What Port is told of a run, by its kind, its answer and its rule's report.
func TestReport(t *testing.T) {
	sync := []any{synchronized, true}
	link := func(_ context.Context, _ *invoker.Request) (*invoker.Response, error) {
		res := answered(201, `{}`)
		res.Link, res.ExternalRunID = "https://ci.internal/7", "7"
		return res, nil
	}
	const failed = "POST https://ci.internal/hook answered 500: boom"
	tests := []struct {
		name    string
		mapping string
		members []any
		answer  answerFunc
		want    Report
	}{
		{"asynchronous, accepted", builtIn, nil, accepts(200, `{"a":1}`), Report{}},
		{"asynchronous, link and id of the backend", builtIn, nil, link, Report{Link: "https://ci.internal/7", ExternalRunID: "7"}},
		{"asynchronous, failed", builtIn, nil, says(500, "boom", 0), Report{Status: StatusFailure, Summary: failed}},
		{"asynchronous, no answer", builtIn, nil, fails(true, false), Report{Status: StatusFailure, Summary: "POST https://ci.internal/hook: connection refused"}},
		{"synchronous, JSON", builtIn, sync, accepts(200, `{"a":[1,12345678901234567890]}`),
			Report{Status: StatusSuccess, StatusCode: 200, Response: json.RawMessage(`{"a":[1,12345678901234567890]}`)}},
		{"synchronous, text", builtIn, sync, accepts(200, `it's done`), Report{Status: StatusSuccess, StatusCode: 200, Response: json.RawMessage(`"it's done"`)}},
		{"synchronous, null", builtIn, sync, accepts(200, `null`), Report{Status: StatusSuccess, StatusCode: 200, Response: json.RawMessage(`"null"`)}},
		{"synchronous, no body", builtIn, sync, accepts(204, ``), Report{Status: StatusSuccess, StatusCode: 204}},
		{"synchronous, failed", builtIn, sync, says(500, "boom", 0),
			Report{Status: StatusFailure, Summary: failed, StatusCode: 500, Response: json.RawMessage(`"boom"`)}},
		{"synchronous, no answer", builtIn, sync, fails(true, false), Report{Status: StatusFailure, Summary: "POST https://ci.internal/hook: connection refused"}},
		{"synchronous as text", builtIn, []any{synchronized, "true"}, accepts(204, ``), Report{Status: StatusSuccess, StatusCode: 204}},

		{"rule, every field", `[{"report": {"status": "\"SUCCESS\"", "link": ".response.json.link", "summary": "\"by \" + .body.payload.properties.service",
			"externalRunId": ".response.json.id", "statusLabel": ".request.method"}}]`, nil, accepts(200, `{"link":"https://x/1","id":12345678901234567890}`),
			Report{Status: StatusSuccess, Link: "https://x/1", Summary: "by cart", ExternalRunID: "12345678901234567890", StatusLabel: "POST"}},
		{"rule, null leaves the default", `[{"report": {"status": "null", "summary": ".response.json.none", "link": "empty"}}]`, nil, says(500, "boom", 0),
			Report{Status: StatusFailure, Summary: failed}},
		{"rule, a field fails", `[{"report": {"summary": ".body | tonumber", "externalRunId": ".response.statusCode"}}]`, nil, says(500, "boom", 0),
			Report{Status: StatusFailure, Summary: failed, ExternalRunID: "500"}},
		{"rule wins over the backend's link", `[{"report": {"link": "\"https://x/1\""}}]`, nil, link, Report{Link: "https://x/1", ExternalRunID: "7"}},
		{"rule, list of links", `[{"report": {"link": "[.response.json.a, null, 7]"}}]`, nil, accepts(200, `{"a":"https://x/1"}`), Report{Link: []string{"https://x/1"}}},
		{"rule, link that is no place to click", `[{"report": {"link": "\"javascript:alert(1)\""}}]`, nil, accepts(200, `{}`), Report{}},
		{"rule turns an answer into a failure", `[{"report": {"status": "if .response.json.ok then \"SUCCESS\" else \"FAILURE\" end", "summary": ".response.json.why"}}]`, sync,
			accepts(200, `{"ok":false,"why":"no room"}`),
			Report{Status: StatusFailure, Summary: "no room", StatusCode: 200, Response: json.RawMessage(`{"ok":false,"why":"no room"}`)}},
		{"rule turns a failure into a success", `[{"report": {"status": "\"success\"", "summary": "\"fine\""}}]`, nil, says(409, "exists", 0), Report{Status: StatusSuccess, Summary: "fine"}},
		{"rule leaves a synchronous run open", `[{"report": {"status": "\"IN_PROGRESS\""}}]`, sync, accepts(204, ``), Report{}},
		{"rule, unknown status", `[{"report": {"status": "\"DONE\""}}]`, sync, accepts(204, ``), Report{Status: StatusSuccess, StatusCode: 204}},
		{"rule without an answer", `[{"report": {"summary": "\"never\""}}]`, nil, fails(true, false), Report{Status: StatusFailure, Summary: "POST https://ci.internal/hook: connection refused"}},
	}
	for _, tt := range tests {
		for _, id := range []string{"r_1", "wfnr_1"} { // which of it a node run has a place for is the reporter's to know
			t.Run(tt.name+" "+id, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					f := newFixture(t, tt.mapping)
					f.backend.do = tt.answer
					f.settle(t, runEvent(t, id, tt.members...))
					if got := f.port.report(t, id); !reflect.DeepEqual(got, tt.want) {
						t.Errorf("got  %#v\nwant %#v", got, tt.want)
					}
					calls := f.port.kinds(id)
					want := "log report" // the run goes on
					switch {
					case tt.want.Empty():
						want = "log"
					case tt.want.Status != "" && !IsNodeRun(id):
						want = "report" // with the last line
					}
					if calls != want {
						t.Errorf("calls: got %s, want %s", calls, want)
					}
					if IsNodeRun(id) && strings.Count(calls, "report") > 1 {
						t.Errorf("calls: %s; want one report of a node run", calls)
					}
				})
			})
		}
	}
}

// Whatever keeps a request from being made, the run fails with a text that
// says why, nothing is sent and the event is settled.
func TestReportWithoutRequest(t *testing.T) {
	gitlab := []any{
		"payload.action.invocationMethod.type", "GITLAB", "payload.action.invocationMethod.groupName", "my-group/sub",
		"payload.action.invocationMethod.projectName", "shop",
	}
	tests := []struct {
		name, mapping string
		members       []any
		summary       string
		reason        string
	}{
		{"url fails", `[{"url": ".payload | tonumber"}]`, nil, "field url: ", reasonMapping},
		{"url is null", `[{"url": ".payload.none"}]`, nil, "field url: gave null", reasonMapping},
		{"method is no text", `[{"method": "7"}]`, nil, "field method: ", reasonMapping},
		{"unknown method", `[{"method": ".payload.properties.verb"}]`, []any{"payload.properties.verb", "BREW"}, `method "BREW" is not one of `, reasonMapping},
		{"header is an object", `[{"headers": {"X": ".payload"}}]`, nil, "field headers.X: ", reasonMapping},
		{"no URL", builtIn, []any{"payload.action.invocationMethod.url", nil}, "build request: ", reasonMapping},
		{"URL without a scheme", builtIn, []any{"payload.action.invocationMethod.url", "ci.internal"}, "the URL is not valid", reasonMapping},
		{"template in the URL", builtIn, []any{"payload.action.invocationMethod.url", "https://ci.internal/{{ .entity.id }}"}, "{{ .entity.id }}, which Port did not resolve", reasonMapping},
		{"template in a header", `[{"headers": {"X-Id": ".payload.properties.id"}}]`, []any{"payload.properties.id", "{{ .inputs.id }}"}, "header X-Id still holds {{ .inputs.id }}", reasonMapping},
		{"field not encrypted", `[{"fieldsToDecryptPaths": ["payload.properties.service"]}]`, nil, "decrypt payload.properties.service: ", reasonMapping},
		{"no GitLab token", builtIn, gitlab, "my-group_sub_shop", reasonMapping},
		{"no rule", `[{"enabled": false}]`, nil, "no rule matches", reasonNoRule},
	}
	for _, tt := range tests {
		for _, id := range []string{"r_1", "wfnr_1"} {
			t.Run(tt.name+" "+id, func(t *testing.T) {
				t.Parallel()
				f := newFixture(t, tt.mapping, func(c *Config) { c.OnNoMatch = "fail" })
				ev := runEvent(t, id, append([]any{synchronized, true}, tt.members...)...)
				f.settle(t, ev)
				got := f.port.report(t, id)
				if got.Status != StatusFailure || !strings.Contains(got.Summary, tt.summary) || got.Response != nil {
					t.Errorf("got %+v, want FAILURE with %q", got, tt.summary)
				}
				if n := len(f.backend.requests()); n != 0 || ledgerOf(ev).starts != 0 {
					t.Errorf("got %d requests, %d starts; want none", n, ledgerOf(ev).starts)
				}
				lines := f.port.messages(id)
				if len(lines) != 1 || !strings.HasPrefix(lines[0], "ERROR Invocation ended (FAILURE): ") || !strings.Contains(lines[0], tt.summary) {
					t.Errorf("run's log: got %q, want one line with %q", lines, tt.summary)
				}
				if got := f.count(t, "invocations_total", "backend", "none", "outcome", "failed", "reason", tt.reason); got != 1 {
					t.Errorf("counted as %s: %v, want 1", tt.reason, got)
				}
			})
		}
	}
}

// A claimed run that cannot be made a request of is reported only once Port has
// the ack, and left where somebody else has it.
func TestReportOfClaimedRunFollowsItsAck(t *testing.T) {
	for name, refusal := range map[string]error{"acked": nil, "somebody else's": errNetwork} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, `[{"url": ".none"}]`)
			ev := runEvent(t, "r_1")
			ev.Trusted = true
			ledgerOf(ev).onStart = func(context.Context) error {
				if got := f.port.kinds("r_1"); got != "" {
					t.Errorf("calls before the ack: %s", got)
				}
				return refusal
			}
			want := "report"
			if refusal != nil {
				want = ""
			}
			if err := f.Handle(t.Context(), ev); !errors.Is(err, refusal) {
				t.Errorf("got %v, want %v", err, refusal)
			}
			if got := f.port.kinds("r_1"); got != want || ledgerOf(ev).starts != 1 {
				t.Errorf("got calls %q, %d starts; want %q, 1", got, ledgerOf(ev).starts, want)
			}
		})
	}
}

// An expression that fails where the mapping can do without it is told in the
// run's log, counted, and fails nothing.
func TestReportTellsOfFailedExpressions(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `[{"headers": {"X-N": ".action | tonumber"}, "report": {"link": ".body.action | tonumber"}}]`)
	f.settle(t, runEvent(t, "r_1"))
	lines := f.port.messages("r_1")
	if len(lines) != 3 || !strings.HasPrefix(lines[0], "WARN Mapping: headers.X-N failed: ") ||
		!strings.HasPrefix(lines[1], "WARN Mapping: report.link failed: ") || !strings.HasPrefix(lines[2], "INFO Invocation ended") {
		t.Errorf("got %q, want two warnings and the last line", lines)
	}
	if got := f.port.kinds("r_1"); got != "log" {
		t.Errorf("calls: got %s, want log", got)
	}
	for _, field := range []string{"headers", "report"} {
		if got := f.count(t, "mapping_errors_total", "field", field); got != 1 {
			t.Errorf("%s counted %v, want 1", field, got)
		}
	}
}

// A report that Port refuses for good settles the event, one that it does not
// take leaves it; either way the backend is not asked again.
func TestReportNeverInvokesAgain(t *testing.T) {
	tests := []struct {
		name    string
		err     error
		settled bool
		calls   string
	}{
		{"refused for good", fmt.Errorf("%w: no such run", ErrRejected), true, "report"},
		{"not accepted", errors.New("port is away"), false, "report"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, builtIn)
			f.port.onReport = func(context.Context, string, Report) error { return tt.err }
			ev := runEvent(t, "r_1", synchronized, true)
			err := f.Handle(t.Context(), ev)
			if (err == nil) != tt.settled {
				t.Errorf("got %v, want it settled %t", err, tt.settled)
			}
			if n := len(f.backend.requests()); n != 1 {
				t.Errorf("got %d requests, want 1", n)
			}
			if got := f.port.kinds("r_1"); got != tt.calls {
				t.Errorf("calls: got %s, want %s", got, tt.calls)
			}
			if !ledgerOf(ev).marked() {
				t.Error("the mark of an event that was sent is gone")
			}
		})
	}
}

// Secrets of the event reach neither Port nor the log, and are forgotten when
// the event is settled.
func TestReportHoldsNoSecret(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `[{"fieldsToDecryptPaths": ["payload.properties.password"], "headers": {"Authorization": "\"Bearer \" + .payload.properties.password"},
		"body": {"p": ".payload.properties.password"},
		"report": {"summary": ".body.payload.properties.password", "link": "[\"https://x/?p=\" + .response.json.p]", "externalRunId": ".response.text", "statusLabel": ".request.headers.Authorization"}}]`,
		func(c *Config) { c.DetailedLogging = true })
	const secret = "hunter2-hunter2"
	f.backend.do = says(500, `{"p":"`+secret+`"}`, 0)
	f.settle(t, runEvent(t, "r_1", synchronized, true, "payload.properties.password", encrypted(t, secret)))
	if got := string(f.backend.requests()[0].Body); got != `{"p":"`+secret+`"}` {
		t.Errorf("body: got %s, want it with the decrypted value", got)
	}
	rep := f.port.report(t, "r_1")
	for name, text := range map[string]string{
		"report": fmt.Sprint(rep), "run's log": strings.Join(f.port.messages("r_1"), "\n"), "log": f.log.String(),
	} {
		if strings.Contains(text, secret) || !strings.Contains(text, redact.Mark) {
			t.Errorf("%s: want the secret redacted: %s", name, text)
		}
	}
	if got := f.Redactor.String("after " + secret); !strings.Contains(got, secret) {
		t.Errorf("the secret of a settled event is still known: %s", got)
	}
}

func TestReasonOf(t *testing.T) {
	t.Parallel()
	transport := func(sent, final bool, err error) error {
		return &wire.Error{Endpoint: "POST https://x", Sent: sent, Final: final, Err: err}
	}
	for _, tt := range []struct {
		err  error
		want string
	}{
		{nil, reasonOK},
		{fmt.Errorf("match: %w", transform.ErrNoRule), reasonNoRule},
		{&invoker.StatusError{StatusCode: 404}, reasonStatus4xx},
		{&invoker.StatusError{StatusCode: 503}, reasonStatus5xx},
		{&invoker.StatusError{StatusCode: 302}, reasonStatusOther},
		{fmt.Errorf("%w; the agent stopped", &invoker.StatusError{StatusCode: 503}), reasonStatus5xx},
		{transport(false, false, errNetwork), reasonConnect},
		{transport(true, false, errNetwork), reasonLost},
		{transport(true, false, context.DeadlineExceeded), reasonTimeout},
		{transport(false, true, errNetwork), reasonRefused},
		{interruptedError(errStopped, "x"), reasonInterrupted},
		{errors.New("map request"), reasonMapping},
	} {
		if got := reasonOf(outcome{err: tt.err}); got != tt.want {
			t.Errorf("%v: got %s, want %s", tt.err, got, tt.want)
		}
	}
}

// A change has no run: nothing is told, whatever came of it.
func TestReportOfChange(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, `[{"report": {"status": "\"SUCCESS\""}}]`)
		f.backend.do = inTurn(accepts(200, `{}`), takes(3*time.Second, says(500, "boom", 0)))
		for range 2 {
			f.settle(t, changeEvent(t))
		}
		synctest.Wait()
		if n := len(f.port.calls); n != 0 {
			t.Errorf("got %d calls to Port, want none: %+v", n, f.port.calls)
		}
		if got := f.backend.requests()[0].Header.Get("X-Port-Run-Id"); got != "org.change.log:1:3" {
			t.Errorf("X-Port-Run-Id: got %q, want topic:partition:offset", got)
		}
		if got := f.count(t, "events_total", "topic", "org.change.log", "outcome", EventInvoked); got != 2 {
			t.Errorf("events counted: got %v, want 2", got)
		}
	})
}

// A context.runId that a change holds is no run to report to.
func TestReportOfChangeThatNamesARun(t *testing.T) {
	t.Parallel()
	f := newFixture(t, builtIn)
	f.settle(t, changeEvent(t, "context.runId", "r_1"))
	if n := len(f.port.calls); n != 0 {
		t.Errorf("got %d calls to Port, want none", n)
	}
}
