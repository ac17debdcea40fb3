package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"port-agent/agent/port/porttest"
)

// tailOf starts the command against the world of an agent.
func (w *world) tailOf(env []string, args ...string) *process {
	w.t.Helper()
	return startProcess(w.t, append(w.settings(), env...), append([]string{"tail"}, args...)...)
}

// TestTailFetchesTheEventOfALogLine reads single places of a partition while an
// agent is at work, and commits nothing.
func TestTailFetchesTheEventOfALogLine(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	rules := mapping(t, map[string]any{"name": "deploys", "enabled": `.action == "deploy"`,
		"url": fmt.Sprintf("%q", w.backend.URL+"/hook?token=canary-query-token"), "headers": map[string]any{"X-Api-Key": "env.DEPLOY_TOKEN"}})
	env := []string{rules, "DEPLOY_TOKEN=canary-deploy-token"}
	events := []porttest.Event{{Run: "r_0", Action: "other"}, {Run: "r_1", Synchronized: true}, {Run: "r_2", NotForAgent: true}}
	w.publish(events...)
	a := w.agent(env...)
	w.waitEnded(events[1:2])
	a.terminate()
	w.wantCommitted()
	before, err := w.kafka.Committed(t.Context(), w.group(), w.runs())
	if err != nil {
		t.Fatal(err)
	}

	dir := t.TempDir()
	for offset, want := range []string{"r_0  other  no rule matches", `r_1  deploy  rule 0 "deploys"  webhook  POST  ` + w.backend.URL + "/hook", "r_2  deploy"} {
		p := w.tailOf(env, "-partition", "0", "-offset", fmt.Sprint(offset), "-o", dir)
		if code := p.exit(); code != 0 {
			t.Fatalf("offset %d: exit code %d: %s", offset, code, p.out)
		}
		got := p.out.String()
		if !strings.Contains(got, fmt.Sprintf("%s/0/%d  %s", w.runs(), offset, want)) || strings.Count(got, "\n") != 1 {
			t.Errorf("offset %d: got %q, want one line with %q", offset, got, want)
		}
		if offset == 2 && !strings.Contains(got, "stopped: the event is not for the agent") {
			t.Errorf("got %q, want the reason", got)
		}
		if strings.Contains(got, "canary") {
			t.Errorf("offset %d: a secret is shown: %s", offset, got)
		}
		saved, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%s-0-%d.json", w.runs(), offset)))
		if err != nil || !strings.Contains(string(saved), events[offset].Run) {
			t.Errorf("offset %d: saved %q, %v", offset, saved, err)
		}
	}
	all := w.tailOf(env, "-partition", "0", "-offset", "0", "-count", "50", "-v")
	if code := all.exit(); code != 0 || strings.Count(all.out.String(), w.runs()+"/0/") != 3 || !strings.Contains(all.out.String(), "signature valid") {
		t.Errorf("exit code %d, want the three events and their explanations:\n%s", code, all.out)
	}
	if strings.Contains(all.out.String(), "canary") {
		t.Errorf("a secret is shown:\n%s", all.out)
	}
	after, err := w.kafka.Committed(t.Context(), w.group(), w.runs())
	if err != nil || fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("the group's offsets moved: %v, then %v, %v", before, after, err)
	}
}

// TestTailShowsWhatIsPublished follows both topics from their ends on.
func TestTailShowsWhatIsPublished(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.publish(porttest.Event{Run: "r_before"})
	p := w.tailOf(nil)
	p.logged("reading")
	w.publish(porttest.Event{Run: "r_one"}, porttest.Event{Run: "r_two"})
	if err := w.kafka.Produce(t.Context(), w.changes(), 0, []byte("no event")); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"r_one", "r_two", w.changes() + "/0/0  stopped: malformed event"} {
		p.logged(want)
	}
	p.terminate()
	if strings.Contains(p.out.String(), "r_before") {
		t.Errorf("what was there before is shown:\n%s", p.out)
	}
}

func TestTailSaysWhatIsNotThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.publish(porttest.Event{Run: "r_0"}, porttest.Event{Run: "r_1"})
	tests := []struct {
		name string
		env  []string
		args []string
		code int
		want string
	}{
		{name: "offset past the end", args: []string{"-partition", "0", "-offset", "2"}, code: 1, want: w.runs() + "/0 holds offsets 0 to 1, not 2"},
		{name: "partition", args: []string{"-partition", "3", "-offset", "0"}, code: 1, want: "has partitions 0 to 0, not 3"},
		{name: "empty partition", args: []string{"-partition", "0", "-offset", "0", "-changes"}, code: 1, want: w.changes() + "/0 holds no records, not 0"},
		{name: "offset alone", args: []string{"-offset", "0"}, code: 2, want: "-partition and -offset go together"},
		{name: "topic", env: []string{"KAFKA_RUNS_TOPIC=nowhere"}, code: 1, want: "topic nowhere does not exist, or the credentials may not read it"},
		{name: "polling", env: []string{"STREAMER_NAME=POLLING"}, code: 1, want: "STREAMER_NAME is POLLING"},
		{name: "settings", env: []string{"PORT_CLIENT_SECRET="}, code: 2, want: "PORT_CLIENT_SECRET"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := w.tailOf(test.env, test.args...)
			if code := p.exit(); code != test.code || !strings.Contains(p.out.String(), test.want) {
				t.Errorf("exit code %d, want %d and %q:\n%s", code, test.code, test.want, p.out)
			}
		})
	}
}
