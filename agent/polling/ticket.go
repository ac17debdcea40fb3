package polling

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"port-agent/agent"
	"port-agent/agent/port"
)

const (
	// claimLife is how long a claim is taken to hold where Port does not say.
	claimLife = 30 * time.Second
	// ackWait is the pause before an ack is asked for again, doubled each time.
	ackWait = 250 * time.Millisecond
	// reportTime is how long the report of a run may take that was acked and
	// then could not be carried out.
	reportTime = 5 * time.Second
)

// errTaken says that another agent has acked the run.
var errTaken = errors.New("the run was taken by another agent")

// ticket is one claimed run on its way through the agent. Its ack is the
// started mark of the run's event.
type ticket struct {
	api     API
	run     port.Claimed
	claimed time.Time
	log     zerolog.Logger

	release func() // takes the run out of the load
	taken   bool   // an agent before this one had acked it

	acked    atomic.Bool
	followed atomic.Bool // its pipeline is followed
	sent     atomic.Bool // a request may be on its way, or an answer on its way to Port
}

var _ agent.Ledger = (*ticket)(nil)

// Start acks the run, the first time. On an error the run is not this agent's.
func (t *ticket) Start(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if !t.acked.Load() {
		if err := t.ack(ctx); err != nil {
			return fmt.Errorf("ack run: %w", err)
		}
		t.acked.Store(true)
	}
	t.sent.Store(true)
	return nil
}

// Reset notes that nothing was sent. The ack itself cannot be taken back.
func (t *ticket) Reset() { t.sent.Store(false) }

// Following makes room for another run: one that is followed costs next to
// nothing.
func (t *ticket) Following() {
	t.followed.Store(true)
	t.release()
}

// ack asks for the run until Port answers or the claim ends. While the claim
// holds nobody else can ack the run, so that "someone else has it" after an
// ask without an answer means that this agent was the one.
func (t *ticket) ack(ctx context.Context) error {
	ends := t.run.Until
	if ends.IsZero() {
		ends = t.claimed.Add(claimLife)
	}
	asked, last := false, false
	for wait := ackWait; ; wait *= 2 {
		// An ask is finished whatever ctx does: its answer decides whether
		// the run is left to others or has to be ended here.
		got, err := t.api.Ack(context.WithoutCancel(ctx), t.run.ID)
		if err == nil {
			if got || asked && time.Now().Before(ends) {
				return nil
			}
			return errTaken
		}
		if refused(err) || last {
			return err
		}
		asked = true
		if time.Now().Add(wait).After(ends) {
			return err
		}
		last = agent.Pause(ctx, wait) != nil
	}
}

// refused reports whether Port has understood an ack and says no.
func refused(err error) bool {
	refusal, ok := errors.AsType[*port.CallError](err)
	return ok && refusal.Status >= 400 && refusal.Status < 500 && refusal.Status != 408 && refusal.Status != 429
}

// left decides what happens to a run that the agent has not settled. Nobody
// else can take it where it was acked: it ends here, unless its request was
// sent and what the agent had to say of it was not accepted in time.
func (t *ticket) left(ctx context.Context, err error) {
	switch {
	case !t.acked.Load():
		t.log.Info().Err(err).Msg("claimed run left to other agents")
	case t.followed.Load() && !agent.IsNodeRun(t.run.ID): // Port lists no node runs
		t.log.Info().Err(err).Msg("followed run left to the next start")
	case t.sent.Load():
		t.log.Error().Err(err).Msg("run not reported")
	default:
		t.fail(ctx, "The agent stopped before the request could be sent.", err)
	}
}

// refuse ends a run that no event can be made of.
func (t *ticket) refuse(ctx context.Context, err error) {
	if startErr := t.Start(ctx); startErr != nil {
		t.left(ctx, startErr)
		return
	}
	t.fail(ctx, fmt.Sprintf("The run could not be read: %v.", err), err)
}

// fail reports an acked run as failed.
func (t *ticket) fail(ctx context.Context, summary string, why error) {
	t.log.Error().Err(why).Msg("run failed")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reportTime)
	defer cancel()
	rep := agent.Report{Status: agent.StatusFailure, Summary: summary}
	if err := t.api.Report(ctx, t.run.ID, rep); err != nil && !errors.Is(err, agent.ErrRunEnded) {
		t.log.Error().Err(err).Msg("run not reported")
	}
}
