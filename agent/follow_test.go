package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"port-agent/agent/activity"
	"port-agent/agent/redact"
	"port-agent/invoker"
	"port-agent/invoker/follow"
)

// pipelineEvent is an event of an action that triggers a pipeline of GitLab.
func pipelineEvent(t testing.TB, run string, members ...any) *Event {
	return runEvent(t, run, append([]any{
		"payload.action.invocationMethod.type", "GITLAB",
		"payload.action.invocationMethod.groupName", "group", "payload.action.invocationMethod.projectName", "project",
	}, members...)...)
}

const (
	triggered  = `{"id": 7, "project_id": 3, "web_url": "https://gitlab.example/group/project/-/pipelines/7"}`
	handleLine = "Following gitlab https://gitlab.example/api/v4/projects/3/pipelines/7"
	page       = "https://gitlab.example/group/project/-/pipelines/7"
)

// pipeline is the state of one by the time since it was triggered.
type pipeline func(age time.Duration) (state string)

// answers makes the fixture's GitLab show p, from its first trigger on.
func (f *fixture) answers(p pipeline) {
	begun := sync.OnceValue(time.Now)
	f.backend.do = func(context.Context, *invoker.Request) (*invoker.Response, error) {
		begun()
		res := answered(201, triggered)
		res.Link, res.ExternalRunID = page, "7"
		return res, nil
	}
	f.backend.fetch = func(context.Context, string) (*invoker.Response, error) {
		state := p(time.Since(begun()))
		var status int
		if _, err := fmt.Sscanf(state, "HTTP %d", &status); err == nil {
			return answered(status, ""), nil
		}
		return answered(200, fmt.Sprintf(`{"id": 7, "status": %q, "web_url": %q, "duration": 190}`, state, page)), nil
	}
}

// until shows one state until an age, then another.
func until(age time.Duration, before, after string) pipeline {
	return func(now time.Duration) string {
		if now < age {
			return before
		}
		return after
	}
}

// told are the calls to Port of a followed run in one line each.
func (f *fixture) told(run string) (calls []string) {
	for _, c := range f.port.of(run) {
		var parts []string
		for _, l := range c.rep.Lines {
			parts = append(parts, l.Level+" "+l.Message)
		}
		for _, field := range []string{c.rep.Status, c.rep.StatusLabel, c.rep.Summary, c.rep.ExternalRunID} {
			if field != "" {
				parts = append(parts, field)
			}
		}
		if c.rep.Link != nil {
			parts = append(parts, fmt.Sprint(c.rep.Link))
		}
		calls = append(calls, c.kind+": "+strings.Join(parts, " | "))
	}
	return calls
}

