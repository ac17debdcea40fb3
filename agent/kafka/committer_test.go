package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"
	"github.com/segmentio/kafka-go"

	"port-agent/agent/kafka/ledger"
)

// fakeBroker keeps what is committed to it. It is for use inside a synctest
// bubble, whose clock it reads.
type fakeBroker struct {
	took   time.Duration                          // a commit takes that long
	refuse func(n int, ctx context.Context) error // of the n-th call, from 1; nil: none is refused

	begun   time.Time
	busy    atomic.Bool
	overlap atomic.Bool // two commits were under way at a time

	mu    sync.Mutex
	calls []call
	last  map[ledger.Place]ledger.Commit
}

// call is one call of commit.
type call struct {
	at      time.Duration // since the test began
	commits map[ledger.Place]ledger.Commit
	err     error
}

func newFakeBroker() *fakeBroker {
	return &fakeBroker{begun: time.Now(), last: map[ledger.Place]ledger.Commit{}}
}

func (b *fakeBroker) commit(ctx context.Context, commits map[ledger.Place]ledger.Commit) error {
	if !b.busy.CompareAndSwap(false, true) {
		b.overlap.Store(true)
	}
	defer b.busy.Store(false)
	c := call{at: time.Since(b.begun), commits: maps.Clone(commits)}
	if b.took > 0 {
		sleep(ctx, b.took)
		c.err = ctx.Err()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refuse != nil && c.err == nil {
		c.err = b.refuse(len(b.calls)+1, ctx)
	}
	b.calls = append(b.calls, c)
	if c.err == nil {
		maps.Copy(b.last, commits)
	}
	return c.err
}

// made gives the calls so far and forgets them.
func (b *fakeBroker) made() []call {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer func() { b.calls = nil }()
	return b.calls
}

// ledgerOf decodes what is committed of p.
func (b *fakeBroker) ledgerOf(t *testing.T, p ledger.Place) (int64, left) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.last[p]; !ok {
		return 0, left{}
	}
	return b.last[p].Offset, leftBy(t, p, b.last[p])
}

// bench is a committer at work on two partitions that begin at offset 0.
type bench struct {
	*committer
	broker *fakeBroker
	ended  chan error // what run returned
	stop   context.CancelFunc
}

// inBubble runs test with a committer inside a synctest bubble.
func inBubble(t *testing.T, test func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		broker := newFakeBroker()
		trackers := map[ledger.Place]*ledger.Tracker{runsZero: resumed(t, runsZero, 0, left{}), runsOne: resumed(t, runsOne, 0, left{})}
		counter := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "commits"}, []string{"outcome"})
		b := &bench{committer: newCommitter(trackers, counter, zerolog.Nop(), broker.commit), broker: broker, ended: make(chan error, 1)}
		ctx, stop := context.WithCancel(t.Context())
		b.stop = stop
		go func() { b.ended <- b.run(ctx) }()
		defer synctest.Wait() // the bubble ends with its goroutines
		defer stop()
		synctest.Wait()
		test(t, b)
		if broker.overlap.Load() {
			t.Error("two commits at a time")
		}
	})
}

// events reads n events of p.
func (b *bench) events(t *testing.T, p ledger.Place, n int) []*ledger.Entry {
	t.Helper()
	tr := b.trackers[p]
	var es []*ledger.Entry
	for range n {
		e, _ := tr.Add(tr.Position())
		es = append(es, e)
	}
	return es
}

func (b *bench) settle(p ledger.Place, e *ledger.Entry) {
	e.Settle()
	b.settled()
}

// startAll marks es as started, all at the same time, and gives what came of
// each.
func (b *bench) startAll(ctx context.Context, p ledger.Place, es []*ledger.Entry) []error {
	errs := make([]error, len(es))
	var wg sync.WaitGroup
	for i, e := range es {
		wg.Go(func() { errs[i] = b.start(ctx, e) })
	}
	wg.Wait()
	return errs
}

