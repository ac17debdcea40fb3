package kafka

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// State is what the member has of the group now.
type State struct {
	Group      string
	Generation int32            // 0 where it is not joined
	Partitions []PartitionState // by topic and number
	Error      string           // why the group was not joined at the last try, empty where it was
}

// PartitionState is where the agent stands in one partition. Offsets of the log
// and the lag are some seconds old.
type PartitionState struct {
	Topic     string
	ID        int
	Committed int64 // the first unsettled offset, which is committed or about to be
	Position  int64 // the next offset to read
	End       int64 // of the log, -1 before it is known
	Lag       int64 // records that are not settled, without those that are followed
	Before    int64 // the lag between five and ten minutes ago, or when it was first known
	Window    int   // events read and not settled
	Full      bool  // nothing more is read before some of them settle
}

// lagAge is how old the lag is that growth is measured against, at the least.
const lagAge = 5 * time.Minute

// lookout keeps what the member last saw. The zero value is ready, and safe for
// concurrent use.
type lookout struct {
	mu         sync.Mutex
	generation int32
	err        error
	trackers   map[partition]*tracker
	logs       map[partition]lastSeen
}

type lastSeen struct {
	end, lag, before, next int64
	at                     time.Time // of next
}

// enter begins a generation; a nil map ends it.
func (l *lookout) enter(generation int32, trackers map[partition]*tracker) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if generation != 0 {
		l.err = nil
	}
	l.generation, l.trackers, l.logs = generation, trackers, map[partition]lastSeen{}
}

// failed keeps why the group could not be joined.
func (l *lookout) failed(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

// saw keeps a partition's end and lag.
func (l *lookout) saw(p partition, end, lag int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	s, known := l.logs[p]
	s.end, s.lag = end, lag
	if !known {
		s.before, s.next, s.at = lag, lag, now
	}
	if now.Sub(s.at) >= lagAge {
		s.before, s.next, s.at = s.next, lag, now
	}
	l.logs[p] = s
}

// State returns what the member has of the group now.
func (s *Source) State() State {
	l := &s.lookout
	l.mu.Lock()
	defer l.mu.Unlock()
	out := State{Group: s.cfg.GroupID, Generation: l.generation}
	if l.err != nil {
		out.Error = l.err.Error()
	}
	for p, t := range l.trackers {
		ps := PartitionState{Topic: p.topic, ID: p.id, End: -1, Full: t.full(), Window: t.unsettled()}
		ps.Committed, ps.Position = t.position()
		if log, ok := l.logs[p]; ok {
			ps.End, ps.Lag, ps.Before = log.end, log.lag, log.before
		}
		out.Partitions = append(out.Partitions, ps)
	}
	slices.SortFunc(out.Partitions, func(a, b PartitionState) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.ID, b.ID))
	})
	return out
}
