package activity

import (
	"cmp"
	"slices"
	"time"
)

// Snapshot returns what the Log holds, with at most most of the events that are
// not settled and of those that are followed.
func (l *Log) Snapshot(most int) Snapshot {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	s := Snapshot{Oldest: []Event{}, Followed: []Event{}, Runs: []Run{}, Failures: []Failure{}, Rules: []Rule{}, Minutes: []Minute{}}
	hosts := map[string]Host{}
	for w := range l.work {
		if w.event.State == Followed {
			s.Followed = append(s.Followed, w.event)
		} else {
			s.Oldest = append(s.Oldest, w.event)
			hosts[w.event.Host] = hosts[w.event.Host].with(w.event)
		}
	}
	s.Hosts = busiest(hosts)
	s.Unsettled, s.Following = len(s.Oldest), len(s.Followed)
	s.Oldest, s.Followed = oldest(s.Oldest, most), oldest(s.Followed, most)
	for _, r := range slices.Backward(l.runs) {
		s.Runs = append(s.Runs, r)
	}
	for _, f := range l.failures {
		if f, ok := f.lastHour(now); ok {
			s.Failures = append(s.Failures, f)
		}
	}
	slices.SortFunc(s.Failures, func(a, b Failure) int { return b.Last.Compare(a.Last) })
	for _, r := range l.rules {
		s.Rules = append(s.Rules, *r)
	}
	slices.SortFunc(s.Rules, func(a, b Rule) int { return cmp.Compare(a.Label, b.Label) })
	for _, m := range l.minutes {
		if now.Sub(m.Time) <= keptMinutes*time.Minute {
			took := slices.Sorted(slices.Values(m.took))
			m.Median = took[len(took)/2]
			s.Minutes = append(s.Minutes, m.Minute)
		}
	}
	return s
}

// with adds an event that has a request under way, or waits for a slot.
func (h Host) with(e Event) Host {
	h.Name = e.Host
	switch e.State {
	case Sent:
		if h.Used++; h.Oldest.IsZero() || e.Since.Before(h.Oldest) {
			h.Oldest = e.Since
		}
	case Queued:
		h.Waiting++
	}
	return h
}

// busiest sorts the hosts that have requests or events waiting.
func busiest(hosts map[string]Host) []Host {
	out := []Host{}
	for _, h := range hosts {
		if h.Used+h.Waiting > 0 {
			out = append(out, h)
		}
	}
	slices.SortFunc(out, func(a, b Host) int {
		return cmp.Or(cmp.Compare(b.Used+b.Waiting, a.Used+a.Waiting), cmp.Compare(a.Name, b.Name))
	})
	return out
}

func oldest(events []Event, most int) []Event {
	slices.SortFunc(events, func(a, b Event) int { return a.Arrived.Compare(b.Arrived) })
	return slices.Clone(events[:min(most, len(events))])
}
