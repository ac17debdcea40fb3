package kafka

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"
	"github.com/segmentio/kafka-go"

	"port-agent/agent"
	"port-agent/agent/kafka/batch"
	"port-agent/agent/kafka/ledger"
)

// fakeLog is the log of one partition. Like a broker it answers a fetch with
// records from an offset on, a few at a time, and waits where there are none.
type fakeLog struct {
	offsets []int64
	fail    map[int64]int // how often the reading of an offset fails
	refuse  int           // how often a fetch fails
	large   map[int64]int // records that are too large to be held: how many in one step

	mu      sync.Mutex
	fetches []int64
	fetchAt []time.Time
	read    int
}

var errFetch = errors.New("connection reset")

const fakeAnswer = 7 // records in an answer

func (l *fakeLog) fetch(ctx context.Context, _ ledger.Place, offset int64, memory *share) steps {
	return func(yield func(batch.Record, error) bool) {
		offsets, err := l.answer(ctx, offset)
		if err != nil {
			yield(batch.Record{}, err)
		}
		for _, o := range offsets {
			if !yield(l.step(ctx, o, memory)) {
				return
			}
		}
	}
}

func (l *fakeLog) answer(ctx context.Context, offset int64) ([]int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i, _ := slices.BinarySearch(l.offsets, offset)
	if i == len(l.offsets) && l.refuse == 0 {
		l.mu.Unlock()
		<-ctx.Done()
		l.mu.Lock()
		return nil, ctx.Err()
	}
	l.fetches, l.fetchAt = append(l.fetches, offset), append(l.fetchAt, time.Now())
	if l.refuse > 0 {
		l.refuse--
		return nil, errFetch
	}
	return l.offsets[i:min(i+fakeAnswer, len(l.offsets))], nil
}

func (l *fakeLog) step(ctx context.Context, offset int64, memory *share) (batch.Record, error) {
	if n := l.large[offset]; n > 0 {
		return batch.Record{Next: offset + int64(n), Count: n, Err: fmt.Errorf("%w: a record", batch.ErrOversized)}, nil
	}
	value := []byte(strconv.FormatInt(offset, 10))
	release, err := memory.acquire(ctx, eventCost(len(value)))
	if err != nil {
		return batch.Record{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail[offset] > 0 {
		l.fail[offset]--
		release()
		return batch.Record{}, errFetch
	}
	l.read++
	return batch.Record{Next: offset + 1, Value: value, Count: 1, Release: release}, nil
}

func (l *fakeLog) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.read
}

// shop is a worker at work on a fakeLog, with a committer and a broker.
type shop struct {
	*worker
	log    *fakeLog
	broker *fakeBroker
	drain  context.CancelCauseFunc // as a rebalance does
	done   chan struct{}           // closed when run has returned
}

// workIn starts a worker inside the synctest bubble that the caller is in.
// change may alter it before.
func workIn(t *testing.T, log *fakeLog, tr *ledger.Tracker, handle Handler, change func(*worker)) *shop {
	t.Helper()
	broker := newFakeBroker()
	counter := func(name string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name}, labels)
	}
	c := newCommitter(map[ledger.Place]*ledger.Tracker{runsZero: tr}, counter("commits", "outcome"), zerolog.Nop(), broker.commit)
	s := &shop{log: log, broker: broker, done: make(chan struct{}), worker: &worker{
		memory: shareOf(newBudget(memoryBudget), tr),
		place:  runsZero, tracker: tr, committer: c, marks: true, fetch: log.fetch, handle: handle,
		events: counter("events", "topic", "outcome"), log: zerolog.Nop(),
	}}
	if change != nil {
		change(s.worker)
	}
	ctx, drain := context.WithCancelCause(t.Context())
	s.drain, s.lost = drain, drain
	committing, stop := context.WithCancel(context.WithoutCancel(ctx))
	var committer sync.WaitGroup
	committer.Go(func() {
		if err := c.run(committing); err != nil {
			t.Errorf("committer: %v", err)
		}
	})
	go func() {
		defer close(s.done)
		s.run(ctx)
		stop()
		committer.Wait()
		if err := c.flush(t.Context()); err != nil {
			t.Errorf("last commit: %v", err)
		}
	}()
	return s
}

// end drains the worker and waits for it.
func (s *shop) end(t *testing.T) {
	t.Helper()
	s.drain(errRevoked)
	<-s.done
}

func (s *shop) wantCommitted(t *testing.T, offset int64, l left) {
	t.Helper()
	if gotOffset, got := s.broker.ledgerOf(t, runsZero); gotOffset != offset || !reflect.DeepEqual(got, l) {
		t.Errorf("committed: got %d %v, want %d %v", gotOffset, got, offset, l)
	}
}

