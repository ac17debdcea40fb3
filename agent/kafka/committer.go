package kafka

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

const (
	// markInterval is the least time between two commits. A burst of started
	// marks shares one commit per interval; a lone mark finds the interval long
	// past and is committed at once.
	markInterval = 2 * time.Millisecond
	// settleDelay is how long a settled offset waits for others to share its
	// commit. What a crash finds uncommitted is looked up at Port by the next
	// owner.
	settleDelay = 20 * time.Millisecond

	commitRetryMin = 50 * time.Millisecond
	commitRetryMax = 2 * time.Second
)

// committer makes every commit of one generation, one after another:
// concurrent commits may reach the broker in another order than they were
// sent, which would move an offset back.
type committer struct {
	commit  func(context.Context, map[partition]commit) error
	commits *prometheus.CounterVec // outcome
	log     zerolog.Logger

	marks  chan struct{} // someone waits for a mark
	lazily chan struct{} // something was settled

	mu       sync.Mutex
	trackers map[partition]*tracker
	waiters  []chan error // of marks that no commit has taken up yet
	fenced   bool
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
	done := make(chan error, 1)
	c.mu.Lock()
	if c.fenced {
		c.mu.Unlock()
		return errFenced
	}
	c.waiters = append(c.waiters, done)
	c.mu.Unlock()
	notify(c.marks)
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// settled makes the next commit come soon.
func (c *committer) settled() { notify(c.lazily) }

func notify(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// run commits until ctx ends or the member is fenced, which it returns. The
// last commit is flush's. One that is under way when ctx ends is waited for:
// given up, it could arrive after the last one, on a connection of its own, and
// move the offsets back.
func (c *committer) run(ctx context.Context) error {
	calls, cancel := outlive(ctx, leaveTimeout)
	defer cancel()
	var last time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.marks:
		case <-c.lazily:
			wait(ctx, settleDelay, c.marks)
		}
		wait(ctx, markInterval-time.Since(last), nil)
		last = time.Now()
		if err := c.push(ctx, calls); errors.Is(err, errFenced) {
			return err
		}
	}
}

// outlive gives a context that ends d after ctx. cancel ends it and has to be
// called.
func outlive(ctx context.Context, d time.Duration) (longer context.Context, cancel context.CancelFunc) {
	longer, end := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		sleep(longer, d)
		end()
	})
	return longer, func() {
		stop()
		end()
	}
}

// wait lets d pass, or less where early has something.
func wait(ctx context.Context, d time.Duration, early <-chan struct{}) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-early:
	case <-ctx.Done():
	}
}

// flush commits what has changed and repeats that until it is accepted, the
// member is fenced or ctx ends.
func (c *committer) flush(ctx context.Context) error { return c.push(ctx, ctx) }

// push is flush with another context for the calls.
func (c *committer) push(ctx, calls context.Context) error {
	for delay := commitRetryMin; ; delay = min(2*delay, commitRetryMax) {
		waiters, commits := c.take()
		if len(commits) == 0 {
			answer(waiters, nil)
			return nil
		}
		err := c.commit(calls, commits)
		if err == nil {
			c.commits.WithLabelValues("ok").Inc()
			answer(waiters, nil)
			return nil
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
		c.log.Warn().Err(err).Dur("retry_in", delay).Msg("commit not accepted")
		sleep(ctx, delay)
	}
}

// take collects the waiters and what their marks, and everything else, come to.
func (c *committer) take() ([]chan error, map[partition]commit) {
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

// giveBack makes the next take see again what a failed commit carried.
func (c *committer) giveBack(waiters []chan error, commits map[partition]commit) {
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

func answer(waiters []chan error, err error) {
	for _, w := range waiters {
		w <- err
	}
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) { wait(ctx, d, nil) }