// The run of a pipeline ends with the pipeline, and Port is told once per look
// that brought news.
func TestFollowToTheEnd(t *testing.T) {
	const summary = "group/project pipeline #7 succeeded after 3 min 10 s"
	bubble(t, func(t *testing.T) {
		f := newFixture(t, builtIn)
		f.answers(until(4*time.Minute, "running", "success"))
		ev := pipelineEvent(t, "r_1")
		f.settle(t, ev)
		want := []string{
			"report: INFO Invocation ended (IN_PROGRESS): POST https://gitlab.example/api/v4/projects/group%2Fproject/trigger/pipeline answered 201 in less than 1 ms (rule 0) | INFO " + handleLine,
			"progress: 7 | " + page,
			"progress: INFO group/project pipeline #7: Running | Running",
			"report: INFO Invocation ended (SUCCESS): " + summary + " | SUCCESS | Succeeded | " + summary,
		}
		if got := f.told("r_1"); !slices.Equal(got, want) {
			t.Errorf("calls to Port:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if l := ledgerOf(ev); l.starts != 1 || l.resets != 0 || l.following != 1 {
			t.Errorf("ledger: got %d starts, %d resets, %d followings; want 1, 0, 1", l.starts, l.resets, l.following)
		}
		if got := f.count(t, "follow_ended_total", "backend", "gitlab", "outcome", endedSuccess); got != 1 {
			t.Errorf("counted %v ends, want 1", got)
		}
		if got := f.count(t, "following"); got != 0 {
			t.Errorf("following: got %v at the end, want 0", got)
		}
	})
}

// What each end of a pipeline, and each way of losing sight of it, becomes.
func TestFollowEnds(t *testing.T) {
	rule := func(follow string) string { return `[{"follow": ` + follow + `}]` }
	tests := []struct {
		name    string
		mapping string
		state   pipeline
		after   time.Duration // how long the run is followed, within 2 minutes
		outcome string
		want    string // of the last call to Port
	}{
		{name: "failed", state: until(time.Minute, "running", "failed"), after: time.Minute, outcome: endedFailure,
			want: "ERROR Invocation ended (FAILURE): group/project pipeline #7 failed after 3 min 10 s | FAILURE | Failed | group/project pipeline #7 failed after 3 min 10 s"},
		{name: "success named by the rule", mapping: rule(`{"success": ["canceled"]}`), state: until(time.Minute, "running", "canceled"), after: time.Minute, outcome: endedSuccess,
			want: "INFO Invocation ended (SUCCESS): group/project pipeline #7 was canceled after 3 min 10 s | SUCCESS"},
		{name: "timeout of the rule", mapping: rule(`{"timeout": 90}`), state: func(time.Duration) string { return "running" }, after: 90 * time.Second, outcome: endedTimeout,
			want: "ERROR Invocation ended (FAILURE): still running after 1m30s, no longer followed"},
		{name: "deleted", state: until(time.Minute, "running", "HTTP 404"), after: time.Minute + settling, outcome: endedFailure,
			want: "ERROR Invocation ended (FAILURE): the pipeline was deleted while it was followed: "},
		{name: "gone for a moment", state: func(age time.Duration) string {
			switch {
			case age < time.Minute:
				return "running"
			case age < 100*time.Second:
				return "HTTP 404"
			}
			return "success"
		}, after: 100 * time.Second, outcome: endedSuccess, want: "INFO Invocation ended (SUCCESS)"},
		{name: "not there for a moment", state: func(age time.Duration) string {
			switch {
			case age < 40*time.Second:
				return "HTTP 404"
			}
			return "success"
		}, after: 40 * time.Second, outcome: endedSuccess, want: "INFO Invocation ended (SUCCESS)"},
		{name: "never there", state: func(time.Duration) string { return "HTTP 404" }, after: settling + patience, outcome: endedNotFollowed,
			want: "WARN Invocation ended (IN_PROGRESS): not followed: GET https://gitlab.example/api/v4/projects/3/pipelines/7 answered 404; check GITLAB_TOKEN"},
		{name: "no right", state: func(time.Duration) string { return "HTTP 403" }, after: patience, outcome: endedNotFollowed,
			want: "WARN Invocation ended (IN_PROGRESS): not followed: GET https://gitlab.example/api/v4/projects/3/pipelines/7 answered 403; check GITLAB_TOKEN"},
		{name: "a right that expires half way", state: until(time.Hour, "running", "HTTP 401"), after: time.Hour + patience, outcome: endedNotFollowed,
			want: "WARN Invocation ended (IN_PROGRESS): not followed: GET https://gitlab.example/api/v4/projects/3/pipelines/7 answered 401; check GITLAB_TOKEN"},
		{name: "refused for a moment", state: func(age time.Duration) string {
			switch {
			case age < 4*time.Minute:
				return "HTTP 403"
			case age < 8*time.Minute:
				return "running"
			case age < 12*time.Minute:
				return "HTTP 403"
			}
			return "success"
		}, after: 12 * time.Minute, outcome: endedSuccess, want: "INFO Invocation ended (SUCCESS)"},
		{name: "never ends", state: func(time.Duration) string { return "running" }, after: 24 * time.Hour, outcome: endedTimeout,
			want: "ERROR Invocation ended (FAILURE): still running after 24 h, no longer followed | FAILURE | Failed | still running after 24 h, no longer followed"},
		{name: "unknown state", state: until(time.Minute, "reticulating", "success"), after: time.Minute, outcome: endedSuccess, want: "INFO Invocation ended (SUCCESS)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				if tt.mapping == "" {
					tt.mapping = builtIn
				}
				f := newFixture(t, tt.mapping)
				f.answers(tt.state)
				begun := time.Now()
				f.settle(t, pipelineEvent(t, "r_1"))
				if took := time.Since(begun); took < tt.after || took > tt.after+2*time.Minute {
					t.Errorf("followed for %s, want %s", took, tt.after)
				}
				calls := f.told("r_1")
				if got := strings.TrimPrefix(calls[len(calls)-1], "report: "); !strings.HasPrefix(got, tt.want) {
					t.Errorf("last call: got %s\nwant %s", got, tt.want)
				}
				if got := f.count(t, "follow_ended_total", "backend", "gitlab", "outcome", tt.outcome); got != 1 {
					t.Errorf("counted as %s: %v, want 1", tt.outcome, got)
				}
				if n := len(f.backend.requests()); n != 1 {
					t.Errorf("got %d triggers, want 1", n)
				}
			})
		})
	}
}

