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

	"port-agent/agent/kafka/kafkatest"
	"port-agent/agent/port/porttest"
	"port-agent/cmd/app"
)

const (
	organisation = "sandbox"
	clientID     = "sandbox-client"
	// clientSecret signs the sandbox's events. It opens nothing else.
	clientSecret = "sandbox-client-secret-of-40-characters-x"
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
  {"name": "everything else", "enabled": true}
]
`

// sandbox is Port without Port: Kafka, its API, and backends.
type sandbox struct {
	kafka    *kafkatest.Cluster
	port     *porttest.Server
	backends *backends
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
	if s.kafka, err = kafkatest.Start(); err != nil {
		return s, err
	}
	for _, topic := range []string{organisation + ".runs", organisation + ".change.log"} {
		if err := s.kafka.CreateTopic(ctx, topic, partitions); err != nil {
			return s, err
		}
	}
	s.port = porttest.NewServer(porttest.Config{
		ClientID: clientID, ClientSecret: clientSecret, OrgID: organisation,
		Kafka: &porttest.KafkaCredentials{Brokers: s.kafka.Brokers},
	})
	s.backends = startBackends()
	return s, nil
}

func (s *sandbox) close() {
	if s.backends != nil {
		s.backends.Close()
	}
	if s.port != nil {
		s.port.Close()
	}
	if s.kafka != nil {
		s.kafka.Close()
	}
	if s.folder != "" {
		_ = os.RemoveAll(s.folder)
	}
}

func (s *sandbox) mapping() string { return filepath.Join(s.folder, "invocations.json") }

// environment points an agent at the sandbox.
func (s *sandbox) environment() [][2]string {
	return [][2]string{
		{"PORT_CLIENT_ID", clientID},
		{"PORT_CLIENT_SECRET", clientSecret},
		{"PORT_ORG_ID", organisation},
		{"PORT_API_BASE_URL", s.port.URL()},
		{"STREAMER_NAME", "KAFKA"},
		{"KAFKA_CONSUMER_SECURITY_PROTOCOL", "plaintext"},
		{"KAFKA_CONSUMER_AUTHENTICATION_MECHANISM", "none"},
		{"INVOCATIONS_PATH", s.mapping()},
		{"HTTP_ADDR", "127.0.0.1:0"},
		{"STATUS_ADDR", "127.0.0.1:0"},
	}
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

// settled returns when the agent has committed the end of every partition:
// nothing is left to do for any event.
func (s *sandbox) settled(ctx context.Context) error {
	const topic, group = organisation + ".runs", organisation + ".port-agent"
	for {
		ends, err := s.kafka.Ends(ctx, topic)
		if err != nil {
			return err
		}
		committed, err := s.kafka.Committed(ctx, group, topic)
		if err != nil {
			return err
		}
		open := 0
		for p, end := range ends {
			if end != committed[p].Offset && end > 0 {
				open++
			}
		}
		if open == 0 {
			return nil
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
	fmt.Fprintf(out, "go run ./cmd/sandbox -brokers %s -publish examples/webhook/event.json\n\n", strings.Join(s.kafka.Brokers, ","))
	fmt.Fprintf(out, "Backends: %s/ok, %s/slow, %s/fail\n\n", s.backends.URL, s.backends.URL, s.backends.URL)
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
