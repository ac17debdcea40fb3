package follow

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"port-agent/invoker/follow/ci"
	"port-agent/invoker/wire"
)

// Watch is one followed run. It is for one goroutine at a time. It holds no
// event and no answer beyond what the run's Input keeps.
type Watch struct {
	Timeout  time.Duration // how long the run is to be followed, from its trigger on
	Interval time.Duration // the rule's own time between looks, or 0: the usual schedule

	system system
	seal   string
	jobs   []*job
	told   told
}

// told is what the last Progress said.
type told struct{ label, links, id, summary, handle string }

// Handle is the present handle. Write its String to the run's log before the
// first look, and again whenever a Progress has a Moved.
func (w *Watch) Handle() Handle {
	h := Handle{Backend: w.Backend(), seal: w.seal}
	for _, j := range w.jobs {
		h.Places = append(h.Places, j.Place)
	}
	return h
}

// Backend is one of Backends.
func (w *Watch) Backend() string { return w.system.Name() }

// Host is the host:port that the next look goes to.
func (w *Watch) Host() string {
	u, err := url.Parse(w.jobs[0].Place)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Host)
}

// MaxWait bounds the time to the next look, also after errors: to the rule's
// interval or five minutes, and to one minute while Jenkins has a job in its queue.
func (w *Watch) MaxWait() time.Duration {
	if slices.ContainsFunc(w.jobs, func(j *job) bool { return j.Fleeting() }) {
		return time.Minute
	}
	return max(5*time.Minute, w.Interval)
}

// Look asks once how the pipeline is. An error is a *ci.Error, or the cause of
// the end of ctx. Of several jobs it is the error that matters most, and
// Progress may hold news of the others beside it.
func (w *Watch) Look(ctx context.Context) (p Progress, err error) {
	var worst *ci.Error
	for _, j := range w.jobs {
		if j.last.Over {
			continue
		}
		v, err := w.system.Look(ctx, &j.Job)
		if err != nil && ctx.Err() != nil {
			return p, context.Cause(ctx)
		}
		fault, failed := errors.AsType[*ci.Error](err)
		if !failed {
			p.Lines = append(p.Lines, j.merge(v)...)
			continue
		}
		if fault.Kind == ci.Missing && j.Seen {
			fault = &ci.Error{Kind: ci.Deleted, Err: fault.Err}
		}
		if worst == nil || fault.Kind > worst.Kind {
			worst = fault
		}
	}
	w.tell(&p)
	if worst != nil {
		return p, worst
	}
	return p, nil
}

// tell puts into p what is new since the last time.
func (w *Watch) tell(p *Progress) {
	var labels, links, ids, summaries []string
	over, success := true, true
	for _, j := range w.jobs {
		v := &j.last
		over, success = over && v.Over, success && v.Success
		label := v.Label
		if len(w.jobs) > 1 && label != "" {
			label = v.Name + ": " + label
		}
		labels, links, ids, summaries = append(labels, label), append(links, v.Links...), append(ids, v.ID), append(summaries, v.Summary)
	}
	now := told{label: wire.OneLine(join(labels, ", "), maxLine), links: join(links, " "), id: join(ids, ", "), handle: w.Handle().String()}
	if over || len(w.jobs) == 1 {
		now.summary = join(summaries, "; ")
	}
	if over {
		p.Over, p.Success = true, success
		p.Lines = slices.DeleteFunc(p.Lines, func(l ci.Line) bool { return l.Text == now.summary })
	}
	p.Label, p.ExternalRunID, p.Summary = changed(now.label, w.told.label), changed(now.id, w.told.id), changed(now.summary, w.told.summary)
	if now.links != w.told.links {
		p.Links = links
	}
	if now.handle != w.told.handle {
		p.Moved = w.Handle()
	}
	w.told = now
}

// changed is now, or "" where that was told before.
func changed(now, told string) string {
	if now == told {
		return ""
	}
	return now
}
