package kafka

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// State is what the member has of the group now.
type State struct {
	Error      string           `json:"error,omitempty"` // why the group was not joined at the last try, empty where it was
	Group      string           `json:"group,omitempty"`
	Generation int32            `json:"generation,omitempty"` // 0 where it is not joined
	Partitions []PartitionState `json:"partitions"`           // by topic and number
}

// PartitionState is where the agent stands in one partition. Offsets of the log
// and the lag are some seconds old.
type PartitionState struct {
	Topic     string `json:"topic"`
	ID        int    `json:"partition"`
	Committed int64  `json:"committed"` // the first unsettled offset, which is committed or about to be
	Position  int64  `json:"position"`  // the next offset to read
	End       int64  `json:"end"`       // of the log, -1 before it is known
	Lag       int64  `json:"lag"`       // records that are not settled, without those that are followed
	Before    int64  `json:"before"`    // the lag between five and ten minutes ago, or when it was first known
	Window    int    `json:"window"`    // events read and not settled
	Full      bool   `json:"full"`      // nothing more is read before some of them settle
}

// lookout keeps what the member last saw. The zero value is ready, and safe for
// concurrent use.
type lookout struct {
	mu         sync.Mutex
	generation int32
	err        error
	trackers   map[partition]*tracker
}

// enter begins a generation; a nil map ends it.
func (l *lookout) enter(generation int32, trackers map[partition]*tracker) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if generation != 0 {
		l.err = nil
	}
	l.generation, l.trackers = generation, trackers
}

// failed keeps why the group could not be joined.
func (l *lookout) failed(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

// State returns what the member has of the group now.
func (s *Source) State() State {
	l := &s.lookout
	l.mu.Lock()
	defer l.mu.Unlock()
	out := State{Group: s.cfg.GroupID, Generation: l.generation, Partitions: []PartitionState{}}
	if l.err != nil {
		out.Error = l.err.Error()
	}
	for _, t := range l.trackers {
		out.Partitions = append(out.Partitions, t.state())
	}
	slices.SortFunc(out.Partitions, func(a, b PartitionState) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// lagAge is how old the lag is that growth is measured against, at the least.
const lagAge = 5 * time.Minute

// logSeen is a partition's log when it was last looked at.
type logSeen struct {
	end, lag, before, later int64
	at                      time.Time // of later, the lag that is the next to be before
}

// saw notes where the log ends. The lag that it returns is of the records that
// are not settled, without those that are followed.
func (t *tracker) saw(end int64) (lag int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	lag = max(0, end-t.high)
	for _, e := range t.entries {
		if e.state != following {
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

// state returns where the agent stands in the partition.
func (t *tracker) state() PartitionState {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := PartitionState{
		Topic: t.place.topic, ID: t.place.id, Committed: t.base(), Position: t.next, Window: len(t.entries), Full: t.isFull(),
		End: t.seen.end, Lag: t.seen.lag, Before: t.seen.before,
	}
	if t.seen.at.IsZero() {
		s.End = -1
	}
	return s
}