// Looks come at 2, 3, 5, 8 and 12 s, then every 15 s, 30 s and 60 s, each moved
// by up to a tenth.
func TestFollowSchedule(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, builtIn)
		f.answers(until(3*time.Hour, "running", "success"))
		begun := time.Now()
		f.settle(t, pipelineEvent(t, "r_1"))
		near := func(got, want time.Duration) bool { return got >= want*9/10 && got <= want*11/10 }
		for n, want := range []time.Duration{2 * time.Second, 3 * time.Second, 5 * time.Second, 8 * time.Second, 12 * time.Second} {
			if got := f.backend.looks[n].Sub(begun); !near(got, want) {
				t.Errorf("look %d after %s, want %s", n, got, want)
			}
		}
		var shortest, longest time.Duration
		for n, at := range f.backend.looks[5:] {
			gap, age := at.Sub(f.backend.looks[n+4]), f.backend.looks[n+4].Sub(begun)
			want := time.Minute
			switch {
			case age < 10*time.Minute:
				want = 15 * time.Second
			case age < 70*time.Minute:
				want = 30 * time.Second
			}
			if !near(gap, want) {
				t.Fatalf("at the age of %s: %s to the next look, want %s", age, gap, want)
			}
			if want == 15*time.Second {
				if shortest == 0 || gap < shortest {
					shortest = gap
				}
				longest = max(longest, gap)
			}
		}
		if longest-shortest < time.Second {
			t.Errorf("pauses lie between %s and %s, want them spread", shortest, longest)
		}
	})
}

// A backend that is away counts as running: the looks grow rare, the run's log
// says so after five minutes and when it is back.
func TestFollowBackendAway(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, builtIn)
		f.answers(func(age time.Duration) string {
			switch {
			case age < time.Minute:
				return "running"
			case age < 31*time.Minute:
				return "HTTP 503"
			case age < 40*time.Minute:
				return "running"
			}
			return "success"
		})
		f.settle(t, pipelineEvent(t, "r_1"))
		log := strings.Join(f.port.messages("r_1"), "\n")
		for _, want := range []string{"WARN Not reached for 5 min, the pipeline counts as running: ", "INFO Reached again after "} {
			if strings.Count(log, want) != 1 {
				t.Errorf("the log of the run has %q %d times, want once:\n%s", want, strings.Count(log, want), log)
			}
		}
		away := 0
		begun := f.backend.looks[0]
		for _, at := range f.backend.looks {
			if age := at.Sub(begun); age > time.Minute && age < 31*time.Minute {
				away++
			}
		}
		if away < 6 || away > 16 {
			t.Errorf("%d looks within half an hour of a backend that is away, want some ten", away)
		}
		if got := f.port.report(t, "r_1").Status; got != StatusSuccess {
			t.Errorf("got %s, want SUCCESS", got)
		}
	})
}