func TestCommitterLoneMark(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		e := b.events(t, runsZero, 3)
		for i := range e {
			time.Sleep(time.Second)
			asked := time.Now()
			if err := b.start(t.Context(), e[i]); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(asked); took != 0 {
				t.Errorf("a lone mark waited %s", took)
			}
			if _, l := b.broker.ledgerOf(t, runsZero); !l.entries[i].started {
				t.Errorf("mark %d is not in %v", i, l)
			}
		}
		if got := len(b.broker.made()); got != 3 {
			t.Errorf("got %d commits, want 3", got)
		}
	})
}

func TestCommitterBurstOfMarks(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		b.broker.took = 500 * time.Microsecond
		zero, one := b.events(t, runsZero, window), b.events(t, runsOne, 10)
		asked := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := errors.Join(b.startAll(t.Context(), runsZero, zero)...); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if err := errors.Join(b.startAll(t.Context(), runsOne, one)...); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		if got := len(b.broker.made()); got > 3 {
			t.Errorf("%d marks took %d commits", window+10, got)
		}
		if took := time.Since(asked); took > 3*b.broker.took {
			t.Errorf("marks waited up to %s", took)
		}
		for p, n := range map[ledger.Place]int{runsZero: window, runsOne: 10} {
			_, l := b.broker.ledgerOf(t, p)
			if i := slices.IndexFunc(l.entries, func(e entry) bool { return !e.started }); i >= 0 || len(l.entries) != n {
				t.Errorf("%v: got %d entries, the first not started is %d, want %d and none", p, len(l.entries), i, n)
			}
		}
	})
}

// TestCommitterSteadyLoad starts and settles an event every hundred
// microseconds: neither marks nor settled events may cost a commit each, but
// share one with all that come while the broker answers the one before.
func TestCommitterSteadyLoad(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		b.broker.took = 300 * time.Microsecond
		es := b.events(t, runsZero, 500)
		begun := time.Now()
		var wg sync.WaitGroup
		for _, e := range es {
			time.Sleep(100 * time.Microsecond)
			wg.Go(func() {
				if err := b.start(t.Context(), e); err != nil {
					t.Error(err)
				}
				b.settle(runsZero, e)
			})
		}
		wg.Wait()
		most := int(time.Since(begun)/b.broker.took) + 1
		if got := len(b.broker.made()); got > most {
			t.Errorf("got %d commits in %s, want at most %d", got, time.Since(begun), most)
		}
		time.Sleep(2 * settleDelay)
		if offset, l := b.broker.ledgerOf(t, runsZero); offset != 500 || len(l.entries) > 0 {
			t.Errorf("committed in the end: got %d %v, want 500 and no entries", offset, l)
		}
	})
}

func TestCommitterSettledShareACommit(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		for _, e := range b.events(t, runsZero, 100) {
			b.settle(runsZero, e)
			time.Sleep(settleDelay / 200)
		}
		b.settle(runsOne, b.events(t, runsOne, 1)[0])
		time.Sleep(time.Second)
		want := []call{{at: settleDelay, commits: map[ledger.Place]ledger.Commit{runsZero: clean(runsZero, 100), runsOne: clean(runsOne, 1)}}}
		if got := b.broker.made(); !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// TestCommitterMarkDoesNotWaitForSettled wants the mark at once, with what had
// settled, although that would have waited for others.
func TestCommitterMarkDoesNotWaitForSettled(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		e := b.events(t, runsZero, 2)
		b.settle(runsZero, e[0])
		time.Sleep(settleDelay / 2)
		if err := b.start(t.Context(), e[1]); err != nil {
			t.Fatal(err)
		}
		calls := b.broker.made()
		if len(calls) != 1 || calls[0].at != settleDelay/2 {
			t.Errorf("got %v, want one commit after %s", calls, settleDelay/2)
		}
		if offset, l := b.broker.ledgerOf(t, runsZero); offset != 1 || !reflect.DeepEqual(l.entries, []entry{{1, true}}) {
			t.Errorf("got %d %v, want 1 and its mark", offset, l)
		}
	})
}

