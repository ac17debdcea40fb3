package ledger

import "time"

// State is what a Tracker knows at one moment. The end of the log and the lag
// are as old as the last call of Saw.
type State struct {
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
	Committed int64  `json:"committed"` // the first unsettled offset, which is committed or about to be
	Position  int64  `json:"position"`  // the next offset to read
	End       int64  `json:"end"`       // of the log, -1 before it is known
	Lag       int64  `json:"lag"`       // records that are not settled, without those that are followed
	Before    int64  `json:"before"`    // the lag between five and ten minutes ago, or when it was first known
	Window    int    `json:"window"`    // events read and not settled
	Full      bool   `json:"full"`      // nothing more is read before some of them settle
}

// lagAge is how old the lag is that growth is measured against, at the least.
const lagAge = 5 * time.Minute

// logSeen is a partition's log when it was last looked at.
type logSeen struct {
	end, lag, before, later int64
	at                      time.Time // of later, the lag that is the next to be before
}

// Saw notes where the log ends. The lag that it returns is of the records that
// are not settled, without those that are followed.
func (t *Tracker) Saw(end int64) (lag int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	lag = max(0, end-t.high)
	for _, e := range t.entries {
		if e.stage != Following {
			lag++
		}
	}
	now, seen := time.Now(), &t.seen
	if seen.at.IsZero() {
		seen.before, seen.later, seen.at = lag, lag, now
	} else if now.Sub(seen.at) >= lagAge {
		seen.before, seen.later, seen.at = seen.later, lag, now
	}
	seen.end, seen.lag = end, lag
	return lag
}

// State returns where the owner stands in the partition.
func (t *Tracker) State() State {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := State{
		Topic: t.place.Topic, Partition: t.place.Partition, Committed: t.base(), Position: t.next, Window: len(t.entries), Full: t.full(),
		End: t.seen.end, Lag: t.seen.lag, Before: t.seen.before,
	}
	if t.seen.at.IsZero() {
		s.End = -1
	}
	return s
}
