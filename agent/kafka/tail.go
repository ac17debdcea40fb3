package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"port-agent/agent"
)

// Range is the part of a partition that Tail reads. The zero value is all that
// is published from now on.
type Range struct {
	Partition int
	Offset    int64 // of the first record
	Count     int   // records; 0: no end, and the two above are ignored
	// Begun is called when it is known where to read from: what is published
	// later is not missed. It may be nil.
	Begun func()
}

// ErrNoRecord is wrapped by the error of Tail where a partition does not hold
// the offset that was asked for.
var ErrNoRecord = errors.New("no such record")

// tailWait is how long a broker may hold an answer back for want of records.
const tailWait = 500 * time.Millisecond

// Tail reads records beside the group and passes each to take, one at a time:
// of a Range with a Count up to that many records of one partition of
// topics[0], as far as its log goes now, else what every partition of the
// topics gets from now on. It joins no group and commits nothing.
//
// It returns when all is read, when ctx ends (nil), or with the first error of
// the cluster or of take.
func Tail(ctx context.Context, cfg Config, cred Credentials, tlsConfig *tls.Config, topics []string, r Range, take func(*agent.Event) error) error {
	cl, err := connect(&cfg, cred, tlsConfig)
	if err != nil {
		return err
	}
	defer cl.close()
	places, err := cl.tailPlaces(ctx, topics, r)
	if err != nil {
		return err
	}
	if r.Begun != nil {
		r.Begun()
	}
	reading, stop := context.WithCancelCause(ctx)
	var readers sync.WaitGroup
	defer readers.Wait()
	defer stop(nil)
	events := make(chan *agent.Event)
	for p, b := range places {
		readers.Go(func() {
			if err := cl.tailPartition(reading, p, b.first, events); err != nil {
				stop(fmt.Errorf("read %s/%d: %w", p.topic, p.id, err))
			}
		})
	}
	for n := 1; ; n++ {
		select {
		case ev := <-events:
			ev.ChangeLog = ev.Topic == cfg.ChangeLogTopic
			if err := take(ev); err != nil {
				return err
			}
			if r.Count > 0 && (n == r.Count || ev.Offset+1 >= places[partition{ev.Topic, ev.Partition}].end) {
				return nil
			}
		case <-reading.Done():
			if ctx.Err() != nil {
				return nil
			}
			return context.Cause(reading)
		}
	}
}

// tailPartition passes the records of a partition on until ctx ends.
func (c *cluster) tailPartition(ctx context.Context, p partition, offset int64, events chan<- *agent.Event) error {
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: c.brokers, Dialer: c.dialer, Topic: p.topic, Partition: p.id,
		MaxWait: tailWait, QueueCapacity: 1, MaxBytes: tailMaxBytes})
	defer reader.Close()
	if err := reader.SetOffset(offset); err != nil {
		return err
	}
	for {
		msg, err := reader.FetchMessage(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case events <- &agent.Event{Topic: p.topic, Partition: p.id, Offset: msg.Offset, Time: msg.Time, Record: msg.Value}:
		case <-ctx.Done():
			return nil
		}
	}
}

// tailMaxBytes bounds one fetch.
const tailMaxBytes = 8 << 20

// tailPlaces finds out which partitions to read: of each the offset of the
// first record to read, and the end of its log.
func (c *cluster) tailPlaces(ctx context.Context, topics []string, r Range) (map[partition]bounds, error) {
	counts, err := c.partitionCounts(ctx, topics)
	if err != nil {
		return nil, err
	}
	var ps []partition
	for _, topic := range topics {
		if counts[topic] == 0 {
			return nil, fmt.Errorf("topic %s does not exist, or the credentials may not read it", topic)
		}
		for id := range counts[topic] {
			if r.Count == 0 || id == r.Partition {
				ps = append(ps, partition{topic, id})
			}
		}
	}
	if len(ps) == 0 {
		return nil, fmt.Errorf("%w: topic %s has partitions 0 to %d, not %d", ErrNoRecord, topics[0], counts[topics[0]]-1, r.Partition)
	}
	logs, err := c.logBounds(ctx, ps)
	if err != nil {
		return nil, err
	}
	for p, b := range logs {
		if r.Count == 0 {
			logs[p] = bounds{b.end, b.end}
			continue
		}
		if r.Offset < b.first || r.Offset >= b.end {
			return nil, fmt.Errorf("%w: %s/%d holds %s, not %d", ErrNoRecord, p.topic, p.id, b, r.Offset)
		}
		logs[p] = bounds{r.Offset, b.end}
	}
	return logs, nil
}

func (b bounds) String() string {
	if b.first >= b.end {
		return "no records"
	}
	return fmt.Sprintf("offsets %d to %d", b.first, b.end-1)
}
