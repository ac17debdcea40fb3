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
	if t.laterAt.IsZero() {
		t.before, t.later, t.laterAt = lag, lag, time.Now()
	} else if time.Since(t.laterAt) >= lagAge {
		t.before, t.later, t.laterAt = t.later, lag, time.Now()
	}
	t.end, t.lag = end, lag
	return lag
}

// State returns where the owner stands in the partition.
func (t *Tracker) State() State {
	t.mu.Lock()
	defer t.mu.Unlock()
	return State{
		Topic: t.place.Topic, Partition: t.place.Partition, Committed: t.base(), Position: t.next, Window: len(t.entries), Full: t.full(),
		End: t.end, Lag: t.lag, Before: t.before,
	}
}