func offsetsUpTo(n int64) []int64 {
	var offsets []int64
	for o := range n {
		offsets = append(offsets, o)
	}
	return offsets
}

// notebook is a handler's record of the events in the order of their places.
type notebook struct {
	mu     sync.Mutex
	events []*agent.Event
}

func (n *notebook) note(ev *agent.Event) {
	ev.Place.Wait()
	defer ev.Place.Done()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.events = append(n.events, ev)
}

func (n *notebook) offsets() []int64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	var offsets []int64
	for _, ev := range n.events {
		offsets = append(offsets, ev.Offset)
	}
	return offsets
}

func TestWorkerHandsOnInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &fakeLog{offsets: []int64{3, 4, 5, 9, 10, 500}}
		var book notebook
		s := workIn(t, log, resumed(t, runsZero, 3, left{high: 3}), func(_ context.Context, ev *agent.Event) error {
			book.note(ev)
			time.Sleep(time.Duration(1000-ev.Offset) * time.Millisecond) // the last is the first to settle
			return nil
		}, func(w *worker) { w.changeLog = true })
		begun := time.Now()
		synctest.Wait()
		if got := book.offsets(); !slices.Equal(got, log.offsets) {
			t.Errorf("offsets: got %v, want %v", got, log.offsets)
		}
		ev := *book.events[3]
		ev.Place, ev.Ledger = agent.Place{}, nil
		want := agent.Event{Topic: "runs", Partition: 0, Offset: 9, Time: begun, Record: []byte("9"), ChangeLog: true, Vouched: true}
		if !reflect.DeepEqual(ev, want) {
			t.Errorf("event: got %+v, want %+v", ev, want)
		}
		time.Sleep(600 * time.Millisecond) // 500 is settled
		s.wantCommitted(t, 3, left{high: 501, entries: []entry{{3, false}, {4, false}, {5, false}, {9, false}, {10, false}}})
		time.Sleep(time.Second)
		s.wantCommitted(t, 501, left{high: 501})
		s.end(t)
	})
}

func TestWorkerStopsReadingAtFullWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &fakeLog{offsets: offsetsUpTo(window + 50)}
		release := make(chan struct{})
		s := workIn(t, log, resumed(t, runsZero, 0, left{}), func(context.Context, *agent.Event) error {
			<-release
			return nil
		}, nil)
		for _, step := range []struct{ release, want int }{{0, window}, {1, window + 1}, {30, window + 31}} {
			for range step.release {
				release <- struct{}{}
			}
			synctest.Wait()
			if got := log.count(); got != step.want {
				t.Errorf("after %d settled: %d records were read, want %d", step.release, got, step.want)
			}
		}
		close(release)
		time.Sleep(time.Second)
		s.wantCommitted(t, window+50, left{high: window + 50})
		s.end(t)
	})
}

// TestWorkerEndsAtFullWindow drains a worker that waits for room.
func TestWorkerEndsAtFullWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &fakeLog{offsets: offsetsUpTo(window + 1)}
		s := workIn(t, log, resumed(t, runsZero, 0, left{}), func(ctx context.Context, _ *agent.Event) error {
			<-ctx.Done()
			return context.Cause(ctx)
		}, nil)
		synctest.Wait()
		s.end(t)
		if got := log.count(); got != window {
			t.Errorf("%d records were read, want %d", got, window)
		}
	})
}

func TestWorkerReadsAnewAfterErrors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &fakeLog{offsets: offsetsUpTo(10), fail: map[int64]int{3: 1, 6: 9}, refuse: 2}
		var book notebook
		s := workIn(t, log, resumed(t, runsZero, 0, left{}), func(_ context.Context, ev *agent.Event) error {
			book.note(ev)
			if ev.Offset == 0 {
				time.Sleep(2 * time.Minute) // reading goes on where it was, not at the first unsettled event
			}
			return nil
		}, nil)
		begun := time.Now()
		time.Sleep(time.Minute)
		if got, want := book.offsets(), offsetsUpTo(10); !slices.Equal(got, want) {
			t.Errorf("offsets: got %v, want %v", got, want)
		}
		if want := []int64{0, 0, 0, 3, 6, 6, 6, 6, 6, 6, 6, 6, 6}; !slices.Equal(log.fetches, want) {
			t.Errorf("fetched at offsets: got %v, want %v", log.fetches, want)
		}
		var waits []time.Duration // in units of the first
		last := begun
		for _, at := range log.fetchAt {
			waits = append(waits, at.Sub(last)/readRetryMin)
			last = at
		}
		// Every record that is read ends the growing of the wait.
		if want := []time.Duration{0, 1, 2, 1, 1, 2, 4, 8, 16, 20, 20, 20, 20}; !slices.Equal(waits, want) {
			t.Errorf("waits before fetches: got %v, want %v", waits, want)
		}
		s.end(t)
	})
}

