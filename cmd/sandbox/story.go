package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"port-agent/agent/port/porttest"
	"port-agent/cmd/sandbox/world"
)

// patience is how long the story may take.
const patience = 55 * time.Second

// chapter is one event of the story and how it should end.
type chapter struct {
	title   string
	event   porttest.Event
	backend string
	rule    string
	secret  string
	status  string // that the run should have at Port, empty: Port should not be told of it
	note    string
}

func chapters() []chapter {
	return []chapter{
		{
			title: "An asynchronous run", backend: "/ok", rule: `2 "everything else"`, secret: world.ClientSecret, status: porttest.InProgress,
			event: porttest.Event{Run: "r_async", Action: "deploy", Entity: "cart"},
			note:  "the backend accepted it and ends the run itself",
		},
		{
			title: "A synchronous run with a slow answer", backend: "/slow", rule: `0 "buckets"`, secret: world.ClientSecret, status: "SUCCESS",
			event: porttest.Event{Run: "r_sync", Action: "create_bucket", Synchronized: true, Properties: map[string]any{"name": "reports"}},
		},
		{
			title: "A run whose backend fails", backend: "/fail", rule: `2 "everything else"`, secret: world.ClientSecret, status: "FAILURE",
			event: porttest.Event{Run: "r_fail", Action: "restart_database", Entity: "orders", Synchronized: true},
		},
		{
			title: "A run that Port did not sign", backend: "/ok", secret: "somebody else's secret",
			event: porttest.Event{Run: "r_forged", Action: "delete_everything", Entity: "prod"},
		},
	}
}

// tellStory publishes the events, lets an agent work on them and tells how each
// of them ended. The error names those that came out wrong.
func (s *sandbox) tellStory(ctx context.Context, out, log io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	fmt.Fprintf(out, "Kafka %s, Port's API %s, backends %s\n", strings.Join(s.Kafka.Brokers, ","), s.port.URL(), s.backends.URL)
	a, err := s.startAgent(ctx, log)
	if err != nil {
		return err
	}
	wrong, err := s.tellChapters(ctx, out)
	if stopErr := a.close(); err == nil {
		err = stopErr
	}
	if err != nil {
		return err
	}
	if len(wrong) > 0 {
		return fmt.Errorf("not as it should be: %s", strings.Join(wrong, ", "))
	}
	fmt.Fprintln(out, "\nAll as it should be; every event is settled and committed.")
	return nil
}

// tellChapters tells of all runs, and returns those that came out wrong.
func (s *sandbox) tellChapters(ctx context.Context, out io.Writer) (wrong []string, err error) {
	published, err := s.publish(ctx, chapters())
	if err == nil {
		err = s.settled(ctx)
	}
	if err != nil {
		return nil, err
	}
	calls := s.collectCalls()
	for i, c := range chapters() {
		if !s.tell(out, i+1, c, published, calls) {
			wrong = append(wrong, c.event.Run)
		}
	}
	for i, p := range pipelines() {
		right, err := s.follow(ctx, out, len(chapters())+i+1, p)
		if err != nil {
			return nil, err
		}
		if !right {
			wrong = append(wrong, p.event.Run)
		}
	}
	return wrong, s.settled(ctx)
}

func (s *sandbox) publish(ctx context.Context, story []chapter) (time.Time, error) {
	at := time.Now()
	for i, c := range story {
		if c.status != "" {
			s.port.AddRun(c.event.Run)
		}
		c.event.URL = s.backends.URL + c.backend
		if err := s.Kafka.Produce(ctx, s.Runs(), i%partitions, c.event.Record(c.secret)); err != nil {
			return at, err
		}
	}
	return at, nil
}

// collectCalls returns what the backends got, by run.
func (s *sandbox) collectCalls() map[string][]call {
	calls := map[string][]call{}
	for len(s.backends.calls) > 0 {
		c := <-s.backends.calls
		calls[c.run] = append(calls[c.run], c)
	}
	return calls
}

// tell prints one chapter and reports whether it came out as it should.
func (s *sandbox) tell(out io.Writer, n int, c chapter, published time.Time, calls map[string][]call) bool {
	line := func(name, format string, args ...any) { tell(out, name, format, args...) }
	fmt.Fprintf(out, "\n%d. %s\n", n, c.title)
	line("event", "run %s, action %s%s", c.event.Run, c.event.Action, entity(c.event))
	run, known := s.port.Run(c.event.Run)
	got := calls[c.event.Run]
	if c.status == "" {
		line("agent", "dropped: the signature does not match the message")
		line("request", "%s", counted(len(got), "none"))
		line("port", "%s", map[bool]string{false: "told nothing", true: "was told: " + summary(run)}[known])
		return len(got) == 0 && !known
	}
	line("rule", "%s", c.rule)
	for _, g := range got {
		line("request", "%s %s %s", g.method, s.backends.URL+g.path, compact(g.body))
		line("answer", "%d %s after %s", g.status, g.answer, round(g.took))
	}
	for _, m := range run.Messages() {
		line("run log", "%s", m)
	}
	line("port", "%s%s", told(run), note(c))
	if len(got) > 0 {
		line("took", "%s from Kafka to the backend", round(got[0].at.Sub(published)))
	}
	return len(got) == 1 && run.Status == c.status && hasRule(run, c.rule)
}

// hasRule reports whether the agent's own words name the rule that should have
// matched.
func hasRule(run porttest.Run, rule string) bool {
	for _, m := range run.Messages() {
		if strings.Contains(m, "(rule "+rule+")") {
			return true
		}
	}
	return false
}

func entity(e porttest.Event) string {
	if e.Entity == "" {
		return ""
	}
	return ", entity " + e.Entity
}

func counted(n int, none string) string {
	if n == 0 {
		return none
	}
	return fmt.Sprintf("%d, which is wrong", n)
}

func note(c chapter) string {
	if c.note == "" {
		return ""
	}
	return " (" + c.note + ")"
}

// told is what Port knows of a run, without its log.
func told(r porttest.Run) string {
	r.Logs = nil
	return summary(r)
}

func round(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }
