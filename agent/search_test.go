package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"port-agent/invoker"
	"port-agent/invoker/wire"
)

// shows makes the fixture's GitLab show one pipeline, started by run, from the
// time since its first look on: 200 lists it, 204 lists none, 0 is no answer,
// another status is the answer. The pipeline itself has failed.
func (f *fixture) shows(run string, status func(age time.Duration) int) {
	var begun time.Time
	f.backend.fetch = func(_ context.Context, url string) (*invoker.Response, error) {
		if begun.IsZero() {
			begun = time.Now()
		}
		switch code := status(time.Since(begun)); {
		case code == 0:
			return nil, &wire.Error{Endpoint: "GET https://gitlab.example/", Err: errNetwork}
		case strings.HasSuffix(url, "/variables"):
			return answered(200, fmt.Sprintf(`[{"key": "TRIGGER_PAYLOAD", "value": %q}]`, `{"port_payload": {"context": {"runId": "`+run+`"}}}`)), nil
		case strings.HasSuffix(url, "/pipelines/7"):
			return answered(200, fmt.Sprintf(`{"id": 7, "status": "failed", "web_url": %q, "duration": 190}`, page)), nil
		case code == 204:
			return answered(200, `[]`), nil
		case code == 200:
			return answered(200, `[{"id": 7, "project_id": 3}]`), nil
		default:
			return answered(code, ""), nil
		}
	}
}

func always(status int) func(time.Duration) int { return func(time.Duration) int { return status } }

// from gives before until an age, then after.
func from(age time.Duration, before, after int) func(time.Duration) int {
	return func(now time.Duration) int {
		if now < age {
			return before
		}
		return after
	}
}

const unknownAtGitLab = "the agent stopped while the request to gitlab.example:443 was in flight; whether it was carried out is unknown"

// The pipeline of an interrupted event is looked for by the run's id. Nothing is
// triggered a second time, whether it is found or not.
func TestSearch(t *testing.T) {
	const found = "report: WARN Invocation ended (IN_PROGRESS): the agent stopped while the request to gitlab.example:443 was in flight; " +
		"the pipeline that it has started was found | INFO " + handleLine
	const ended = "report: ERROR Invocation ended (FAILURE): group/project pipeline #7 failed after 3 min 10 s | FAILURE | group/project pipeline #7 failed after 3 min 10 s | 7 | " + page
	none := func(why string) []string {
		text := unknownAtGitLab + "; its pipeline was looked for: " + why
		return []string{"lookup: ", "report: ERROR Invocation ended (FAILURE): " + text + " (rule 0) | FAILURE | " + text}
	}
	const missing = "no pipeline that was triggered since 1999-12-31T23:55:00Z has the id r_1 among its variables"
	tests := []struct {
		name    string
		by      string // the run that has started the pipeline; "": r_1
		status  func(age time.Duration) int
		after   time.Duration
		want    []string
		outcome string
	}{
		{name: "found", status: always(200), want: []string{"lookup: ", found, ended}, outcome: "followed"},
		{name: "appears late", status: from(10*time.Second, 204, 200), after: 10 * time.Second, want: []string{"lookup: ", found, ended}, outcome: "followed"},
		{name: "not reached for a while", status: from(100*time.Second, 503, 200), after: 100 * time.Second, want: []string{"lookup: ", found, ended}, outcome: "followed"},
		{name: "not there", status: always(204), after: appearing, want: none(missing), outcome: "failed"},
		{name: "another run's only", by: "r_10", status: always(200), after: appearing, want: none(missing), outcome: "failed"},
		{name: "never reached", status: always(429), after: searchTime, outcome: "failed",
			want: none("GET https://gitlab.example/api/v4/projects/group%2Fproject/pipelines answered 429")},
		{name: "not connected", status: always(0), after: searchTime, outcome: "failed", want: none((&wire.Error{Endpoint: "GET https://gitlab.example/", Err: errNetwork}).Error())},
		{name: "no right", status: always(403), outcome: "failed", want: none("GET https://gitlab.example/api/v4/projects/group%2Fproject/pipelines answered 403; " +
			"check GITLAB_TOKEN: a token with the scope read_api of a member of the project, for a trigger token reads nothing")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFixture(t, builtIn)
				if tt.by == "" {
					tt.by = "r_1"
				}
				f.shows(tt.by, tt.status)
				begun := time.Now()
				f.settle(t, interrupted(pipelineEvent(t, "r_1")))
				if took := time.Since(begun); took < tt.after || took > tt.after+20*time.Second {
					t.Errorf("ended after %s, want %s", took, tt.after)
				}
				if got := f.told("r_1"); strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
					t.Errorf("calls to Port:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
				}
				if n := len(f.backend.requests()); n != 0 {
					t.Errorf("triggered %d times", n)
				}
				if got := f.count(t, "invocations_total", "reason", reasonInterrupted); tt.outcome == "failed" && got != 1 {
					t.Errorf("counted as interrupted: %v, want 1", got)
				}
				if got := f.count(t, "interrupted_total", "outcome", tt.outcome); got != 1 {
					t.Errorf("counted as %s: %v, want 1", tt.outcome, got)
				}
			})
		})
	}
}

// A search holds no slot of invocations and no turn, and a drain leaves its event
// to the next owner, marked.
func TestSearchHoldsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, builtIn)
		f.shows("r_1", always(503))
		ctx, drain := context.WithCancelCause(t.Context())
		left := make(chan error, 1)
		ev := interrupted(pipelineEvent(t, "r_1", "context.entity", "cart"))
		go func() { left <- f.Handle(ctx, ev) }()
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if f.slots.idle() != 128 || len(f.order.last) != 0 {
			t.Errorf("got %d free slots, %d turns; want 128, 0", f.slots.idle(), len(f.order.last))
		}
		drain(errDrain)
		if err := <-left; !errors.Is(err, errDrain) || !ledgerOf(ev).marked() {
			t.Errorf("got %v, marked %t; want it left and marked", err, ledgerOf(ev).marked())
		}
		if got := f.port.kinds("r_1"); got != "lookup" {
			t.Errorf("calls to Port: %s, want the lookup alone", got)
		}
	})
}

// Nothing is looked for where the run would not be followed, or the event may be
// sent again.
func TestSearchNotNeeded(t *testing.T) {
	for name, tt := range map[string]struct {
		mapping string
		ev      func(t *testing.T) *Event
		sent    int
	}{
		"not followed":          {`[{"follow": false}]`, func(t *testing.T) *Event { return pipelineEvent(t, "r_1") }, 0},
		"no pipelines":          {builtIn, func(t *testing.T) *Event { return runEvent(t, "r_1") }, 0},
		"may be sent again":     {`[{"onInterrupted": "retry", "follow": false}]`, func(t *testing.T) *Event { return pipelineEvent(t, "r_1") }, 1},
		"change of the catalog": {`[{"backend": "WEBHOOK"}]`, func(t *testing.T) *Event { return changeEvent(t) }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFixture(t, tt.mapping)
				f.settle(t, interrupted(tt.ev(t)))
				if looks, sent := len(f.backend.looks), len(f.backend.requests()); looks != 0 || sent != tt.sent {
					t.Errorf("got %d looks, %d requests; want 0, %d", looks, sent, tt.sent)
				}
			})
		})
	}
}
