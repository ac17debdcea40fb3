package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

const (
	// settleDelay is how long a settled offset waits for others to share its
	// commit. What a crash finds uncommitted is looked up at Port by the next
	// owner.
	settleDelay = 20 * time.Millisecond

	commitRetryMin = 50 * time.Millisecond
	commitRetryMax = 2 * time.Second
	refusedRetry   = 200 * time.Millisecond
)

// committer makes every commit of one generation, one after another:
// concurrent commits may reach the broker in another order than they were
// sent, which would move an offset back.
type committer struct {
	// commit makes one call. Its error wraps errFenced where the member is of the
	// past, and is a refusedError where the broker took only some of the offsets.
	commit  func(context.Context, map[partition]commit) error
	commits *prometheus.CounterVec // outcome
	log     zerolog.Logger

	marks  chan struct{} // someone waits for a mark
	lazily chan struct{} // something was settled

	mu       sync.Mutex
	trackers map[partition]*tracker
	waiters  []waiter // of marks that no commit has taken up yet
	fenced   bool

	// For who commits, run and then flush.
	again    *time.Timer // repeats what was refused
	failures int         // since everything was committed
}

// refusedError is a broker's answer that refuses the offsets of some
// partitions, and says why. Those of others that were asked for are committed.
type refusedError map[partition]error

// Error names one of the partitions.
func (e refusedError) Error() string {
	for p, err := range e {
		return fmt.Sprintf("commit offset of %s/%d (%d refused): %s", p.topic, p.id, len(e), err)
	}
	return "no offset refused"
}

// waiter waits for the commit of a mark.
type waiter struct {
	tracker *tracker
	done    chan error
}

func newCommitter(trackers map[partition]*tracker, commits *prometheus.CounterVec, log zerolog.Logger,
	commit func(context.Context, map[partition]commit) error) *committer {
	return &committer{
		commit: commit, commits: commits, log: log, trackers: trackers,
		marks: make(chan struct{}, 1), lazily: make(chan struct{}, 1),
	}
}

// start marks e as started and returns when the mark is committed. On an error
// no byte of the event's request may leave: the mark is as it was before, and
// the event is the next owner's unless the caller tries again.
func (c *committer) start(ctx context.Context, t *tracker, e *tracked) error {
	before := t.mark(e, started)
	err := c.commitMark(ctx, t)
	if err != nil {
		t.mark(e, before)
		c.settled() // a commit that carries the mark may be under way
	}
	return err
}

// commitMark returns when a commit that was sent after the call is accepted.
func (c *committer) commitMark(ctx context.Context, t *tracker) error {
	t.touch() // a mark that is set already is committed again: only that proves the membership
	w := waiter{t, make(chan error, 1)}
	c.mu.Lock()
	if c.fenced {
		c.mu.Unlock()
		return errFenced
	}
	c.waiters = append(c.waiters, w)
	c.mu.Unlock()
	notify(c.marks)
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// settled makes the next commit come soon.
func (c *committer) settled() { notify(c.lazily) }

// run commits until ctx ends or the member is fenced, which it returns. The
// last commit is flush's. One that is under way when ctx ends is waited for:
// given up, it could arrive after the last one, on a connection of its own, and
// move the offsets back.
func (c *committer) run(ctx context.Context) error {
	calls, cancel := outlive(ctx, leaveTimeout)
	defer cancel()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.marks:
		case <-c.lazily:
			wait(ctx, settleDelay, c.marks)
		}
		// A lone mark is committed at once. Those of a burst share a commit with
		// all that ask before the one under way is answered, and here with those
		// that are about to.
		runtime.Gosched()
		if err := c.push(ctx, calls); errors.Is(err, errFenced) {
			return err
		}
	}
}

// flush commits what has changed and repeats that until it is accepted, the
// member is fenced or ctx ends.
func (c *committer) flush(ctx context.Context) error {
	for {
		err := c.push(ctx, ctx)
		if err == nil || errors.Is(err, errFenced) || ctx.Err() != nil {
			return err
		}
		sleep(ctx, commitRetryMin)
	}
}

// push commits what has changed and repeats that until it is answered or ctx
// ends; calls is the context of the calls. A partition that is refused is left
// to a later push, so that it does not keep the others from being committed.
func (c *committer) push(ctx, calls context.Context) error {
	for delay := commitRetryMin; ; delay = min(2*delay, commitRetryMax) {
		waiters, commits := c.take()
		if len(commits) == 0 {
			answer(waiters, nil)
			return nil
		}
		err := c.commit(calls, commits)
		var refused refusedError
		if err == nil || errors.As(err, &refused) {
			c.accept(waiters, commits, refused)
			return err
		}
		c.giveBack(waiters, commits)
		if errors.Is(err, errFenced) {
			c.fence()
			return err
		}
		if ctx.Err() != nil {
			return err
		}
		c.commits.WithLabelValues("retried").Inc()
		c.failed(err).Dur("retry_in_ms", delay).Msg("commit not accepted")
		sleep(ctx, delay)
	}
}

// take collects the waiters and what their marks, and everything else, come
// to.
func (c *committer) take() ([]waiter, map[partition]commit) {
	c.mu.Lock()
	waiters := c.waiters
	c.waiters = nil
	c.mu.Unlock()
	commits := make(map[partition]commit)
	for p, t := range c.trackers {
		if cm, changed := t.snapshot(); changed {
			commits[p] = cm
		}
	}
	return waiters, commits
}

// accept answers the waiters of the partitions that the broker took, and leaves
// those that it refused to the next push.
func (c *committer) accept(waiters []waiter, commits map[partition]commit, refused refusedError) {
	if len(refused) == 0 {
		c.commits.WithLabelValues("ok").Inc()
		if c.failures > 0 {
			c.log.Info().Int("failures", c.failures).Msg("commits accepted again")
			c.failures = 0
		}
		answer(waiters, nil)
		return
	}
	c.commits.WithLabelValues("retried").Inc()
	c.failed(refused).Dur("retry_in_ms", refusedRetry).Msg("commit not accepted")
	maps.DeleteFunc(commits, func(p partition, _ commit) bool { return refused[p] == nil })
	c.giveBack(slices.DeleteFunc(waiters, func(w waiter) bool {
		if refused[w.tracker.place] == nil {
			w.done <- nil
		}
		return refused[w.tracker.place] == nil
	}), commits)
	if c.again != nil {
		c.again.Stop()
	}
	c.again = time.AfterFunc(refusedRetry, c.settled)
}

// failed is a line of the log about a commit that failed: a warning for the
// first one, until all is committed again.
func (c *committer) failed(err error) *zerolog.Event {
	c.failures++
	if c.failures > 1 {
		return c.log.Debug().Err(err)
	}
	return c.log.Warn().Err(err)
}

// giveBack makes a later take see again what was not committed.
func (c *committer) giveBack(waiters []waiter, commits map[partition]commit) {
	for p := range commits {
		c.trackers[p].touch()
	}
	c.mu.Lock()
	c.waiters = append(waiters, c.waiters...)
	c.mu.Unlock()
}

// fence refuses all who wait and all who come.
func (c *committer) fence() {
	c.commits.WithLabelValues("fenced").Inc()
	c.mu.Lock()
	waiters := c.waiters
	c.waiters, c.fenced = nil, true
	c.mu.Unlock()
	answer(waiters, errFenced)
}

func answer(waiters []waiter, err error) {
	for _, w := range waiters {
		w.done <- err
	}
}