func TestCommitterOrder(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		b.broker.took = 7 * time.Millisecond
		var wg sync.WaitGroup
		for i, e := range b.events(t, runsZero, 200) {
			wg.Go(func() {
				time.Sleep(time.Duration(i*37%200) * time.Millisecond)
				if err := b.start(t.Context(), e); err != nil {
					t.Error(err)
				}
				time.Sleep(time.Duration(i*53%90) * time.Millisecond)
				b.settle(runsZero, e)
			})
		}
		wg.Wait()
		time.Sleep(time.Second)
		last := int64(0)
		for _, c := range b.broker.made() {
			if got := c.commits[runsZero].Offset; got < last {
				t.Errorf("committed offset went back from %d to %d", last, got)
			} else {
				last = got
			}
		}
		if last != 200 {
			t.Errorf("committed in the end: got %d, want 200", last)
		}
	})
}

// TestCommitterRepeats has the broker refuse for a while: the wait doubles up
// to its limit, and what is repeated is what is true by then.
func TestCommitterRepeats(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		refused := errors.New("not now")
		b.broker.refuse = func(n int, _ context.Context) error {
			if n <= 8 {
				return refused
			}
			return nil
		}
		e := b.events(t, runsZero, 3)
		first := make(chan error, 1)
		go func() { first <- b.start(t.Context(), e[0]) }()
		synctest.Wait()
		second := make(chan error, 1)
		go func() { second <- b.start(t.Context(), e[1]) }()
		synctest.Wait()
		select {
		case err := <-first:
			t.Fatalf("start returned before its mark was committed: %v", err)
		default:
		}
		b.settle(runsZero, e[2])
		if err := errors.Join(<-first, <-second); err != nil {
			t.Fatal(err)
		}
		var at []time.Duration
		for _, c := range b.broker.made() {
			at = append(at, c.at)
		}
		ms := time.Millisecond
		want := []time.Duration{0, 50 * ms, 150 * ms, 350 * ms, 750 * ms, 1550 * ms, 3150 * ms, 5150 * ms, 7150 * ms}
		if !slices.Equal(at, want) {
			t.Errorf("commits at: got %v, want %v", at, want)
		}
		if offset, l := b.broker.ledgerOf(t, runsZero); offset != 0 || !reflect.DeepEqual(l, left{high: 3, entries: []entry{{0, true}, {1, true}}}) {
			t.Errorf("got %d %v, want both marks and the last event settled", offset, l)
		}
		if ok, retried := b.count("ok"), b.count("retried"); ok < 1 || retried != 8 {
			t.Errorf("counted %v ok, %v retried, want some and 8", ok, retried)
		}
	})
}

func (b *bench) count(outcome string) float64 {
	return testutil.ToFloat64(b.commits.WithLabelValues(outcome))
}

func TestCommitterFenced(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		b.broker.took = 10 * time.Millisecond
		b.broker.refuse = func(int, context.Context) error { return fmt.Errorf("commit offsets: %w", errFenced) }
		e := b.events(t, runsZero, 20)
		for i, err := range b.startAll(t.Context(), runsZero, e[:10]) {
			if !errors.Is(err, errFenced) {
				t.Errorf("start %d: got %v, want %v", i, err, errFenced)
			}
		}
		if err := <-b.ended; !errors.Is(err, errFenced) {
			t.Errorf("run: got %v, want %v", err, errFenced)
		}
		calls := len(b.broker.made())
		for i, err := range b.startAll(t.Context(), runsZero, e[10:]) {
			if !errors.Is(err, errFenced) {
				t.Errorf("start %d, after the member was fenced: got %v, want %v", i, err, errFenced)
			}
		}
		if got := b.broker.made(); calls != 1 || len(got) > 0 {
			t.Errorf("got %d commits and %d after the member was fenced, want 1 and none", calls, len(got))
		}
		if got := b.count("fenced"); got != 1 {
			t.Errorf("counted %v, want 1", got)
		}
		wantMarks(t, b.trackers[runsZero], 0)
	})
}

// wantMarks fails unless n events of tr are marked as started.
func wantMarks(t *testing.T, tr *ledger.Tracker, n int) {
	t.Helper()
	got := 0
	for _, e := range leftBy(t, runsZero, again(tr)).entries {
		if e.started {
			got++
		}
	}
	if got != n {
		t.Errorf("%d events are marked as started, want %d", got, n)
	}
}

