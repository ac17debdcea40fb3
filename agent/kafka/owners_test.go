package kafka

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"port-agent/agent"
	"port-agent/agent/kafka/ledger"
)

// fate is how the owners of a partition end.
type fate uint8

const (
	drained  fate = iota // it gives the partition up and has the time it needs
	killed               // its process ends there and then
	replaced             // it hangs, loses the partition and goes on unaware
)

// estate is a partition that passes from owner to owner, the group's
// coordinator, and what became of each event.
type estate struct {
	t       *testing.T
	log     *fakeLog
	gone    sync.WaitGroup // owners that were killed or replaced
	mu      sync.Mutex
	owner   int           // the generation whose commits count
	saved   ledger.Commit // what is committed
	sent    map[int64]int
	unknown map[int64]int // how often an event was found interrupted
}

// owner is a member of the group in one generation.
type owner struct {
	*estate
	generation int
	dead       atomic.Bool // its process has ended: nothing that it does has an effect
}

// commit is a broker's part of a commit: it takes its time, may refuse, may be
// slow to answer, and its answer may be lost.
func (o *owner) commit(ctx context.Context, commits map[ledger.Place]ledger.Commit) error {
	if o.dead.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	time.Sleep(rand.N(3 * time.Millisecond))
	err := o.accept(commits[runsZero])
	time.Sleep(rand.N(3 * time.Millisecond))
	if rand.N(20) == 0 {
		return errors.New("answer lost")
	}
	return err
}

func (o *owner) accept(cm ledger.Commit) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.generation != o.owner:
		return errFenced
	case rand.N(20) == 0, o.dead.Load() && rand.N(2) == 0:
		return errors.New("coordinator is loading")
	case cm.Offset < o.saved.Offset:
		o.t.Errorf("committed offset went back from %d to %d", o.saved.Offset, cm.Offset)
	}
	o.saved = cm
	return nil
}

// handle does with an event what the agent does with it, as far as the ledger
// is concerned.
func (o *owner) handle(ctx context.Context, ev *agent.Event) error {
	wait(ctx, rand.N(20*time.Millisecond), nil) // for its turn, and for a slot
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if ev.Interrupted {
		time.Sleep(rand.N(20 * time.Millisecond)) // its run is looked up and reported
		return o.record(o.unknown, ev)
	}
	for rand.N(4) == 0 { // the backend is not reached
		if err := ev.Ledger.Start(ctx); err != nil {
			return err
		}
		time.Sleep(rand.N(5 * time.Millisecond))
		ev.Ledger.Reset()
		wait(ctx, rand.N(50*time.Millisecond), nil)
	}
	if err := ev.Ledger.Start(ctx); err != nil {
		return err
	}
	if err := o.record(o.sent, ev); err != nil {
		return err
	}
	time.Sleep(rand.N(40 * time.Millisecond)) // its answer is awaited and reported
	return nil
}

// record notes what was done to an event, if there is still somebody to do it.
func (o *owner) record(in map[int64]int, ev *agent.Event) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.dead.Load() {
		return errors.New("the process has ended")
	}
	in[ev.Offset]++
	return nil
}

// own runs a new owner for some time, or until all is settled, and then has
// it end by f.
func (e *estate) own(f fate, life time.Duration) {
	e.mu.Lock()
	e.owner++
	o := &owner{estate: e, generation: e.owner}
	saved, end := e.saved, e.log.offsets[len(e.log.offsets)-1]+1
	e.mu.Unlock()

	counter := func(name string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name}, labels)
	}
	tr := resume(runsZero, saved, bounds{0, end}, false, zerolog.Nop())
	c := newCommitter(map[ledger.Place]*ledger.Tracker{runsZero: tr}, counter("commits", "outcome"), zerolog.Nop(), o.commit)
	w := &worker{
		place: runsZero, tracker: tr, committer: c, marks: true, fetch: e.log.fetch, handle: o.handle,
		events: counter("events", "topic", "outcome"), log: zerolog.Nop(), memory: shareOf(newBudget(memoryBudget), tr),
	}
	work, stop := context.WithCancelCause(e.t.Context())
	committing, done := context.WithCancel(context.Background())
	var committer sync.WaitGroup
	committer.Go(func() {
		if err := c.run(committing); err != nil {
			stop(err)
		}
	})
	finish := func() {
		w.run(work)
		done()
		committer.Wait()
		if !o.dead.Load() {
			last, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			if err := c.flush(last); err != nil && !errors.Is(err, errFenced) {
				e.t.Errorf("last commit: %v", err)
			}
		}
	}
	switch f {
	case drained:
		timer := time.AfterFunc(life, func() { stop(errRevoked) })
		finish()
		timer.Stop()
	case killed:
		e.gone.Go(finish)
		time.Sleep(life)
		e.mu.Lock() // not in the middle of recording
		o.dead.Store(true)
		e.mu.Unlock()
		stop(errors.New("killed"))
	case replaced:
		e.gone.Go(finish)
		time.Sleep(life)
		time.AfterFunc(rand.N(time.Second), func() { stop(errRevoked) }) // it notices at last, or is refused before
	}
}

// TestOwnersComeAndGo passes a partition through many owners. However they
// end, no event is sent twice, and none is lost: it was sent, or somebody was
// told that it may have been. Where all of them drain, each event is sent once
// and nobody is told anything.
func TestOwnersComeAndGo(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		fates []fate
	}{
		{"drained", []fate{drained}},
		{"killed", []fate{killed}},
		{"replaced", []fate{replaced}},
		{"all", []fate{drained, killed, replaced}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			for range 3 {
				synctest.Test(t, func(t *testing.T) { passOn(t, tc.fates) })
			}
		})
	}
}

func passOn(t *testing.T, fates []fate) {
	e := &estate{t: t, log: &fakeLog{fail: map[int64]int{}}, saved: clean(runsZero, 0), sent: map[int64]int{}, unknown: map[int64]int{}}
	for offset := int64(0); len(e.log.offsets) < 200; offset += 1 + rand.N[int64](2) {
		e.log.offsets = append(e.log.offsets, offset)
		if rand.N(100) == 0 {
			e.log.fail[offset] = 1
		}
	}
	for range 12 {
		e.own(fates[rand.N(len(fates))], rand.N(50*time.Millisecond))
	}
	e.own(drained, time.Hour)
	e.gone.Wait()

	end := e.log.offsets[len(e.log.offsets)-1] + 1
	if want := clean(runsZero, end); e.saved != want {
		t.Errorf("committed in the end: got %v, want %v", e.saved, want)
	}
	interrupted := 0
	for _, o := range e.log.offsets {
		sent, unknown := e.sent[o], e.unknown[o]
		interrupted += unknown
		if sent > 1 || sent+unknown == 0 {
			t.Errorf("offset %d: sent %d times, found interrupted %d times", o, sent, unknown)
		}
	}
	if len(fates) == 1 && fates[0] == drained {
		if interrupted > 0 {
			t.Errorf("%d events were found interrupted, want none", interrupted)
		}
	} else if interrupted == 0 {
		t.Error("no event was found interrupted: the owners' ends were not put to the test")
	}
}
