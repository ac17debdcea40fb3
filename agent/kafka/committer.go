package kafka

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"port-agent/agent/kafka/ledger"
)

const (
	// settleDelay is how long a settled offset waits for others to share its
	// commit. If the process dies before it, the next owner looks the run up at Port.
	settleDelay = 20 * time.Millisecond

	commitRetryMin = 50 * time.Millisecond
	commitRetryMax = 2 * time.Second
	refusedRetry   = 200 * time.Millisecond

	// lateCommit is how long a call that was given up may still reach the broker, on
	// a connection of its own, and undo the commits made since. Meanwhile everything
	// is committed again, every lateRepeat at the least.
	lateCommit = 30 * time.Second
	lateRepeat = 5 * time.Second
)

// committer makes every commit of one generation, one after another:
// concurrent commits may reach the broker in another order than they were
// sent, which would move an offset back.
type committer struct {
	// commit makes one call. Its error wraps errFenced if the member has been
	// replaced, and is a refusedError if the broker took only some of the offsets.
	commit   func(context.Context, map[ledger.Place]ledger.Commit) error
	commits  *prometheus.CounterVec // outcome
	log      zerolog.Logger
	trackers map[ledger.Place]*ledger.Tracker

	marks  chan struct{} // a mark is to be committed at once
	lazily chan struct{} // something was settled
	fenced chan struct{} // closed when the member has been replaced

	// Used by run, and by flush after it.
	failures int       // in a row
	givenUp  time.Time // when the last call failed that may arrive late
}

// refusedError is the broker's reason for each partition whose offset it refused.
// The other offsets of the same request are committed.
type refusedError map[ledger.Place]error

// Error names one of the partitions.
func (e refusedError) Error() string {
	for p, err := range e {
		return fmt.Sprintf("commit offset of %s (%d refused): %s", p, len(e), err)
	}
	return "no offset refused"
}

func newCommitter(trackers map[ledger.Place]*ledger.Tracker, commits *prometheus.CounterVec, log zerolog.Logger,
	commit func(context.Context, map[ledger.Place]ledger.Commit) error) *committer {
	return &committer{
		commit: commit, commits: commits, log: log, trackers: trackers,
		marks: make(chan struct{}, 1), lazily: make(chan struct{}, 1), fenced: make(chan struct{}),
	}
}

// start marks e as started and returns when the mark is committed. After an error
// no byte of the event's request may be sent: the mark is as it was before, and
// the event is left to the next owner unless the caller tries again.
//
// A mark that is set already is committed again, because only an accepted commit
// proves that the partition has no other owner.
func (c *committer) start(ctx context.Context, e *ledger.Entry) (err error) {
	before, accepted := e.Start()
	notify(c.marks)
	select {
	case <-accepted:
	case <-c.fenced:
		err = errFenced
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if closed(accepted) {
		return nil
	}
	e.Mark(before)
	c.settled() // a commit that carries the mark may be under way
	return err
}

// settled makes the next commit come soon.
func (c *committer) settled() { notify(c.lazily) }

// run commits until ctx ends or the member is fenced, which it returns. The
// last commit is flush's. One that is under way when ctx ends is waited for:
// given up, it could arrive after the last one, on a connection of its own, and
// move the offsets back.
func (c *committer) run(ctx context.Context) error {
	calls, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(leaveTimeout, cancel) })()
	var again <-chan time.Time
	for delay := commitRetryMin; ctx.Err() == nil; {
		select {
		case <-ctx.Done():
			return nil
		case <-c.marks:
		case <-again:
		case <-c.lazily:
			wait(ctx, settleDelay, c.marks)
		}
		// A lone mark is committed at once. The marks of a burst share a commit: with
		// all that come while one is under way, and with those that are about to be
		// set now.
		runtime.Gosched()
		err := c.push(calls)
		switch _, partly := errors.AsType[refusedError](err); {
		case err == nil:
			delay = commitRetryMin
			if c.unsure() {
				again = time.After(lateRepeat)
			}
		case errors.Is(err, errFenced):
			return err
		case partly: // the refused partitions must not delay the others
			again = time.After(refusedRetry)
		default:
			sleep(ctx, delay)
			delay = min(2*delay, commitRetryMax)
			notify(c.marks)
		}
	}
	return nil
}

// flush commits what has changed and repeats that until it is accepted, the
// member is fenced or ctx ends.
func (c *committer) flush(ctx context.Context) error {
	for {
		err := c.push(ctx)
		if err == nil || errors.Is(err, errFenced) || ctx.Err() != nil {
			return err
		}
		sleep(ctx, commitRetryMin)
	}
}

// unsure reports whether the broker may have undone the last commit.
func (c *committer) unsure() bool { return time.Since(c.givenUp) < lateCommit }

// push commits what has changed. What is not accepted is left to a later push.
func (c *committer) push(ctx context.Context) error {
	if closed(c.fenced) {
		return errFenced
	}
	snapshots, commits := map[ledger.Place]*ledger.Snapshot{}, map[ledger.Place]ledger.Commit{}
	for p, t := range c.trackers {
		if s := t.Snapshot(c.unsure()); s != nil {
			snapshots[p], commits[p] = s, s.Commit
		}
	}
	if len(commits) == 0 {
		return nil
	}
	err := c.commit(ctx, commits)
	refused, partly := errors.AsType[refusedError](err)
	if err != nil && !partly {
		c.givenUp = time.Now()
	}
	for p, s := range snapshots {
		if err == nil || partly && refused[p] == nil {
			s.Accepted()
		} else {
			s.Failed()
		}
	}
	c.note(err)
	return err
}

// note counts a commit. Of failures in a row the first one is a warning.
func (c *committer) note(err error) {
	switch {
	case err == nil:
		c.commits.WithLabelValues("ok").Inc()
		if c.failures > 0 {
			c.log.Info().Int("failures", c.failures).Msg("commits accepted again")
		}
		c.failures = 0
	case errors.Is(err, errFenced):
		c.commits.WithLabelValues("fenced").Inc()
		close(c.fenced)
	default:
		c.commits.WithLabelValues("retried").Inc()
		c.failures++
		line := c.log.Debug()
		if c.failures == 1 {
			line = c.log.Warn()
		}
		line.Err(err).Msg("commit not accepted")
	}
}
