package polling

import (
	"context"
	"errors"
	"sync"

	"port-agent/agent"
)

// earlier keeps which runs this process has claimed while it looks for those
// of a process before it.
type earlier struct {
	mu   sync.Mutex
	over bool
	mine map[string]struct{}
}

// claimed notes a run that is this process's own.
func (e *earlier) claimed(run string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.over {
		return
	}
	if e.mine == nil {
		e.mine = make(map[string]struct{})
	}
	e.mine[run] = struct{}{}
}

func (e *earlier) isMine(run string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, mine := e.mine[run]
	return mine
}

func (e *earlier) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.over, e.mine = true, nil
}

// takeUp finds the runs that an agent before this one had acked and not ended,
// and hands them to the pipeline as interrupted. Which they are their logs say:
// those whose pipeline was followed are followed on, whoever did it; those whose
// request was under way are this agent's where it has the name that stands
// there. An acked run that its agent wrote nothing of stays open.
//
// It costs a call for the list and one for each run that goes on.
func (p *Poller) takeUp(ctx context.Context, running *sync.WaitGroup) {
	defer p.earlier.end()
	runs, err := p.api.ActiveRuns(ctx)
	if err != nil {
		p.notTakenUp(ctx, err)
		return
	}
	taken := 0
	for _, r := range runs {
		if p.earlier.isMine(r.ID) {
			continue
		}
		messages, err := p.api.RunLog(ctx, r.ID)
		if err != nil {
			p.notTakenUp(ctx, err)
			return
		}
		// Lines that this process has written follow a claim of its own.
		if !agent.Unfinished(messages, p.cfg.Instance) || p.earlier.isMine(r.ID) || !p.load.add(r.ID) {
			continue
		}
		taken++
		t := p.ticket(r, false)
		t.taken = true
		t.acked.Store(true)
		t.sent.Store(true)
		p.work(ctx, t, agent.Place{}, running)
	}
	if taken > 0 {
		p.log.Info().Int("runs", taken).Msg("runs of an earlier agent taken up")
	}
}

func (p *Poller) notTakenUp(ctx context.Context, err error) {
	if ctx.Err() == nil || errors.Is(err, agent.ErrRejected) {
		p.log.Warn().Err(err).Msg("runs of an earlier agent not looked for")
	}
}
