package cistand

import "time"

// pipeline is one run of a Plan.
type pipeline struct {
	id        int
	name      string // of its job, workflow or project
	label     string // what it was given as its name or number
	given     object // what its trigger gave it: variables or parameters
	cause     string // of what has started it, in Jenkins' words
	plan      Plan
	began     time.Time
	released  []time.Duration // how long each stage that waits has waited
	stopped   time.Time
	stoppedAs string
	deleted   bool
}

// moment is how a pipeline is at one time.
type moment struct {
	queued  bool
	stages  []stageAt
	waiting bool // for a person
	over    bool
	end     string // of the backend; empty: success or failure, as failed says
	failed  bool
	took    time.Duration
}

type stageAt struct {
	Stage
	state string // done, failed, running, waiting, stopped
	took  time.Duration
}

// at works out how p is at a time.
func (p *pipeline) at(now time.Time) (m moment) {
	stopped := !p.stopped.IsZero()
	if stopped {
		now = p.stopped
	}
	left := now.Sub(p.began) - p.plan.Queued
	if left < 0 || p.plan.Cancelled {
		m.queued = left < 0 && !stopped
		m.over, m.end = !m.queued, p.stoppedAs
		return m
	}
	waits := 0
	for _, s := range p.plan.Stages {
		takes := s.Takes
		at := stageAt{Stage: s, state: "running", took: min(left, takes)}
		if s.Waits && waits < len(p.released) {
			takes += p.released[waits]
		} else if s.Waits {
			at.state, takes = "waiting", left+1
		}
		if s.Waits {
			waits++
		}
		if left < takes {
			if stopped {
				at.state = "stopped"
			}
			m.stages, m.waiting = append(m.stages, at), at.state == "waiting"
			m.over, m.end, m.took = stopped, p.stoppedAs, now.Sub(p.began)-p.plan.Queued
			return m
		}
		left -= takes
		m.took += takes
		at.state = "done"
		if s.Error != "" {
			at.state, m.failed = "failed", true
		}
		m.stages = append(m.stages, at)
		if m.failed {
			break
		}
	}
	m.over, m.end = true, p.plan.End
	return m
}

// release notes how long the stage that waits has waited.
func (p *pipeline) release(now time.Time) {
	if m := p.at(now); m.waiting {
		spent := p.plan.Queued
		for _, s := range m.stages[:len(m.stages)-1] {
			spent += s.Takes
		}
		for _, r := range p.released {
			spent += r
		}
		p.released = append(p.released, now.Sub(p.began)-spent)
	}
}

// word is the backend's word for the end.
func (m moment) word(success, failure string) string {
	switch {
	case m.end != "":
		return m.end
	case m.failed:
		return failure
	}
	return success
}