// TestWorkerDrains ends the reading while events are under way: what was
// started finishes and is committed, the rest stays unsettled.
func TestWorkerDrains(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &fakeLog{offsets: offsetsUpTo(6)}
		s := workIn(t, log, resumed(t, runsZero, 0, left{}), func(ctx context.Context, ev *agent.Event) error {
			if ev.Offset%2 == 0 { // waits for something before it starts
				<-ctx.Done()
				return context.Cause(ctx)
			}
			if err := ev.Ledger.Start(ctx); err != nil {
				return err
			}
			time.Sleep(time.Duration(ev.Offset) * time.Minute)
			return nil
		}, nil)
		time.Sleep(30 * time.Second)
		s.wantCommitted(t, 0, left{high: 6, entries: []entry{{0, false}, {1, true}, {2, false}, {3, true}, {4, false}, {5, true}}})
		s.drain(errRevoked)
		time.Sleep(4 * time.Minute)
		select {
		case <-s.done:
			t.Fatal("run returned while an event was under way")
		default:
		}
		s.wantCommitted(t, 0, left{high: 6, entries: []entry{{0, false}, {2, false}, {4, false}, {5, true}}})
		s.end(t)
		s.wantCommitted(t, 0, left{high: 6, entries: []entry{{0, false}, {2, false}, {4, false}}})
	})
}

func TestWorkerTakesOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &fakeLog{offsets: []int64{10, 11, 12, 13, 16, 17}} // 14 is gone
		var book notebook
		kept := left{high: 16, entries: []entry{{10, true}, {12, false}, {14, true}}}
		s := workIn(t, log, resumed(t, runsZero, 10, kept), func(_ context.Context, ev *agent.Event) error {
			book.note(ev)
			return nil
		}, nil)
		time.Sleep(time.Second)
		if got, want := book.offsets(), []int64{10, 12, 16, 17}; !slices.Equal(got, want) {
			t.Errorf("offsets: got %v, want %v", got, want)
		}
		for _, ev := range book.events {
			if want := ev.Offset == 10; ev.Interrupted != want {
				t.Errorf("offset %d interrupted: got %v, want %v", ev.Offset, ev.Interrupted, want)
			}
		}
		if got := testutil.ToFloat64(s.events.WithLabelValues("runs", agent.EventSettled)); got != 2 {
			t.Errorf("counted %v settled already, want 2", got)
		}
		s.wantCommitted(t, 18, left{high: 18})
		s.end(t)
	})
}

// TestWorkerMarks looks at what is on record when Start and Reset return.
func TestWorkerMarks(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		marks bool
	}{{"kept", true}, {"not kept", false}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var s *shop
				wantMark := func(want bool) {
					t.Helper()
					_, l := s.broker.ledgerOf(t, runsZero)
					if got := slices.Contains(l.entries, entry{0, true}); got != want {
						t.Errorf("marked: got %v, want %v", got, want)
					}
				}
				ready, done := make(chan struct{}), make(chan struct{})
				s = workIn(t, &fakeLog{offsets: []int64{0}}, resumed(t, runsZero, 0, left{}), func(ctx context.Context, ev *agent.Event) error {
					defer close(done)
					<-ready
					for range 2 {
						if err := ev.Ledger.Start(ctx); err != nil {
							return fmt.Errorf("start: %w", err)
						}
						wantMark(tc.marks)
						ev.Ledger.Reset()
						time.Sleep(time.Second)
						wantMark(false)
					}
					return nil
				}, func(w *worker) { w.marks = tc.marks })
				close(ready)
				<-done
				time.Sleep(time.Second)
				s.wantCommitted(t, 1, left{high: 1})
				s.end(t)
			})
		})
	}
}

// TestWorkerStartAfterDrain refuses a mark once the partition is to be given
// up: the event goes to the next owner as one that was never started.
func TestWorkerStartAfterDrain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var got error
		s := workIn(t, &fakeLog{offsets: []int64{0}}, resumed(t, runsZero, 0, left{}), func(ctx context.Context, ev *agent.Event) error {
			<-ctx.Done()
			got = ev.Ledger.Start(ctx)
			return got
		}, func(w *worker) { w.committer.commit = slow(w.committer.commit) })
		synctest.Wait()
		s.end(t)
		if !errors.Is(got, errRevoked) {
			t.Errorf("got %v, want %v", got, errRevoked)
		}
		s.wantCommitted(t, 0, left{high: 1, entries: []entry{{0, false}}})
	})
}

