package kafka

import (
	"cmp"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"port-agent/agent/kafka/ledger"
)

// State is the member's view of the group. The ends and lags of its partitions are
// some seconds old.
type State struct {
	Error      string         `json:"error,omitempty"` // of the last try to join, empty if that succeeded
	Group      string         `json:"group,omitempty"`
	Missing    string         `json:"missing,omitempty"`    // the topic of runs if it does not exist
	Generation int32          `json:"generation,omitempty"` // 0 while it has none
	Partitions []ledger.State `json:"partitions"`           // by topic and number
}

// lookout keeps what State and Ready report. It is safe for concurrent use.
type lookout struct {
	connected prometheus.Gauge // 1 while joined

	mu         sync.Mutex
	joined     bool
	err        error // of the last try to join
	missing    string
	generation int32
	trackers   map[ledger.Place]*ledger.Tracker
}

// set notes whether the member is in touch with the group, and the reason if not.
func (l *lookout) set(joined bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.joined, l.err = joined, err
	l.connected.Set(0)
	if joined {
		l.connected.Set(1)
	}
}

// miss notes the topic of runs if it does not exist, else nothing.
func (l *lookout) miss(topic string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.missing = topic
}

// enter begins a generation; 0 and nil end it.
func (l *lookout) enter(generation int32, trackers map[ledger.Place]*ledger.Tracker) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.generation, l.trackers = generation, trackers
}

// Ready reports whether the member has joined the group and is in touch with
// it. A member without partitions is ready too.
func (s *Source) Ready() bool {
	s.lookout.mu.Lock()
	defer s.lookout.mu.Unlock()
	return s.lookout.joined
}

// State returns the member's view of the group.
func (s *Source) State() State {
	l := &s.lookout
	l.mu.Lock()
	defer l.mu.Unlock()
	out := State{Group: s.cfg.GroupID, Missing: l.missing, Generation: l.generation, Partitions: []ledger.State{}}
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