// TestCommitterTakesMarkBack ends the wait for a mark that is being committed:
// nothing will be sent, and the next commit says so.
func TestCommitterTakesMarkBack(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		b.broker.took = time.Second
		e := b.events(t, runsZero, 3)
		e[2].Mark(ledger.Started) // by an attempt that was sent
		for _, again := range e[1:] {
			ctx, cancel := context.WithCancelCause(t.Context())
			done := make(chan error, 1)
			go func() { done <- b.start(ctx, again) }()
			time.Sleep(time.Millisecond) // the commit is under way
			cancel(errRevoked)
			if err := <-done; !errors.Is(err, errRevoked) {
				t.Errorf("got %v, want %v", err, errRevoked)
			}
			time.Sleep(time.Minute)
			if _, l := b.broker.ledgerOf(t, runsZero); !reflect.DeepEqual(l.entries, []entry{{0, false}, {1, false}, {2, true}}) {
				t.Errorf("got %v, want only the mark of the attempt that was sent", l.entries)
			}
		}
	})
}

// TestCommitterMarksAgain starts an event whose mark is committed already: the
// commit is made all the same, since only its being accepted shows that the
// partition has no other owner.
func TestCommitterMarksAgain(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		e := b.events(t, runsZero, 1)[0]
		for range 2 {
			if err := b.start(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
		if got := len(b.broker.made()); got != 2 {
			t.Errorf("got %d commits, want 2", got)
		}
		b.broker.refuse = func(int, context.Context) error { return errFenced }
		if err := b.start(t.Context(), e); !errors.Is(err, errFenced) {
			t.Errorf("got %v, want %v", err, errFenced)
		}
		wantMarks(t, b.trackers[runsZero], 1)
	})
}

// TestCommitterEnds stops the committer while a commit is under way. It is not
// given up: on another connection the last commit could overtake it.
func TestCommitterEnds(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		b.broker.took = time.Second
		e := b.events(t, runsZero, 2)
		b.settle(runsZero, e[0])
		time.Sleep(settleDelay + 100*time.Millisecond) // the commit is under way
		b.settle(runsZero, e[1])
		b.stop()
		if err := <-b.ended; err != nil {
			t.Errorf("run: got %v, want nil", err)
		}
		if err := b.flush(t.Context()); err != nil {
			t.Errorf("flush: %v", err)
		}
		want := []call{
			{at: settleDelay, commits: map[ledger.Place]ledger.Commit{runsZero: left{high: 2, entries: []entry{{1, false}}}.at(runsZero, 1)}},
			{at: settleDelay + time.Second, commits: map[ledger.Place]ledger.Commit{runsZero: clean(runsZero, 2)}},
		}
		if got := b.broker.made(); !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// TestCommitterEndsWithoutBroker stops the committer where the broker does not
// answer.
func TestCommitterEndsWithoutBroker(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		b.broker.took = time.Hour
		b.settle(runsZero, b.events(t, runsZero, 1)[0])
		time.Sleep(time.Second)
		asked := time.Now()
		b.stop()
		if err := <-b.ended; err != nil {
			t.Errorf("run: got %v, want nil", err)
		}
		if took := time.Since(asked); took > leaveTimeout {
			t.Errorf("ended after %s, want %s at most", took, leaveTimeout)
		}
		ctx, cancel := context.WithTimeout(t.Context(), leaveTimeout)
		defer cancel()
		if err := b.flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("flush: got %v, want %v", err, context.DeadlineExceeded)
		}
	})
}