// Who ends the run first wins: Port says so, and nothing more is told.
func TestFollowEndedElsewhere(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, builtIn)
		f.answers(func(time.Duration) string { return "running" })
		f.port.onProgress = func(_ context.Context, _ string, news Report) (Report, error) {
			if news.StatusLabel != "" {
				return Report{}, fmt.Errorf("%w: 422", ErrRunEnded)
			}
			return Report{}, nil
		}
		f.settle(t, pipelineEvent(t, "r_1"))
		if got := f.port.report(t, "r_1").Status; got != "" {
			t.Errorf("reported %s, want nothing", got)
		}
		if got := f.count(t, "follow_ended_total", "outcome", endedElsewhere); got != 1 {
			t.Errorf("counted %v, want 1", got)
		}
	})
}

// News that Port does not take now go with the next look, in order, and no look
// brings more than one call.
func TestFollowWhilePortIsAway(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, builtIn)
		states := []string{"pending", "running", "manual", "running"}
		f.answers(func(age time.Duration) string {
			if n := int(age / time.Minute); n < len(states) {
				return states[n]
			}
			return "success"
		})
		f.port.onProgress = func(_ context.Context, _ string, news Report) (Report, error) {
			return news, errors.New("429")
		}
		f.settle(t, pipelineEvent(t, "r_1"))
		var progress int
		for _, c := range f.port.of("r_1") {
			if c.kind == "progress" {
				progress++
			}
		}
		if looks := len(f.backend.looks); progress > looks {
			t.Errorf("%d calls to Port for %d looks", progress, looks)
		}
		calls := f.told("r_1")
		want := "report: INFO group/project pipeline #7: Pending | INFO group/project pipeline #7: Running | INFO group/project pipeline #7: Waiting for a manual job | " +
			"INFO group/project pipeline #7: Running | INFO Invocation ended (SUCCESS): "
		if got := calls[len(calls)-1]; !strings.HasPrefix(got, want) || !strings.Contains(got, page) {
			t.Errorf("last call: got %s\nwant %s… with the link", got, want)
		}
	})
}

