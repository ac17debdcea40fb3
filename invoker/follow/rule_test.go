package follow

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"port-agent/invoker"
	"port-agent/invoker/follow/cistand"
)

// ownCI is a system that nobody has written a follower for: a job that takes
// a minute, read with a token.
type ownCI struct {
	clock *cistand.Clock
	fail  bool
	fault func(w http.ResponseWriter) bool
	asked []*http.Request
}

func (c *ownCI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.asked = append(c.asked, r)
	if r.Method == http.MethodPost {
		_, _ = w.Write([]byte(`{"job": 17}`))
		return
	}
	if c.fault != nil && c.fault(w) {
		return
	}
	if r.Header.Get("Authorization") != "Bearer rule-token" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	state, steps := "running", []string{"checked out"}
	if c.clock.Now().Sub(begin) >= 30*time.Second {
		steps = append(steps, "built")
	}
	if c.clock.Now().Sub(begin) >= time.Minute {
		state = "successful"
		if c.fail {
			state = "failed"
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"state": state, "steps": steps, "page": "https://own.corp.example/jobs/17"})
}

const ownRule = `{"url": "\"BASE/launch\"", "follow": {
	"url": "\"BASE/jobs/\\(.response.json.job)?a=1&b=2\"",
	"headers": {"Authorization": "\"Bearer \" + env.CI_TOKEN"},
	"done": ".poll.json.state | IN(\"successful\", \"failed\")",
	"status": "if .poll.json.state == \"successful\" then \"SUCCESS\" else \"FAILURE\" end",
	"statusLabel": ".poll.json.state", "link": ".poll.json.page", "log": ".poll.json.steps",
	"summary": "if .poll.json.state == \"running\" then null else \"job \\(.body.context.runId) \\(.poll.json.state)\" end",
	"interval": 7, "timeout": 120}}`

func ownStage(t *testing.T) (*stage, *ownCI) {
	t.Helper()
	c := &ownCI{clock: cistand.NewClock(begin)}
	return newStage(t, c.clock, c, func(*invoker.Config, string) {}), c
}

func TestRuleStories(t *testing.T) {
	t.Parallel()
	page := func(w http.ResponseWriter) bool {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(cistand.Page))
		return true
	}
	status := func(code int) func(http.ResponseWriter) bool {
		return func(w http.ResponseWriter) bool { w.WriteHeader(code); return true }
	}
	for _, tc := range []struct {
		name, from, to string
		set            func(c *ownCI)
	}{
		{name: "success"},
		{name: "failure", set: func(c *ownCI) { c.fail = true }},
		{name: "login-page", set: func(c *ownCI) { c.fault = page }},
		{name: "gateway", set: func(c *ownCI) { c.fault = status(502) }},
		{name: "gone", set: func(c *ownCI) { c.fault = status(404) }},
		{name: "done-fails", from: `.poll.json.state | IN(\"successful\", \"failed\")`, to: `.poll.json.state + 1`},
		{name: "unknown-outcome", from: `else \"FAILURE\" end`, to: `else .poll.json.state end`, set: func(c *ownCI) { c.fail = true }},
		{name: "null-url", from: `\"BASE/jobs/\\(.response.json.job)?a=1&b=2\"`, to: `null`},
		{name: "user-info", from: `\"BASE/jobs/\\(.response.json.job)?a=1&b=2\"`, to: `\"https://u:p@host/\"`},
		{name: "secret-in-path", from: `\"BASE/jobs/\\(.response.json.job)?a=1&b=2\"`, to: `\"BASE/jobs/\" + env.CI_TOKEN`},
		{name: "secret-in-query", from: `\"BASE/jobs/\\(.response.json.job)?a=1&b=2\"`, to: `\"BASE/jobs?access_token=\\(.response.json.job)\"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			st, c := ownStage(t)
			if tc.set != nil {
				tc.set(c)
			}
			rule := ownRule
			if tc.from != "" {
				if rule = strings.Replace(rule, tc.from, tc.to, 1); rule == ownRule {
					t.Fatalf("the rule has no %s", tc.from)
				}
			}
			s := story{name: tc.name, rule: rule}
			_, w, why := st.trigger(t, map[string]any{"type": "WEBHOOK"}, rule)
			if w == nil {
				golden(t, "rule-"+s.name, why+"\n")
				return
			}
			if w.Interval != 7*time.Second || w.Timeout != 2*time.Minute || w.Backend() != Rule {
				t.Errorf("got interval %s, timeout %s, backend %s", w.Interval, w.Timeout, w.Backend())
			}
			got := st.tell(t, w, 10*time.Second, nil)
			_, seal, _ := strings.Cut(got, "(seal ")
			golden(t, "rule-"+s.name, strings.Replace(got, seal[:16], "SEAL", 1))
		})
	}
}

// Whoever may write to a run's log must not lead the rule's headers away.
func TestRuleHandleOfAStranger(t *testing.T) {
	t.Parallel()
	st, _ := ownStage(t)
	run, w, why := st.trigger(t, map[string]any{"type": "WEBHOOK"}, ownRule)
	if w == nil {
		t.Fatal(why)
	}
	line := w.Handle().String()
	resume := func(run Run, line string) error {
		h, ok := ParseHandle(line)
		if !ok {
			t.Fatalf("%s is no handle", line)
		}
		_, err := st.f.Resume(run, h)
		return err
	}
	if err := resume(run, line); err != nil {
		t.Errorf("its own line: %v", err)
	}
	other := run
	other.ID = "r_2"
	for name, err := range map[string]error{
		"another place":  resume(run, strings.Replace(line, "/jobs/17", "/jobs/18", 1)),
		"another host":   resume(run, strings.Replace(line, st.url, "https://evil.example", 1)),
		"without a seal": resume(run, strings.Split(line, " (seal")[0]),
		"of another run": resume(other, line),
	} {
		if err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}
