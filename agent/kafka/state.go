package kafka

import (
	"cmp"
	"slices"
	"sync"

	"port-agent/agent/kafka/ledger"
)

// State is what the member has of the group now. Ends and lags of its partitions
// are some seconds old.
type State struct {
	Error      string         `json:"error,omitempty"` // why the group was not joined at the last try, empty where it was
	Group      string         `json:"group,omitempty"`
	Generation int32          `json:"generation,omitempty"` // 0 where it is not joined
	Partitions []ledger.State `json:"partitions"`           // by topic and number
}

// lookout keeps what the member last saw. The zero value is ready, and safe for
// concurrent use.
type lookout struct {
	mu         sync.Mutex
	generation int32
	err        error
	trackers   map[ledger.Place]*ledger.Tracker
}

// enter begins a generation; a nil map ends it.
func (l *lookout) enter(generation int32, trackers map[ledger.Place]*ledger.Tracker) {
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
	out := State{Group: s.cfg.GroupID, Generation: l.generation, Partitions: []ledger.State{}}
	if l.err != nil {
		out.Error = l.err.Error()
	}
	for _, t := range l.trackers {
		out.Partitions = append(out.Partitions, t.State())
	}
	slices.SortFunc(out.Partitions, func(a, b ledger.State) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return out
}
