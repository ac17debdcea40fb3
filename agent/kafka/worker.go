package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/segmentio/kafka-go"

	"port-agent/agent"
)

// fetcher gives the records of one partition in the order of their offsets.
// *kafka.Reader is one.
type fetcher interface {
	FetchMessage(ctx context.Context) (kafka.Message, error)
	io.Closer
}

// worker reads one partition and hands each record to the handler, which runs
// beside the reading. Reading stops while the tracker's window is full and
// ends with its context; run then waits for the handlers.
type worker struct {
	partition partition
	changeLog bool
	tracker   *tracker
	committer *committer
	marks     bool // started marks are kept
	open      func(p partition, offset int64) (fetcher, error)
	admit     func(ctx context.Context) error
	handle    Handler
	events    *prometheus.CounterVec // topic, outcome
	log       zerolog.Logger

	memory *share

	sequence agent.Sequence
	handlers sync.WaitGroup
}

const (
	readRetryMin = 100 * time.Millisecond
	readRetryMax = 10 * time.Second
)

// run returns when ctx has ended and every handler has returned.
func (w *worker) run(ctx context.Context) {
	defer w.handlers.Wait()
	for delay := readRetryMin; ctx.Err() == nil; delay = min(2*delay, readRetryMax) {
		read, err := w.read(ctx)
		if ctx.Err() != nil {
			return
		}
		if read {
			delay = readRetryMin
		}
		w.log.Warn().Err(err).Dur("retry_in_ms", delay).Msg("reading of partition failed")
		sleep(ctx, delay)
	}
}

// read hands on records until the fetcher fails; any tells whether it gave one.
func (w *worker) read(ctx context.Context) (any bool, err error) {
	_, next := w.tracker.position()
	f, err := w.open(w.partition, next)
	if err != nil {
		return false, fmt.Errorf("open partition: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	for {
		if err := w.tracker.waitRoom(ctx); err != nil {
			return any, err
		}
		msg, err := f.FetchMessage(ctx)
		if err != nil {
			return any, fmt.Errorf("fetch record: %w", err)
		}
		any = true
		cost := eventCost(msg.Value)
		if err := w.memory.acquire(ctx, cost); err != nil {
			return any, err
		}
		if err := w.take(ctx, msg, cost); err != nil {
			return any, err
		}
	}
}

// take hands one record to its handler, unless it is settled already. cost is
// what it has taken of the memory, which is given back with its end.
func (w *worker) take(ctx context.Context, msg kafka.Message, cost int64) error {
	e, a, gone := w.tracker.add(msg.Offset)
	if gone > 0 {
		w.log.Warn().Int("events", gone).Int64("offset", msg.Offset).Msg("unsettled events deleted by retention")
	}
	if a == arrivedSettled {
		w.events.WithLabelValues(w.partition.topic, agent.EventSettled).Inc()
		w.memory.release(cost)
		return nil
	}
	if err := w.admit(ctx); err != nil {
		w.memory.release(cost)
		return err
	}
	ev := &agent.Event{
		Topic: w.partition.topic, Partition: w.partition.id, Offset: msg.Offset, Time: time.Now(), Record: msg.Value,
		ChangeLog: w.changeLog, Interrupted: a == arrivedInterrupted, Vouched: true, Place: w.sequence.Next(),
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
	return nil
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

// Following gives back the memory of an event whose pipeline is followed.
func (a *account) Following() { a.release() }
