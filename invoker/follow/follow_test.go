package follow

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"port-agent/invoker"
	"port-agent/invoker/follow/ci"
	"port-agent/invoker/follow/cistand"
	"port-agent/invoker/wire"
	"port-agent/transform"
)

var update = flag.Bool("update", false, "write the golden files")

// begin is when every story begins.
var begin = time.Date(2026, 1, 2, 9, 0, 0, 0, time.UTC)

// stage is an invoker and a follower in front of one stand-in.
type stage struct {
	clock *cistand.Clock
	url   string // of the stand-in
	inv   *invoker.Invoker
	f     *Follower
}

func newStage(t *testing.T, clock *cistand.Clock, standIn http.Handler, set func(cfg *invoker.Config, url string)) *stage {
	t.Helper()
	server := httptest.NewServer(standIn)
	t.Cleanup(server.Close)
	cfg := invoker.Config{Timeout: 10, GitLabURL: "https://gitlab.test", AzureDevOpsURL: "https://azure.test", GitHubAPIURL: "https://github.test"}
	set(&cfg, server.URL)
	vars := map[string]string{"acme_shop": "trigger-token"}
	env := func(n string) (string, bool) { v, ok := vars[n]; return v, ok }
	calls, err := wire.New(wire.Config{VerifySSL: true}, env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(calls.Close)
	inv, err := invoker.New(cfg, invoker.Deps{Signer: "client-secret", Env: env, Wire: calls})
	if err != nil {
		t.Fatal(err)
	}
	return &stage{clock, server.URL, inv, New(Config{Mode: "auto", TimeoutSeconds: 86400, MaxRuns: 400}, inv)}
}

// trigger sends what an event asks for, and starts to follow it. rule is a
// rule of a mapping as JSON, or empty.
func (s *stage) trigger(t *testing.T, method map[string]any, ruleJSON string) (Run, *Watch, string) {
	t.Helper()
	run, req, res := s.invoke(t, method, ruleJSON)
	w, why := s.f.Start(t.Context(), run, req, res)
	return run, w, why
}

func (s *stage) invoke(t *testing.T, method map[string]any, ruleJSON string) (Run, *invoker.Request, *invoker.Response) {
	t.Helper()
	run, req := s.build(t, "r_1", method, ruleJSON)
	res, err := s.inv.Do(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	input := run.Input
	run.Input = func() (map[string]any, error) {
		in, err := input()
		in["response"] = res.Value()
		return in, err
	}
	return run, req, res
}

// build makes the request of a run, and sends nothing.
func (s *stage) build(t *testing.T, id string, method map[string]any, ruleJSON string) (Run, *invoker.Request) {
	t.Helper()
	root := map[string]any{
		"context": map[string]any{"runId": id},
		"payload": map[string]any{"action": map[string]any{"invocationMethod": method}, "properties": map[string]any{}},
	}
	event, err := json.Marshal(root)
	if err != nil {
		t.Fatal(err)
	}
	target := invoker.Target{Key: id, Event: event, Root: root, Method: invoker.ReadMethod(method), NeedBody: true}
	run := Run{ID: id, Sync: target.Method.Synchronized, NoFollow: target.Method.NoFollow,
		Conceal: func(text string) string { return strings.ReplaceAll(text, "rule-token", "[redacted]") }}
	if ruleJSON != "" {
		rule := s.rule(t, ruleJSON)
		run.Follow = rule.Follow
		over, _, err := rule.Request(t.Context(), root)
		if err != nil {
			t.Fatal(err)
		}
		target.Rule = invoker.Override{Backend: rule.Backend, URL: over.URL, Headers: over.Headers, Body: over.Body, HasBody: over.HasBody}
	}
	req, err := s.inv.Build(target)
	if err != nil {
		t.Fatal(err)
	}
	run.Input = func() (map[string]any, error) {
		return map[string]any{"body": root, "request": req.Value(), "response": nil}, nil
	}
	return run, req
}

func (s *stage) rule(t *testing.T, text string) *transform.Rule {
	t.Helper()
	file := filepath.Join(t.TempDir(), "invocations.json")
	if err := os.WriteFile(file, []byte("["+strings.ReplaceAll(text, "BASE", s.url)+"]"), 0o600); err != nil {
		t.Fatal(err)
	}
	mapping, err := transform.Load(transform.Config{Path: file, TimeoutMS: 1000}, []string{"CI_TOKEN=rule-token"})
	if err != nil {
		t.Fatal(err)
	}
	rule, err := mapping.Match(t.Context(), map[string]any{})
	if err != nil {
		t.Fatal(err)
	}
	return rule
}

// tell looks every step until the pipeline is over, at most 40 times, and
// writes down what is new. act is called before each look with the time since
// the trigger.
func (s *stage) tell(t *testing.T, w *Watch, step time.Duration, act func(time.Duration)) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintln(&b, w.Handle())
	trouble := ""
	for n := 1; n <= 40; n++ {
		s.clock.Advance(step)
		at := time.Duration(n) * step
		if act != nil {
			act(at)
		}
		p, err := w.Look(t.Context())
		if err != nil {
			if e := (*ci.Error)(nil); errors.As(err, &e) && e.Error() != trouble {
				trouble = e.Error()
				fmt.Fprintf(&b, "%6s  %s: %s\n", at, e.Kind, trouble)
			}
		}
		write(&b, at, p)
		if p.Over {
			break
		}
	}
	return strings.ReplaceAll(b.String(), s.url, "http://ci.test")
}

// news reports whether p holds anything to tell.
func news(p Progress) bool { return !reflect.DeepEqual(p, Progress{}) }

func write(b *strings.Builder, at time.Duration, p Progress) {
	if !news(p) {
		return
	}
	say := func(what, text string) {
		if text != "" {
			fmt.Fprintf(b, "%6s  %s: %s\n", at, what, text)
		}
	}
	if !p.Moved.IsZero() {
		say("moved", p.Moved.String())
	}
	say("label", p.Label)
	for _, l := range p.Lines {
		if l.Warn {
			say("warning", l.Text)
		} else {
			say("line", l.Text)
		}
	}
	say("links", strings.Join(p.Links, " "))
	say("id", p.ExternalRunID)
	if p.Over {
		say("over", map[bool]string{true: "SUCCESS", false: "FAILURE"}[p.Success])
	}
	say("summary", p.Summary)
}

// golden compares a story with the file of that name.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", file, got, want)
	}
}

