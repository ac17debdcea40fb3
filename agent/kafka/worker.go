package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/segmentio/kafka-go"

	"port-agent/agent"
)

// fetcher reads records of a partition from an offset on: cluster.fetch, for the
// worker's partition.
type fetcher func(ctx context.Context, offset int64, keep func(size int64) (done func(), err error), room func(size int) error) (steps, error)

// worker reads one partition and hands each record to the handler, which runs
// beside the reading. Reading stops while the tracker's window is full and
// ends with its context; run then waits for the handlers.
type worker struct {
	partition partition
	changeLog bool
	tracker   *tracker
	committer *committer
	marks     bool // started marks are kept
	fetch     fetcher
	bounds    func(ctx context.Context) (bounds, error)
	handle    Handler
	events    *prometheus.CounterVec // topic, outcome
	log       zerolog.Logger

	memory *share

	sequence agent.Sequence
	handlers sync.WaitGroup
}

const (
	readRetryMin = 100 * time.Millisecond
	readRetryMax = 2 * time.Second
)

// run returns when ctx has ended and every handler has returned.
func (w *worker) run(ctx context.Context) {
	defer w.handlers.Wait()
	next := w.tracker.position()
	failures := 0
	for delay := readRetryMin; ctx.Err() == nil; {
		before := next
		err := w.read(ctx, &next)
		if next > before {
			delay, failures = readRetryMin, 0
		}
		if err == nil || ctx.Err() != nil {
			continue
		}
		// The first failure is most often a leader that has moved or a connection
		// that was closed while it was idle.
		failures++
		line := w.log.Debug()
		if failures > 2 {
			line = seldom(w.log, failures)
		}
		line.Err(err).Int64("offset", next).Int("failures", failures).Dur("retry_in_ms", delay).Msg("reading a partition failed")
		sleep(ctx, delay)
		delay = min(2*delay, readRetryMax)
	}
}

// read makes one fetch and hands its records on. next is where it begins, and
// where the next one does.
func (w *worker) read(ctx context.Context, next *int64) error {
	if err := w.tracker.waitRoom(ctx); err != nil {
		return err
	}
	keep := func(size int64) (func(), error) { return w.memory.keep(ctx, size) }
	records, err := w.fetch(ctx, *next, keep, func(size int) error {
		if err := w.tracker.waitRoom(ctx); err != nil {
			return err
		}
		return w.memory.acquire(ctx, eventCost(size))
	})
	if errors.Is(err, kafka.OffsetOutOfRange) {
		return w.reposition(ctx, next)
	}
	if err != nil {
		return fmt.Errorf("fetch records: %w", err)
	}
	for rec, err := range records {
		if err != nil {
			return fmt.Errorf("read records: %w", err)
		}
		switch {
		case rec.err != nil:
			w.drop(rec, *next)
		case rec.records == 0:
			w.tracker.skip(rec.next)
		default:
			w.take(ctx, rec)
		}
		*next = rec.next
	}
	return nil
}

// reposition moves the reading to the beginning of the log, where retention has
// overtaken it. A position behind the end is left to the watch over the topics.
func (w *worker) reposition(ctx context.Context, next *int64) error {
	b, err := w.bounds(ctx)
	if err != nil {
		return err
	}
	if *next >= b.first {
		return fmt.Errorf("fetch records: %w: the log ends at %d", kafka.OffsetOutOfRange, b.end)
	}
	gone := w.tracker.skip(b.first)
	w.log.Warn().Int64("offset", *next).Int64("first", b.first).Int64("records", b.first-*next).Int("unsettled", gone).
		Msg("records deleted by retention before they were read")
	*next = b.first
	return nil
}

// drop passes by records that are too large to be held, or damaged.
func (w *worker) drop(rec record, from int64) {
	outcome := agent.EventMalformed
	if errors.Is(rec.err, errOversized) {
		outcome = agent.EventOversized
	}
	w.events.WithLabelValues(w.partition.topic, outcome).Add(float64(rec.records))
	w.log.Warn().Err(rec.err).Int64("offset", from).Int64("up_to", rec.next-1).Int("records", rec.records).Str("reason", outcome).
		Msg("event dropped")
	w.tracker.skip(rec.next)
	w.committer.settled()
}

// take hands one record to its handler, unless it is settled already. The
// memory that was acquired for it is given back with its end.
func (w *worker) take(ctx context.Context, rec record) {
	cost, offset := eventCost(len(rec.value)), rec.next-1
	e, a, gone := w.tracker.add(offset)
	if gone > 0 {
		w.log.Warn().Int("events", gone).Int64("offset", offset).Msg("unsettled events deleted by retention")
	}
	if a == arrivedSettled {
		w.events.WithLabelValues(w.partition.topic, agent.EventSettled).Inc()
		w.memory.release(cost)
		return
	}
	ev := &agent.Event{
		Topic: w.partition.topic, Partition: w.partition.id, Offset: offset, Time: time.Now(), Record: rec.value,
		ChangeLog: w.changeLog, Interrupted: a == arrivedInterrupted, Vouched: w.tracker.vouches(offset), Place: w.sequence.Next(),
	}
	release := sync.OnceFunc(func() { w.memory.release(cost) })
	ev.Ledger = &account{w: w, e: e, release: release}
	w.handlers.Go(func() {
		defer release()
		if err := w.handle(ctx, ev); err != nil {
			return // left to the next owner
		}
		w.tracker.settle(e)
		w.committer.settled()
	})
}

// account is one event's entry in the ledger.
type account struct {
	w       *worker
	e       *tracked
	release func() // gives back the memory that the event was counted for
}

// Start commits that the event was started.
func (a *account) Start(ctx context.Context) error {
	if !a.w.marks {
		return nil
	}
	return a.w.committer.start(ctx, a.w.tracker, a.e)
}

// Reset takes the started mark back.
func (a *account) Reset() {
	a.w.tracker.mark(a.e, waiting)
	a.w.committer.settled()
}

// Following leaves the event out of the lag and gives back its memory. The
// event is marked as started even where started marks are off: to invoke it
// again would trigger its pipeline once more at each rolling update.
func (a *account) Following() {
	a.w.tracker.mark(a.e, following)
	a.w.committer.settled()
	a.release()
}