// slow delays commits, so that a context that has ended is noticed first.
func slow(next func(context.Context, map[ledger.Place]ledger.Commit) error) func(context.Context, map[ledger.Place]ledger.Commit) error {
	return func(ctx context.Context, commits map[ledger.Place]ledger.Commit) error {
		time.Sleep(time.Second)
		return next(ctx, commits)
	}
}

// TestWorkerPassesByLargeRecords counts what is too large and reads on.
func TestWorkerPassesByLargeRecords(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &fakeLog{offsets: []int64{0, 1, 9, 10}, large: map[int64]int{1: 8}}
		var book notebook
		s := workIn(t, log, resumed(t, runsZero, 0, left{high: 9, entries: []entry{{0, false}, {4, true}}}), func(_ context.Context, ev *agent.Event) error {
			book.note(ev)
			return nil
		}, nil)
		time.Sleep(time.Second)
		if got, want := book.offsets(), []int64{0, 9, 10}; !slices.Equal(got, want) {
			t.Errorf("offsets: got %v, want %v", got, want)
		}
		if got := testutil.ToFloat64(s.events.WithLabelValues("runs", agent.EventOversized)); got != 8 {
			t.Errorf("%v records counted as oversized, want 8", got)
		}
		s.wantCommitted(t, 11, left{high: 11})
		s.end(t)
	})
}

// TestWorkerOvertakenByRetention gives the partition up where the log no longer
// holds what is to be read next, once the events under way are done: the next
// owner begins at the first record that there is.
func TestWorkerOvertakenByRetention(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &fakeLog{offsets: []int64{3, 4}}
		s := workIn(t, log, resumed(t, runsZero, 3, left{high: 3}), func(ctx context.Context, ev *agent.Event) error {
			if ev.Offset == 4 {
				<-ctx.Done()
				time.Sleep(time.Minute)
			}
			return nil
		}, func(w *worker) {
			w.fetch = func(ctx context.Context, p ledger.Place, offset int64, memory *share) steps {
				if offset == 5 {
					return func(yield func(batch.Record, error) bool) { yield(batch.Record{}, kafka.OffsetOutOfRange) }
				}
				return log.fetch(ctx, p, offset, memory)
			}
		})
		begun := time.Now()
		<-s.done
		if took := time.Since(begun); took != time.Minute {
			t.Errorf("given up after %s, want a minute, for the event under way", took)
		}
		s.wantCommitted(t, 5, left{high: 5})
		saved := clean(runsZero, 5)
		if next := resume(runsZero, saved, bounds{40, 42}, false, zerolog.Nop()).Position(); next != 40 {
			t.Errorf("the next owner begins at %d, want 40", next)
		}
	})
}

// TestWorkerFollows leaves followed events out of the lag and out of the
// account of memory, while they stay started and the window goes on.
func TestWorkerFollows(t *testing.T) {
	for _, marks := range []bool{true, false} { // DELIVERY=at-least-once: a pipeline is not triggered again all the same
		t.Run(fmt.Sprintf("marks %t", marks), func(t *testing.T) { workerFollows(t, marks) })
	}
}

func workerFollows(t *testing.T, marks bool) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const followed, all = 400, 2000
		log := &fakeLog{offsets: offsetsUpTo(all)}
		s := workIn(t, log, resumed(t, runsZero, 0, left{}), func(ctx context.Context, ev *agent.Event) error {
			if ev.Offset >= followed {
				return nil
			}
			if err := ev.Ledger.Start(ctx); err != nil {
				return err
			}
			ev.Ledger.Following()
			<-ctx.Done() // a pipeline that takes a day
			return context.Cause(ctx)
		}, func(w *worker) { w.marks, w.memory = marks, shareOf(newBudget(50*eventCost(4)), w.tracker) })
		time.Sleep(time.Second)
		if got := log.count(); got != all { // the budget is enough for fifty
			t.Errorf("%d records were read, want %d", got, all)
		}
		if got := s.tracker.Saw(all + 3); got != 3 {
			t.Errorf("lag is %d, want 3: followed events do not count", got)
		}
		offset, l := s.broker.ledgerOf(t, runsZero)
		if offset != 0 || len(l.entries) != followed || !l.entries[0].started || !l.entries[followed-1].started {
			t.Errorf("committed %d with %d entries, want 0 with %d started ones", offset, len(l.entries), followed)
		}
		s.end(t)
	})
}
