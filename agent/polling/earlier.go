package polling

import (
	"context"
	"errors"
	"sync"

	"port-agent/agent"
)

// takeUp finds the runs that an agent before this one had acked and not ended,
// and hands them to the pipeline as interrupted. Which they are their logs say:
// those whose pipeline was followed are followed on, whoever did it; those whose
// request was under way are this agent's where it has the name that stands
// there. An acked run that its agent wrote nothing of stays open.
//
// It costs a call for the list and one for each run that goes on.
func (p *Poller) takeUp(ctx context.Context, running *sync.WaitGroup) {
	defer p.claimed.Clear()
	defer p.looking.Store(false)
	runs, err := p.api.ActiveRuns(ctx)
	if err != nil {
		p.notTakenUp(ctx, err)
		return
	}
	taken := 0
	for _, r := range runs {
		messages, err := p.api.RunLog(ctx, r.ID)
		if err != nil {
			p.notTakenUp(ctx, err)
			return
		}
		_, mine := p.claimed.Load(r.ID) // before this process wrote a line for it
		if mine || !agent.Unfinished(messages, p.cfg.Instance) || !p.load.add(r.ID) {
			continue
		}
		taken++
		t := p.ticket(r)
		t.taken = true
		t.acked.Store(true)
		t.sent.Store(true)
		p.work(ctx, t, agent.Place{}, running)
	}
	if taken > 0 {
		p.log.Info().Int("runs", taken).Msg("runs of an earlier agent resumed")
	}
}

func (p *Poller) notTakenUp(ctx context.Context, err error) {
	if ctx.Err() == nil || errors.Is(err, agent.ErrRejected) {
		p.log.Warn().Err(err).Msg("runs of an earlier agent not listed")
	}
}
