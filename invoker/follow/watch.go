package follow

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"port-agent/invoker"
)

// Watch is one followed run. It is for one goroutine at a time. It holds no
// event and no answer beyond what the run's Input keeps.
type Watch struct {
	run      Run
	backend  string
	seal     string
	follower follower
	jobs     []*job
	timeout  time.Duration
	interval time.Duration
	success  []string // end states that count as success; nil: the backend's
	told     told
}

// told is what the last Progress said.
type told struct{ label, links, id, summary, handle string }

// Handle is the present handle. Write its String to the run's log before the
// first look, and again whenever a Progress has a Moved.
func (w *Watch) Handle() Handle {
	h := Handle{Backend: w.backend, seal: w.seal}
	for _, j := range w.jobs {
		h.Places = append(h.Places, j.place)
	}
	return h
}

// Backend is one of Backends.
func (w *Watch) Backend() string { return w.backend }

// Host is the host:port that the next look goes to.
func (w *Watch) Host() string {
	u, err := url.Parse(w.jobs[0].place)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Host)
}

// Timeout is how long the run is to be followed, from its trigger on.
func (w *Watch) Timeout() time.Duration { return w.timeout }

// Interval is the rule's own time between looks, or 0: the usual schedule.
func (w *Watch) Interval() time.Duration { return w.interval }

// MaxWait bounds the time to the next look, also after errors: Jenkins forgets
// an item of its queue five minutes after the build has begun.
func (w *Watch) MaxWait() time.Duration {
	if w.backend == invoker.Jenkins && slices.ContainsFunc(w.jobs, func(j *job) bool { return strings.Contains(j.place, jenkinsQueue) }) {
		return time.Minute
	}
	return 5 * time.Minute
}

// Look asks once how the pipeline is. An error is an *Error, or the cause of
// the end of ctx. Progress may hold news beside an error, where one of several
// jobs could be looked at.
func (w *Watch) Look(ctx context.Context) (p Progress, err error) {
	for _, j := range w.jobs {
		if j.last.over {
			continue
		}
		v, fault := w.follower.look(ctx, w, j)
		if ctx.Err() != nil && fault != nil {
			return p, context.Cause(ctx)
		}
		if fault != nil {
			err = worse(err, fault, j.seen)
			continue
		}
		if v.place != "" && v.place != j.place {
			// The next look, maybe another process's, must be able to go there.
			if bad := w.follower.check(&w.run, Handle{Backend: w.backend, Places: []string{v.place}}); bad != nil {
				err = worse(err, bad, false)
				continue
			}
		}
		j.seen = true
		p.Lines = append(p.Lines, j.merge(v)...)
	}
	w.tell(&p)
	return p, err
}

// worse gives the error of several jobs that matters most. A 404 of what was
// seen before means that it is gone.
func worse(a, b error, seen bool) error {
	e := (*Error)(nil)
	if !errors.As(b, &e) {
		e = &Error{Kind: Refused, Err: b}
	}
	if e.Kind == Missing && seen {
		e = &Error{Kind: Deleted, Err: e.Err}
	}
	if first := (*Error)(nil); errors.As(a, &first) && first.Kind >= e.Kind {
		return a
	}
	return e
}

// tell puts into p what is new since the last time.
func (w *Watch) tell(p *Progress) {
	var labels, links, ids, summaries []string
	over, success := true, true
	for _, j := range w.jobs {
		v := &j.last
		over, success = over && v.over, success && v.success
		label := v.label
		if len(w.jobs) > 1 && label != "" {
			label = v.name + ": " + label
		}
		labels, links, ids, summaries = put(labels, label), append(links, v.links...), put(ids, v.id), put(summaries, v.summary)
	}
	now := told{label: invoker.OneLine(strings.Join(labels, ", "), maxLine), links: strings.Join(links, " "), id: strings.Join(ids, ", "), handle: w.Handle().String()}
	if now.label != w.told.label {
		p.Label = now.label
	}
	if now.links != w.told.links {
		p.Links = links
	}
	if now.id != w.told.id {
		p.ExternalRunID = now.id
	}
	if now.handle != w.told.handle {
		p.Moved = w.Handle()
	}
	if over {
		now.summary = strings.Join(summaries, "; ")
		p.Over, p.Success = true, success
		p.Lines = slices.DeleteFunc(p.Lines, func(l Line) bool { return l.Text == now.summary })
	} else if v := &w.jobs[0].last; len(w.jobs) == 1 {
		now.summary = v.summary
	}
	if now.summary != w.told.summary {
		p.Summary = now.summary
	}
	w.told = now
}

func put(list []string, s string) []string {
	if s == "" {
		return list
	}
	return append(list, s)
}