// A drain does not wait for pipelines, and tells Port nothing; the next owner
// goes on from the run's log, whatever process it is.
func TestFollowDrainAndResume(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, builtIn)
		f.answers(until(10*time.Minute, "running", "success"))
		ev := pipelineEvent(t, "r_1")
		took, err := f.drained(t, ev, time.Minute)
		if !errors.Is(err, errDrain) || took != 0 || !ledgerOf(ev).marked() {
			t.Fatalf("got %v after %s, marked %t; want it left at once, started", err, took, ledgerOf(ev).marked())
		}
		if got := f.port.report(t, "r_1").Status; got != "" {
			t.Fatalf("reported %s", got)
		}
		state := RunState{Status: "IN_PROGRESS", Links: []string{page}}
		for _, c := range f.port.of("r_1") {
			var lines []string
			for _, l := range c.lines {
				lines = append(lines, l.Message)
			}
			if lines != nil {
				state.Logs = append(state.Logs, strings.Join(lines, "\n"))
			}
		}
		next := newFixture(t, builtIn)
		next.backend.fetch = f.backend.fetch
		next.port.onLookup = func(context.Context, string) (RunState, error) { return state, nil }
		again := interrupted(pipelineEvent(t, "r_1"))
		next.settle(t, again)
		if n := len(next.backend.requests()); n != 0 {
			t.Errorf("triggered %d times more", n)
		}
		if first := next.backend.looks[0].Sub(ev.Time); first > time.Minute+catchUp {
			t.Errorf("first look %s after the trigger, want it within %s of the take-over", first, catchUp)
		}
		if got := next.count(t, "interrupted_total", "outcome", "followed"); got != 1 {
			t.Errorf("counted as followed on: %v, want 1", got)
		}
		got := next.told("r_1")
		want := []string{"lookup: ", "progress: Running | 7",
			"report: INFO Invocation ended (SUCCESS): group/project pipeline #7 succeeded after 3 min 10 s | SUCCESS | Succeeded | group/project pipeline #7 succeeded after 3 min 10 s"}
		if !slices.Equal(got, want) {
			t.Errorf("calls to Port:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

// What a next owner makes of the lines it finds.
func TestFollowTakenUp(t *testing.T) {
	began := "Invocation ended (IN_PROGRESS): POST https://gitlab.example answered 201"
	tests := []struct {
		name     string
		vouched  bool // and not interrupted
		logs     []string
		looks    int
		calls    string
		triggers int
	}{
		{name: "closing line alone", logs: []string{began}, calls: "lookup"},
		{name: "closing line and handle", logs: []string{began + "\n" + handleLine}, looks: 1, calls: "lookup report"},
		{name: "not interrupted, nobody vouches", vouched: true, logs: []string{began + "\n" + handleLine}, looks: 1, calls: "lookup report"},
		{name: "verdict sent, status not", logs: []string{began + "\n" + handleLine, "Invocation ended (FAILURE): failed"}, calls: "lookup report"},
		{name: "given up", logs: []string{began + "\n" + handleLine, "Invocation ended (IN_PROGRESS): not followed: no right"}, calls: "lookup"},
		{name: "handle of another host", logs: []string{"Following gitlab https://evil.example/api/v4/projects/3/pipelines/7"}, calls: "lookup report"},
		{name: "handle quoted by a pipeline", logs: []string{began, "> " + handleLine}, calls: "lookup"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFixture(t, builtIn)
				f.answers(func(time.Duration) string { return "success" })
				f.port.onLookup = func(context.Context, string) (RunState, error) {
					return RunState{Status: "IN_PROGRESS", Logs: tt.logs}, nil
				}
				ev := pipelineEvent(t, "r_1")
				if ev.Vouched = false; !tt.vouched {
					interrupted(ev)
				}
				f.settle(t, ev)
				if n := len(f.backend.looks); n != tt.looks {
					t.Errorf("got %d looks, want %d", n, tt.looks)
				}
				if got := f.port.kinds("r_1"); got != tt.calls {
					t.Errorf("calls: got %s, want %s", got, tt.calls)
				}
				if n := len(f.backend.requests()); n != 0 {
					t.Errorf("triggered %d times", n)
				}
				if tt.looks > 0 && !ledgerOf(ev).marked() {
					t.Error("followed, and not marked as started")
				}
			})
		})
	}
}

// A claimed run is not signed: what its pipeline has taken before the restart
// counts from when Port made the run.
func TestFollowTakenUpCountsFromTheRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, builtIn)
		f.answers(func(time.Duration) string { return "running" })
		made := time.Now().Add(-23 * time.Hour)
		f.port.onLookup = func(context.Context, string) (RunState, error) {
			return RunState{Status: "IN_PROGRESS", Created: made, Logs: []string{handleLine}}, nil
		}
		ev := pipelineEvent(t, "r_1")
		interrupted(ev)
		ev.Trusted, ev.Time = true, time.Now()
		ev.Record = bytes.ReplaceAll(ev.Record, []byte("X-Port-Timestamp"), []byte("X-Other"))
		begun := time.Now()
		f.settle(t, ev)
		if took := time.Since(begun); took < 59*time.Minute || took > 63*time.Minute {
			t.Errorf("followed for %s after the restart, want what was left of a day", took)
		}
	})
}