// TestCommitThatArrivesLate has a commit reach the broker behind others that were
// made since it was given up, as one does that waits for a lost packet to be sent
// again. What it takes back is committed again, at the latest with the last commit.
func TestCommitThatArrivesLate(t *testing.T) {
	t.Parallel()
	for _, drained := range []bool{false, true} {
		inBubble(t, func(t *testing.T, b *bench) {
			whole, lost := b.committer.commit, true
			b.committer.commit = func(ctx context.Context, commits map[ledger.Place]ledger.Commit) error {
				if !lost {
					return whole(ctx, commits)
				}
				lost = false
				time.AfterFunc(callTimeout+2*time.Second, func() {
					b.broker.mu.Lock()
					defer b.broker.mu.Unlock()
					maps.Copy(b.broker.last, commits)
				})
				sleep(ctx, callTimeout)
				return context.DeadlineExceeded
			}
			e := b.events(t, runsZero, 1)
			first := make(chan error, 1)
			go func() { first <- b.start(t.Context(), e[0]) }()
			time.Sleep(time.Second) // the commit is under way
			e = append(e, b.events(t, runsZero, 1)...)
			if err := errors.Join(b.start(t.Context(), e[1]), <-first); err != nil {
				t.Fatal(err)
			}
			b.settle(runsZero, e[0])
			b.settle(runsZero, e[1])
			time.Sleep(2 * time.Second)
			if offset, l := b.broker.ledgerOf(t, runsZero); offset != 0 || l.high != 1 {
				t.Fatalf("got %d %v, want the first commit, which has arrived", offset, l)
			}
			if drained {
				b.stop()
				if err := errors.Join(<-b.ended, b.flush(t.Context())); err != nil {
					t.Error(err)
				}
			}
			time.Sleep(lateRepeat + time.Second)
			if offset, l := b.broker.ledgerOf(t, runsZero); offset != 2 || len(l.entries) > 0 {
				t.Errorf("drained %t: got %d %v, want both events settled", drained, offset, l)
			}
			b.broker.made()
			time.Sleep(time.Hour)
			if n := len(b.broker.made()); n > 10 {
				t.Errorf("got %d more commits, want an end of them", n)
			}
		})
	}
}

// TestCommitterRefusedPartition has the broker refuse one partition for good,
// as it does where its topic was deleted: the marks of others are committed as
// ever, and once the broker changes its mind, the one is too.
func TestCommitterRefusedPartition(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		var willing atomic.Bool
		whole := b.committer.commit
		b.committer.commit = func(ctx context.Context, commits map[ledger.Place]ledger.Commit) error {
			_, asked := commits[runsOne]
			if !asked || willing.Load() {
				return whole(ctx, commits)
			}
			taken := maps.Clone(commits)
			delete(taken, runsOne)
			if err := whole(ctx, taken); err != nil {
				return err
			}
			return refusedError{runsOne: kafka.UnknownTopicOrPartition}
		}
		refused := make(chan error, 1)
		one := b.events(t, runsOne, 1)[0]
		go func() { refused <- b.start(t.Context(), one) }()
		for _, e := range b.events(t, runsZero, 50) {
			asked := time.Now()
			if err := b.start(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(asked); took > settleDelay {
				t.Fatalf("a mark waited %s for a partition that is refused", took)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := len(b.broker.made()); n > 70 {
			t.Errorf("got %d commits for 50 marks and a partition that is refused", n)
		}
		select {
		case err := <-refused:
			t.Fatalf("start returned before its mark was committed: %v", err)
		default:
		}
		willing.Store(true)
		if err := <-refused; err != nil {
			t.Error(err)
		}
		if _, l := b.broker.ledgerOf(t, runsOne); !reflect.DeepEqual(l.entries, []entry{{0, true}}) {
			t.Errorf("got %v, want the mark", l.entries)
		}

		willing.Store(false)
		b.settle(runsOne, one)
		b.stop()
		if err := <-b.ended; err != nil {
			t.Errorf("run: got %v, want nil", err)
		}
		time.AfterFunc(time.Second, func() { willing.Store(true) })
		if err := b.flush(t.Context()); err != nil {
			t.Errorf("flush: %v", err)
		}
		if offset, _ := b.broker.ledgerOf(t, runsOne); offset != 1 {
			t.Errorf("committed in the end: got %d, want 1", offset)
		}
	})
}

// TestCommitterFlush answers who waits when the committer has stopped.
func TestCommitterFlush(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		e := b.events(t, runsZero, 1)[0]
		b.stop()
		if err := <-b.ended; err != nil {
			t.Errorf("run: got %v, want nil", err)
		}
		done := make(chan error, 1)
		go func() { done <- b.start(t.Context(), e) }()
		synctest.Wait()
		if err := errors.Join(b.flush(t.Context()), <-done); err != nil {
			t.Error(err)
		}
		if got := len(b.broker.made()); got != 1 {
			t.Errorf("got %d commits, want 1", got)
		}
		if err := b.flush(t.Context()); err != nil || len(b.broker.made()) > 0 {
			t.Errorf("committed again without a change, %v", err)
		}
	})
}
