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
	Lag       int64  `json:"lag"`       // as Saw returns it
	Before    int64  `json:"before"`    // the lag between five and ten minutes ago, or when it was first known
	Window    int    `json:"window"`    // events read and not settled
	Full      bool   `json:"full"`      // nothing more is read before some of them settle
}

// lagAge is the least age of the lag that the present one is compared with.
const lagAge = 5 * time.Minute

// Saw notes where the log ends, and returns the lag: the records that are not
// settled, without those whose pipeline is followed.
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

// State returns what is known now.
func (t *Tracker) State() State {
	t.mu.Lock()
	defer t.mu.Unlock()
	return State{
		Topic: t.place.Topic, Partition: t.place.Partition, Committed: t.base(), Position: t.next, Window: len(t.entries), Full: t.full(),
		End: t.end, Lag: t.lag, Before: t.before,
	}
}