// 2,000 followed pipelines hold no slot, no turn and no memory worth counting,
// and no more looks are under way than there are slots for.
func TestFollowMany(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const n = 2000
		f := newFixture(t, builtIn)
		f.answers(until(time.Minute, "running", "success"))
		fetch := f.backend.fetch
		under, most := 0, 0
		f.backend.fetch = func(ctx context.Context, url string) (*invoker.Response, error) {
			f.backend.mu.Lock()
			under++
			most = max(most, under)
			f.backend.mu.Unlock()
			time.Sleep(10 * time.Millisecond)
			f.backend.mu.Lock()
			under--
			f.backend.mu.Unlock()
			return fetch(ctx, url)
		}
		ended := make(chan error, n)
		for i := range n {
			ev := pipelineEvent(t, fmt.Sprintf("r_%d", i), "context.entity", "one", "context.blueprint", "service")
			ev.Offset = int64(i)
			go func() { ended <- f.Handle(t.Context(), ev) }()
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := f.count(t, "following"); got != n {
			t.Errorf("%v are followed, want %d", got, n)
		}
		if f.slots.idle() != 128 || f.count(t, "unsettled_events") != 0 || f.count(t, "oldest_unsettled_seconds") != 0 || len(f.order.last) != 0 {
			t.Error("followed runs hold slots or turns, or count as unsettled")
		}
		for range n {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		if most > pollsPerHost {
			t.Errorf("%d looks at one host at once, want at most %d", most, pollsPerHost)
		}
		if got := f.count(t, "follow_ended_total", "outcome", endedSuccess); got != n {
			t.Errorf("%v ended well, want %d", got, n)
		}
	})
}

// Beyond FOLLOW_MAX_RUNS of a partition a run is not followed, and its log says
// so.
func TestFollowMaxRuns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, builtIn, func(c *Config) { c.FollowMaxRuns = 1 })
		f.answers(until(time.Minute, "running", "success"))
		ended := make(chan error, 1)
		go func() { ended <- f.Handle(t.Context(), pipelineEvent(t, "r_1")) }()
		synctest.Wait()
		f.settle(t, pipelineEvent(t, "r_2"))
		elsewhere := pipelineEvent(t, "r_3")
		elsewhere.Partition = 9
		f.settle(t, elsewhere)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if log := strings.Join(f.port.messages("r_2"), "\n"); !strings.Contains(log, "FOLLOW_MAX_RUNS") {
			t.Errorf("log of the run that is not followed: %s", log)
		}
		for run, want := range map[string]string{"r_1": StatusSuccess, "r_2": "", "r_3": StatusSuccess} {
			if got := f.port.report(t, run).Status; got != want {
				t.Errorf("%s: got %q, want %q", run, got, want)
			}
		}
		f.settle(t, pipelineEvent(t, "r_4"))
		if got := f.port.report(t, "r_4").Status; got != StatusSuccess {
			t.Errorf("the place of a run that has ended is not given back: got %q", got)
		}
	})
}

// A run ends with the end of its time although its backend hangs, and more
// runs wait to look there than there are slots.
func TestFollowHangingHost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const n, timeout = 40, 2 * time.Minute
		f := newFixture(t, `[{"follow": {"timeout": 120}}]`)
		f.answers(func(time.Duration) string { return "running" })
		f.backend.fetch = func(ctx context.Context, _ string) (*invoker.Response, error) {
			select {
			case <-time.After(30 * time.Second):
				return nil, errors.New("no answer within 30 s")
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		}
		ended := make(chan error, n)
		begun := time.Now()
		for i := range n {
			ev := pipelineEvent(t, fmt.Sprintf("r_%d", i))
			ev.Offset = int64(i)
			go func() { ended <- f.Handle(t.Context(), ev) }()
		}
		for range n {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(begun); took < timeout || took > timeout+lastLook {
			t.Errorf("the last run ended after %s, want its time of %s, and at most %s more", took, timeout, lastLook)
		}
		if got := f.count(t, "follow_ended_total", "outcome", endedTimeout); got != n {
			t.Errorf("%v ended with their time, want %d", got, n)
		}
	})
}

// News of which nothing is left when it is cleaned takes nothing away that Port is
// still to be told.
func TestNewsOfNothing(t *testing.T) {
	t.Parallel()
	f := &followed{j: &job{redactor: redact.New(testSecret), work: activity.New().Begin(activity.Event{})}}
	n := &news{owed: Report{Link: "https://ci.test/1", Summary: "one", StatusLabel: "Running"}}
	n.add(f, follow.Progress{Links: []string{"javascript:1"}, Summary: "\u202e", Label: "\u202e"})
	if n.owed.Link != "https://ci.test/1" || n.owed.Summary != "one" || n.owed.StatusLabel != "Running" {
		t.Errorf("got %+v, want what was owed", n.owed)
	}
}