// plans are the fates of a pipeline that every backend knows in its own words.
var (
	twoStages = cistand.Plan{Queued: 8 * time.Second, Why: "Waiting for next available executor", Stages: []cistand.Stage{
		{Name: "Build", Takes: 20 * time.Second}, {Name: "Deploy", Takes: 30 * time.Second},
	}}
	failing = cistand.Plan{Queued: 8 * time.Second, Stages: []cistand.Stage{
		{Name: "Build", Takes: 20 * time.Second}, {Name: "Deploy", Takes: 170 * time.Second, Error: "script returned exit code 1"},
	}}
	approval = cistand.Plan{Stages: []cistand.Stage{{Name: "Build", Takes: 20 * time.Second}, {Name: "Approve", Waits: true, Takes: 10 * time.Second}}}
)

func ended(end string) cistand.Plan {
	p := twoStages
	p.End = end
	return p
}

// story is one pipeline from its trigger to its end.
type story struct {
	name string
	plan cistand.Plan
	rule string
	// act happens at a time.
	act func(at time.Duration)
	// step is the time between looks; 0: 10 s.
	step time.Duration
}

func (s *story) run(t *testing.T, st *stage, backend string, method map[string]any) {
	t.Helper()
	_, w, why := st.trigger(t, method, s.rule)
	if w == nil {
		golden(t, backend+"-"+s.name, why+"\n")
		return
	}
	step := s.step
	if step == 0 {
		step = 10 * time.Second
	}
	golden(t, backend+"-"+s.name, st.tell(t, w, step, s.act))
}

var _ = context.Canceled
