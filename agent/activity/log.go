package activity

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// Log is the agent's record. Its methods may be called from many goroutines at
// once.
type Log struct {
	mu       sync.Mutex
	work     map[*Work]struct{}
	runs     []Run                // the last one at the end
	failures map[Failure]*failure // by reason, rule, host and status
	rules    map[string]*Rule
	minutes  []minute
}

// failure counts by the minute, so that an hour is an hour.
type failure struct {
	Failure
	minutes [keptMinutes]struct {
		at    time.Time
		count int
	}
}

type minute struct {
	Minute
	took []float64
}

// New returns an empty Log.
func New() *Log {
	return &Log{work: map[*Work]struct{}{}, failures: map[Failure]*failure{}, rules: map[string]*Rule{}}
}

// Work is one event in a Log. Its methods may be called from many goroutines at
// once.
type Work struct {
	log   *Log
	event Event
}

// Begin adds an event.
func (l *Log) Begin(e Event) *Work {
	now := time.Now()
	e.Since, e.State, e.Action = now, cmp.Or(e.State, Preparing), cut(e.Action)
	if e.Arrived.IsZero() {
		e.Arrived = now
	}
	w := &Work{l, e}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.work[w] = struct{}{}
	return w
}

// change runs f with the lock of the Log held.
func (w *Work) change(f func(l *Log, e *Event, now time.Time)) {
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	f(w.log, &w.event, time.Now())
}

// Matched says which rule takes the event, and counts its hit.
func (w *Work) Matched(rule string) {
	w.change(func(l *Log, e *Event, now time.Time) {
		e.Rule = rule
		r := l.rule(rule)
		r.Hits++
		r.LastHit = now
	})
}

// For says where the event's request goes.
func (w *Work) For(backend, host string) {
	w.change(func(_ *Log, e *Event, _ time.Time) { e.Backend, e.Host = backend, host })
}

// At says where the event is now; detail may be empty.
func (w *Work) At(s State, detail string) {
	w.change(func(_ *Log, e *Event, now time.Time) {
		if e.State != s {
			e.Since = now
		}
		e.State, e.Detail = s, cut(detail)
	})
}

// Ended keeps how the work on the event ended. It fills in the time and the fields of
// the event. The event stays until Leave.
func (w *Work) Ended(r Run) {
	w.change(func(l *Log, e *Event, now time.Time) {
		r.Time, r.Run, r.Action, r.Rule, r.Backend, r.Host = now, e.Run, e.Action, e.Rule, e.Backend, e.Host
		l.runs = append(l.runs, r)
		l.runs = slices.Delete(l.runs, 0, max(0, len(l.runs)-keptRuns))
		m := l.minute(now)
		m.Slowest = max(m.Slowest, r.Seconds)
		if len(m.took) < 200 {
			m.took = append(m.took, r.Seconds)
		}
		if r.Reason == "" {
			m.OK++
			return
		}
		m.Failed++
		if e.Rule != "" {
			l.rule(e.Rule).Failures++
		}
		l.fail(Failure{Reason: r.Reason, Rule: e.Rule, Host: e.Host, Status: r.Status}, e.Run, now)
	})
}

// Leave removes the event: it is settled, or left to another owner.
func (w *Work) Leave() {
	w.change(func(l *Log, _ *Event, _ time.Time) { delete(l.work, w) })
}

// Fail counts a failure that belongs to no event's work, such as a dropped
// event.
func (l *Log) Fail(reason, run string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail(Failure{Reason: reason}, run, time.Now())
}

func (l *Log) fail(kind Failure, run string, now time.Time) {
	f := l.failures[kind]
	if f == nil {
		if len(l.failures) >= keptFailures {
			l.forget(now)
		}
		f = &failure{Failure: kind}
		l.failures[kind] = f
	}
	at := now.Truncate(time.Minute)
	m := &f.minutes[at.Unix()/60%keptMinutes]
	if !m.at.Equal(at) {
		m.at, m.count = at, 0
	}
	m.count++
	f.Last, f.Run = now, run
}

// lastHour returns what f counts within the hour before now. ok is false if that is
// nothing.
func (f *failure) lastHour(now time.Time) (out Failure, ok bool) {
	out = f.Failure
	for _, m := range f.minutes {
		if m.count == 0 || now.Sub(m.at) >= keptMinutes*time.Minute {
			continue
		}
		out.Count += m.count
		if out.First.IsZero() || m.at.Before(out.First) {
			out.First = m.at
		}
	}
	return out, out.Count > 0
}

// forget removes the failures that are more than an hour old, and at least the
// oldest one.
func (l *Log) forget(now time.Time) {
	var oldest Failure
	for k, f := range l.failures {
		if now.Sub(f.Last) > time.Hour {
			delete(l.failures, k)
		} else if o := l.failures[oldest]; o == nil || f.Last.Before(o.Last) {
			oldest = k
		}
	}
	if len(l.failures) >= keptFailures {
		delete(l.failures, oldest)
	}
}

func (l *Log) rule(label string) *Rule {
	r := l.rules[label]
	if r == nil {
		if len(l.rules) >= keptRules { // a mapping that was reloaded often
			clear(l.rules)
		}
		r = &Rule{Label: label}
		l.rules[label] = r
	}
	return r
}

func (l *Log) minute(now time.Time) *minute {
	at := now.Truncate(time.Minute)
	if n := len(l.minutes); n == 0 || l.minutes[n-1].Time.Before(at) {
		l.minutes = append(l.minutes, minute{Minute: Minute{Time: at}})
		l.minutes = slices.Delete(l.minutes, 0, max(0, len(l.minutes)-keptMinutes))
	}
	return &l.minutes[len(l.minutes)-1]
}

// cut limits the length of a text.
func cut(s string) string {
	if len(s) > longestText {
		return s[:longestText] + "…"
	}
	return s
}

// Waiting returns how many events are neither settled nor followed, and when
// the oldest of them arrived.
func (l *Log) Waiting() (n int, oldest time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for w := range l.work {
		if w.event.State == Followed {
			continue
		}
		if n++; n == 1 || w.event.Arrived.Before(oldest) {
			oldest = w.event.Arrived
		}
	}
	return n, oldest
}
