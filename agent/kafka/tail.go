package kafka

import (
	"context"
	"crypto/tls"
	"fmt"
	"math"
	"sync"

	"golang.org/x/sync/errgroup"

	"port-agent/agent"
	"port-agent/agent/kafka/batch"
	"port-agent/agent/kafka/ledger"
)

// Range selects the records that Tail reads. The zero value selects all that are
// published from now on.
type Range struct {
	Partition int
	Offset    int64 // of the first record
	Changes   bool  // of the topic of catalog changes
	Count     int   // of records; 0 means no end, and the fields above are ignored
	// Begun is called when the positions are known: what is published later is not
	// missed. It may be nil.
	Begun func()
}

// tailTries is how often in a row a fetch may fail.
const tailTries = 4

// Tail reads records without joining a group and passes each to take, one at a
// time; dropped is why the agent drops a record whose value is not read. If r has a
// Count it reads that many records of one partition, or fewer if its log ends before,
// else all that is published to both topics from now on. It commits nothing.
//
// It returns when all is read, when ctx ends (nil), or with an error: the first of
// take, or the last of tailTries failed fetches in a row.
func Tail(ctx context.Context, cfg Config, cred Credentials, tlsConfig *tls.Config, r Range, take func(ev *agent.Event, dropped error) error) error {
	cl, err := connect(&cfg, cred, tlsConfig)
	if err != nil {
		return err
	}
	defer cl.close()
	topics := cfg.topics()
	switch {
	case r.Count > 0 && r.Changes:
		topics = topics[1:]
	case r.Count > 0:
		topics = topics[:1]
	}
	places, err := cl.tailPlaces(ctx, topics, r)
	if err != nil {
		return err
	}
	if r.Begun != nil {
		r.Begun()
	}
	memory := &share{budget: newBudget(memoryBudget), full: func() bool { return false }}
	var taking sync.Mutex
	readers, reading := errgroup.WithContext(ctx)
	for p, b := range places {
		readers.Go(func() error {
			return cl.tailPartition(reading, p, b, r.Count, memory, func(rec batch.Record) error {
				taking.Lock()
				defer taking.Unlock()
				return take(&agent.Event{Topic: p.Topic, Partition: p.Partition, Offset: rec.Next - 1, Time: rec.Time, Record: rec.Value}, rec.Err)
			})
		})
	}
	if err := readers.Wait(); ctx.Err() == nil {
		return err
	}
	return nil
}

// tailPartition passes the records within b to take, at most count if that is not 0.
func (c *cluster) tailPartition(ctx context.Context, p ledger.Place, b bounds, count int, memory *share, take func(batch.Record) error) error {
	for next, failures := b.first, 0; next < b.end; {
		for rec, err := range c.fetch(ctx, p, next, memory) {
			if err != nil {
				if failures++; failures == tailTries || ctx.Err() != nil {
					return fmt.Errorf("read %s: %w", p, err)
				}
				sleep(ctx, readRetryMax)
				break
			}
			next, failures = rec.Next, 0
			if rec.Count == 0 {
				continue
			}
			err = take(rec)
			if rec.Release != nil {
				rec.Release()
			}
			if count--; err != nil || count == 0 {
				return err
			}
		}
	}
	return nil
}

// tailPlaces returns the partitions to read, and from where to where.
func (c *cluster) tailPlaces(ctx context.Context, topics []string, r Range) (map[ledger.Place]bounds, error) {
	counts, err := c.partitionCounts(ctx, topics)
	if err != nil {
		return nil, err
	}
	var ps []ledger.Place
	for _, topic := range topics {
		if counts[topic] == 0 {
			return nil, fmt.Errorf("topic %s does not exist, or the credentials may not read it", topic)
		}
		for id := range counts[topic] {
			if r.Count == 0 || id == r.Partition {
				ps = append(ps, ledger.Place{Topic: topic, Partition: id})
			}
		}
	}
	if len(ps) == 0 {
		return nil, fmt.Errorf("no such record: topic %s has partitions 0 to %d, not %d", topics[0], counts[topics[0]]-1, r.Partition)
	}
	logs, err := c.logBounds(ctx, ps)
	if err != nil {
		return nil, err
	}
	for p, b := range logs {
		if r.Count == 0 {
			logs[p] = bounds{b.end, math.MaxInt64}
			continue
		}
		if r.Offset < b.first || r.Offset >= b.end {
			return nil, fmt.Errorf("no such record: %s holds %s, not %d", p, b, r.Offset)
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
