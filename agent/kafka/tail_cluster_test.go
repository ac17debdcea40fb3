package kafka

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"

	"port-agent/agent"
	"port-agent/agent/kafka/batch"
	"port-agent/agent/kafka/kafkatest"
)

// TestTailPassesByARecordOfZeros has a record that would take 400 MiB between two
// others. tail runs in the agent's container, and within its memory.
func TestTailPassesByARecordOfZeros(t *testing.T) {
	c, cfg := openCluster(t)
	createTopics(t, c, cfg, 1)
	begun := time.Now()
	produce(t, c, cfg.RunsTopic, 0, []byte("before"))
	if err := c.ProduceBatch(t.Context(), cfg.RunsTopic, 0, zeros(kafka.Gzip, 400)); err != nil {
		t.Fatal(err)
	}
	produce(t, c, cfg.RunsTopic, 0, []byte("after"))
	var got []string
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := Tail(t.Context(), cfg, Credentials{Brokers: c.Brokers}, nil, Range{Count: 9}, func(ev *agent.Event, dropped error) error {
		got = append(got, fmt.Sprintf("%d %q", ev.Offset, ev.Record))
		if isZeros := ev.Offset == 1; errors.Is(dropped, batch.ErrOversized) != isZeros {
			t.Errorf("offset %d: dropped for %v", ev.Offset, dropped)
		}
		if age := ev.Time.Sub(begun); dropped == nil && (age < -time.Second || age > time.Minute) {
			t.Errorf("offset %d: the time is %s, want one since %s", ev.Offset, ev.Time, begun)
		}
		return nil
	})
	runtime.ReadMemStats(&after)
	if want := []string{`0 "before"`, `1 ""`, `2 "after"`}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if n := (after.TotalAlloc - before.TotalAlloc) >> 20; n > 40 {
		t.Errorf("%d MiB were allocated", n)
	}
}

// TestTailGoesOnWhereLeadersMove follows a topic whose leaders move between the
// records, and ends with its context.
func TestTailGoesOnWhereLeadersMove(t *testing.T) {
	t.Parallel()
	c, err := kafkatest.Start(kfake.NumBrokers(3))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	cfg := configOf(c.Brokers, "tailed")
	createTopics(t, c, cfg, 1)
	produce(t, c, cfg.RunsTopic, 0, []byte("earlier"))
	got, positions, ended := newSeen(), make(chan struct{}), make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		ended <- Tail(ctx, cfg, Credentials{Brokers: c.Brokers}, nil, Range{Begun: func() { close(positions) }}, func(ev *agent.Event, dropped error) error {
			got.add(string(ev.Record))
			return dropped
		})
	}()
	<-positions
	for n := range 3 {
		produce(t, c, cfg.RunsTopic, 0, fmt.Append(nil, n))
		got.wait(t, n+1)
		if err := c.Fake.MoveTopicPartition(cfg.RunsTopic, 0, (c.Fake.LeaderFor(cfg.RunsTopic, 0)+1)%3); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("after its context ended: %v", err)
	}
	if values := got.wait(t, 3); !slices.Equal(values, []string{"0", "1", "2"}) {
		t.Errorf("got %q, want what was published meanwhile", values)
	}
}

// TestTailEndsWithoutACluster has a cluster that goes away.
func TestTailEndsWithoutACluster(t *testing.T) {
	t.Parallel()
	c, err := kafkatest.Start()
	if err != nil {
		t.Fatal(err)
	}
	cfg := configOf(c.Brokers, "gone")
	createTopics(t, c, cfg, 1)
	err = Tail(t.Context(), cfg, Credentials{Brokers: c.Brokers}, nil, Range{Begun: c.Close}, nil)
	if err == nil {
		t.Error("ended without an error")
	}
}
