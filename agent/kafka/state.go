package kafka

import (
	"cmp"
	"slices"

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

// setJoined notes whether the member is in touch with the group, and the reason if not.
func (s *Source) setJoined(joined bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.joined, s.err = joined, err
	s.metrics.SourceConnected.Set(0)
	if joined {
		s.metrics.SourceConnected.Set(1)
	}
}

// enter begins a generation; 0 and nil end it.
func (s *Source) enter(generation int32, trackers map[ledger.Place]*ledger.Tracker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation, s.trackers = generation, trackers
}

// Ready reports whether the member has joined the group and is in touch with
// it. A member without partitions is ready too.
func (s *Source) Ready() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.joined
}

// State returns the member's view of the group.
func (s *Source) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := State{Group: s.cfg.GroupID, Generation: s.generation, Partitions: []ledger.State{}}
	if s.err != nil {
		out.Error = s.err.Error()
	}
	if slices.Contains(s.missing, s.cfg.RunsTopic) {
		out.Missing = s.cfg.RunsTopic
	}
	for _, t := range s.trackers {
		out.Partitions = append(out.Partitions, t.State())
	}
	slices.SortFunc(out.Partitions, func(a, b ledger.State) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return out
}
