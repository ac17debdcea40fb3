package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"port-agent/agent"
	"port-agent/agent/kafka/kafkatest"
	"port-agent/agent/kafka/ledger"
	"port-agent/invoker"
)

// cluster gives a Kafka for one test, and a topic name of its own.
func openCluster(t *testing.T) (*kafkatest.Cluster, Config) {
	t.Helper()
	c, err := kafkatest.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	org := strings.NewReplacer("/", "_").Replace(fmt.Sprintf("%s_%d", t.Name(), time.Now().UnixNano()))
	return c, configOf(c.Brokers, org)
}

// configOf is the settings of a member that looks at topics and their ends often.
func configOf(brokers []string, org string) Config {
	return Config{
		Local: true, Brokers: brokers, SecurityProtocol: "plaintext", Mechanism: "none", SessionTimeoutMS: 6000, AutoOffsetReset: "earliest",
		Delivery: exactlyOnce, DrainTimeout: 5 * time.Second, MaxEventBytes: 4 << 20, watchInterval: 200 * time.Millisecond,
	}.ForOrg(org)
}

func createTopics(t *testing.T, c *kafkatest.Cluster, cfg Config, partitions int) {
	t.Helper()
	for _, topic := range cfg.topics() {
		if err := c.CreateTopic(t.Context(), topic, partitions); err != nil {
			t.Fatal(err)
		}
	}
}

// running is a source under test.
type running struct {
	*Source
	stop func() // as SIGTERM does; returns when the source has stopped
}

func start(t testing.TB, cfg Config, handle Handler) *running {
	t.Helper()
	log := io.Discard
	if os.Getenv("TEST_LOG") != "" {
		log = zerolog.NewTestWriter(t)
	}
	return startSource(t, cfg, handle, log)
}

func startSource(t testing.TB, cfg Config, handle Handler, log io.Writer) *running {
	t.Helper()
	s := New(cfg, nil, func(context.Context) (Credentials, error) { return Credentials{Brokers: cfg.Brokers}, nil },
		handle, agent.NewMetrics(prometheus.NewRegistry(), "test"), zerolog.New(log))
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(30 * time.Second):
			t.Error("Run did not return")
		}
	})
	t.Cleanup(stop)
	return &running{s, stop}
}

// seen collects what a handler was given.
type seen struct {
	mu     sync.Mutex
	values []string
	more   chan struct{}
}

func newSeen() *seen { return &seen{more: make(chan struct{}, 1)} }

func (s *seen) add(v string) {
	s.mu.Lock()
	s.values = append(s.values, v)
	s.mu.Unlock()
	notify(s.more)
}

func (s *seen) wait(t *testing.T, n int) []string {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		s.mu.Lock()
		values := append([]string(nil), s.values...)
		s.mu.Unlock()
		if len(values) >= n {
			return values
		}
		select {
		case <-s.more:
		case <-deadline:
			t.Fatalf("got %d of %d events", len(values), n)
		}
	}
}

func records(prefix string, n int) [][]byte {
	out := make([][]byte, n)
	for i := range out {
		out[i] = fmt.Appendf(nil, "%s%d", prefix, i)
	}
	return out
}

func TestSourceCommitsToTheEnd(t *testing.T) {
	t.Parallel()
	c, cfg := openCluster(t)
	createTopics(t, c, cfg, 2)
	for p := range 2 {
		if err := c.Produce(t.Context(), cfg.RunsTopic, p, records("r", 50)...); err != nil {
			t.Fatal(err)
		}
	}
	got := newSeen()
	s := start(t, cfg, func(ctx context.Context, ev *agent.Event) error {
		if err := ev.Ledger.Start(ctx); err != nil {
			return err
		}
		got.add(fmt.Sprintf("%d/%s", ev.Partition, ev.Record))
		return nil
	})
	values := got.wait(t, 100)
	s.stop()
	once := map[string]bool{}
	for _, v := range values {
		if once[v] {
			t.Errorf("%s was handled twice", v)
		}
		once[v] = true
	}
	wantCommitted(t, c, cfg, map[int]int64{0: 50, 1: 50})
}

func wantCommitted(t *testing.T, c *kafkatest.Cluster, cfg Config, want map[int]int64) {
	t.Helper()
	got, err := c.Committed(t.Context(), cfg.GroupID, cfg.RunsTopic)
	if err != nil {
		t.Fatal(err)
	}
	for p, w := range want {
		place := ledger.Place{Topic: cfg.RunsTopic, Partition: p}
		if want := clean(place, w); got[p].Offset != w || got[p].Metadata != want.Metadata {
			t.Errorf("partition %d: committed %+v, want %+v", p, got[p], want)
		}
	}
}

// The next owner skips what is settled beyond the committed offset, is told of
// what was started, and is given the rest.
func TestSourceHandsOverItsLedger(t *testing.T) {
	t.Parallel()
	c, cfg := openCluster(t)
	createTopics(t, c, cfg, 1)
	if err := c.Produce(t.Context(), cfg.RunsTopic, 0, records("", 6)...); err != nil {
		t.Fatal(err)
	}
	handled := newSeen()
	first := start(t, cfg, func(ctx context.Context, ev *agent.Event) error {
		defer handled.add(string(ev.Record))
		switch string(ev.Record) {
		case "1": // started, and left in the middle
			return errors.Join(ev.Ledger.Start(ctx), errors.New("left"))
		case "3": // not started
			return errors.New("left")
		}
		return ev.Ledger.Start(ctx)
	})
	handled.wait(t, 6)
	first.stop()

	again := newSeen()
	second := start(t, cfg, func(_ context.Context, ev *agent.Event) error {
		again.add(fmt.Sprintf("%s interrupted=%t", ev.Record, ev.Interrupted))
		return nil
	})
	got := strings.Join(again.wait(t, 2), ", ")
	second.stop()
	if want := "1 interrupted=true, 3 interrupted=false"; got != want && got != "3 interrupted=false, 1 interrupted=true" {
		t.Errorf("the next owner was given %s, want %s", got, want)
	}
	wantCommitted(t, c, cfg, map[int]int64{0: 6})
}

func secret(s string) invoker.Secret { return invoker.Secret(s) }

// joinOnce runs a source until it has joined or given up.
func joinOnce(t *testing.T, cfg Config, tlsConfig *tls.Config, cred Credentials) error {
	t.Helper()
	s := New(cfg, tlsConfig, func(context.Context) (Credentials, error) { return cred, nil },
		func(context.Context, *agent.Event) error { return nil }, agent.NewMetrics(prometheus.NewRegistry(), "test"), zerolog.Nop())
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	for !s.Ready() {
		select {
		case err := <-done:
			return err
		case <-time.After(10 * time.Millisecond):
		}
		if ctx.Err() != nil {
			return errors.New("neither joined nor refused")
		}
	}
	cancel()
	return <-done
}
