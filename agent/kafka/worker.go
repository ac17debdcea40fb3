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
	"port-agent/agent/kafka/batch"
	"port-agent/agent/kafka/ledger"
)

// worker reads one partition and starts a handler for each record. Reading stops
// while the tracker's window is full and ends with its context; run then waits for
// the handlers.
type worker struct {
	place     ledger.Place
	changeLog bool
	tracker   *ledger.Tracker
	committer *committer
	marks     bool // started marks are committed
	fetch     func(ctx context.Context, p ledger.Place, offset int64, memory *share) steps
	lost      func(error) // ends the generation
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
	failures := 0
	for delay := readRetryMin; ctx.Err() == nil; {
		before := w.tracker.Position()
		err := w.read(ctx, before)
		next := w.tracker.Position()
		if next > before {
			delay, failures = readRetryMin, 0
		}
		if errors.Is(err, kafka.OffsetOutOfRange) {
			w.log.Warn().Int64("offset", next).Msg("next record is not in the log, joining again")
			w.lost(errChanged) // the next generation finds out where to go on
		}
		if err == nil || ctx.Err() != nil {
			continue
		}
		// The first failures are mostly a leader that has moved or an idle connection
		// that was closed.
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

// read makes one fetch and hands its records on.
func (w *worker) read(ctx context.Context, from int64) error {
	release, err := w.memory.acquire(ctx, 0) // without room nothing is fetched
	if err != nil {
		return err
	}
	release()
	for rec, err := range w.fetch(ctx, w.place, from, w.memory) {
		switch {
		case err != nil:
			return fmt.Errorf("fetch records: %w", err)
		case rec.Err != nil:
			w.drop(rec)
		case rec.Count == 0:
			w.tracker.Skip(rec.Next)
		default:
			w.take(ctx, rec)
		}
	}
	return nil
}

// drop counts and skips records that are too large or damaged.
func (w *worker) drop(rec batch.Record) {
	outcome := agent.EventMalformed
	if errors.Is(rec.Err, batch.ErrOversized) {
		outcome = agent.EventOversized
	}
	w.events.WithLabelValues(w.place.Topic, outcome).Add(float64(rec.Count))
	w.log.Warn().Err(rec.Err).Int64("offset", w.tracker.Position()).Int64("up_to", rec.Next-1).Int("records", rec.Count).Str("reason", outcome).
		Msg("event dropped")
	w.tracker.Skip(rec.Next)
	w.committer.settled()
}

// take starts the handler of one record, unless it is settled already. The end of
// the handler gives back the record's memory.
func (w *worker) take(ctx context.Context, rec batch.Record) {
	offset := rec.Next - 1
	e, gone := w.tracker.Add(offset)
	if gone > 0 {
		w.log.Warn().Int("events", gone).Int64("offset", offset).Msg("unsettled events deleted by retention")
	}
	if e == nil {
		w.events.WithLabelValues(w.place.Topic, agent.EventSettled).Inc()
		rec.Release()
		return
	}
	ev := &agent.Event{
		Topic: w.place.Topic, Partition: w.place.Partition, Offset: offset, Time: time.Now(), Record: rec.Value,
		ChangeLog: w.changeLog, Interrupted: e.Interrupted, Vouched: w.tracker.Vouches(offset), Place: w.sequence.Next(),
	}
	ev.Ledger = &account{w: w, e: e, release: rec.Release}
	w.handlers.Go(func() {
		defer rec.Release() // after it is settled, which makes room in the window
		if err := w.handle(ctx, ev); err != nil {
			return // left to the next owner
		}
		e.Settle()
		w.committer.settled()
	})
}

// account is one event's entry in the ledger.
type account struct {
	w       *worker
	e       *ledger.Entry
	release func() // gives back the memory that the event was counted for
}

// Start commits that the event was started.
func (a *account) Start(ctx context.Context) error {
	if !a.w.marks {
		return nil
	}
	return a.w.committer.start(ctx, a.e)
}

// Reset takes the started mark back.
func (a *account) Reset() {
	a.e.Mark(ledger.Waiting)
	a.w.committer.settled()
}

// Following leaves the event out of the lag and gives back its memory. The event
// is marked as started even if started marks are off: otherwise each rolling
// update would trigger its pipeline once more.
func (a *account) Following() {
	a.e.Mark(ledger.Following)
	a.w.committer.settled()
	a.release()
}
