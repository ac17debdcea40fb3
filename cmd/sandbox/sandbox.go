package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"port-agent/agent/port/porttest"
	"port-agent/cmd/app"
	"port-agent/cmd/sandbox/world"
)

const (
	organisation = "sandbox"
	partitions   = 2
)

// mappingFile is the mapping of the sandbox's agent.
const mappingFile = `[
  {
    "name": "buckets",
    "enabled": ".action == \"create_bucket\"",
    "body": {"bucket": ".payload.properties.name", "requestedBy": ".trigger.by.userId"},
    "report": {"link": ".response.json.url"}
  },
  {"name": "pipelines", "enabled": ".action | startswith(\"run_\")", "follow": {"interval": 1}},
  {"name": "everything else", "enabled": true}
]
`

// sandbox is a world with backends.
type sandbox struct {
	*world.World
	port     *porttest.Server
	backends *backends
	ci       *ci
	folder   string // of the mapping file
}

// open starts everything but the agent.
func open(ctx context.Context) (s *sandbox, err error) {
	s = &sandbox{}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.folder, err = os.MkdirTemp("", "port-agent-sandbox-"); err != nil {
		return s, fmt.Errorf("make a folder: %w", err)
	}
	if err := os.WriteFile(s.mapping(), []byte(mappingFile), 0o600); err != nil {
		return s, fmt.Errorf("write the mapping: %w", err)
	}
	if s.World, err = world.Start(); err != nil {
		return s, err
	}
	if err := s.Found(ctx, organisation, partitions); err != nil {
		return s, err
	}
	s.port = porttest.NewServer(s.API(porttest.Config{}))
	s.backends, s.ci = startBackends(), startCI()
	return s, nil
}

func (s *sandbox) close() {
	if s.backends != nil {
		s.backends.Close()
		s.ci.Close()
	}
	if s.port != nil {
		s.port.Close()
	}
	if s.World != nil {
		s.World.Close()
	}
	if s.folder != "" {
		_ = os.RemoveAll(s.folder)
	}
}

func (s *sandbox) mapping() string { return filepath.Join(s.folder, "invocations.json") }

// environment points an agent at the sandbox.
func (s *sandbox) environment() [][2]string {
	env := append(world.Environment(organisation, s.port.URL(), s.mapping()), [2]string{"HTTP_ADDR", "127.0.0.1:0"})
	return append(env, s.ci.environment()...)
}

// agent is the agent at work.
type agent struct {
	*app.App
	stop context.CancelFunc
	done chan error
}

// startAgent runs the agent as its settings would have it, in this process.
func (s *sandbox) startAgent(ctx context.Context, log io.Writer) (*agent, error) {
	for _, v := range s.environment() {
		if err := os.Setenv(v[0], v[1]); err != nil {
			return nil, err
		}
	}
	cfg, err := app.ReadConfig()
	if err != nil {
		return nil, fmt.Errorf("read settings:\n%w", err)
	}
	a, err := app.New(cfg, "sandbox", log)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	running := &agent{App: a, stop: stop, done: make(chan error, 1)}
	go func() { running.done <- a.Run(ctx) }()
	return running, nil
}

// close stops the agent as SIGTERM does.
func (a *agent) close() error {
	a.stop()
	return <-a.done
}

// settled returns when the agent has settled every event.
func (s *sandbox) settled(ctx context.Context) error {
	for {
		if done, err := s.Settled(ctx); done || err != nil {
			return err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return errors.New("the agent did not settle every event in time")
		}
	}
}

// serve prints how to use the sandbox and what its backends and Port get,
// until ctx ends.
func (s *sandbox) serve(ctx context.Context, out io.Writer) {
	fmt.Fprint(out, "\nThe sandbox stays up; its own agent has left. Point another at it:\n\n")
	for _, v := range s.environment() {
		fmt.Fprintf(out, "export %s=%s\n", v[0], v[1])
	}
	fmt.Fprintf(out, "\nPublish an event (it is signed with the sandbox's secret):\n\n")
	fmt.Fprintf(out, "go run ./cmd/sandbox -brokers %s -publish examples/webhook/event.json\n\n", strings.Join(s.Kafka.Brokers, ","))
	fmt.Fprintf(out, "Backends: %s/ok, %s/slow, %s/fail\n", s.backends.URL, s.backends.URL, s.backends.URL)
	fmt.Fprintf(out, "Jenkins:  %s and %s (its clock runs ten times as fast)\n\n", s.ci.trigger(goodJob), s.ci.trigger(badJob))
	told := map[string]string{}
	for _, r := range s.port.Runs() {
		told[r.ID] = summary(r)
	}
	for {
		select {
		case <-ctx.Done():
			return
		case call := <-s.backends.calls:
			fmt.Fprintf(out, "backend  %s %s for run %s: answered %d after %s\n", call.method, call.path, call.run, call.status, round(call.took))
		case <-time.After(200 * time.Millisecond):
			s.ci.clock.Advance(2 * time.Second)
		}
		for _, r := range s.port.Runs() {
			if text := summary(r); text != told[r.ID] {
				told[r.ID] = text
				fmt.Fprintf(out, "port     run %s: %s\n", r.ID, text)
			}
		}
	}
}

// summary is what Port knows of a run.
func summary(r porttest.Run) string {
	parts := []string{r.Status}
	if len(r.Response) > 0 {
		parts = append(parts, "response "+string(r.Response))
	}
	if r.Summary != "" {
		parts = append(parts, fmt.Sprintf("summary %q", r.Summary))
	}
	for _, l := range r.Links {
		parts = append(parts, "link "+l)
	}
	if m := r.Messages(); len(m) > 0 {
		parts = append(parts, fmt.Sprintf("log %q", m[len(m)-1]))
	}
	return strings.Join(parts, ", ")
}
