package agent

import (
	"context"
	"fmt"
	"time"
)

// Event is what a source hands to the agent: one record, and how the source
// keeps account of it.
type Event struct {
	Topic     string
	Partition int
	Offset    int64
	Time      time.Time // when it arrived here
	Record    []byte    // owned by the agent from here on

	// ChangeLog is set for the change-log topic, whose records Port does not
	// sign.
	ChangeLog bool
	// Trusted is set where the source itself vouches for the record, as Port's
	// API does for a claimed run. Once it is started nobody else is given it: it
	// cannot be left to a next owner, whatever it says of being sent again.
	Trusted bool
	// Interrupted is set where an earlier owner started the event and nobody
	// knows how that ended.
	Interrupted bool
	// Owner is the name of the agent that a claimed event belongs to, which the
	// run's log gives while its request is under way. Empty: none is given.
	Owner string
	// Vouched is set where the source's own records say that nobody else has
	// worked on the event before. For an event that is neither Vouched nor
	// Trusted, Port is asked how its run stands before it is invoked.
	Vouched bool

	// Place is the event's turn among those of its partition. The zero value
	// stands for itself.
	Place Place
	// Ledger keeps the event's started mark. It is never nil.
	Ledger Ledger

	run string // that the event belongs to, once it is known to be genuine
}

// Ledger keeps account of one event in its source.
type Ledger interface {
	// Start returns when it is on record that the event was started. On an
	// error no byte of its request may be sent.
	Start(ctx context.Context) error
	// Reset takes the record back: nothing has been sent.
	Reset()
	// Following says that the event was invoked and that its pipeline is now
	// followed, which may take hours. It is called at most once. The event
	// stays started and unsettled, but it holds no memory worth counting, and
	// metrics of work that waits, such as the lag, leave it out.
	Following()
}

// Key identifies the event at a backend: the run's id where it belongs to one.
func (e *Event) Key(run string) string {
	if run != "" {
		return run
	}
	return fmt.Sprintf("%s:%d:%d", e.Topic, e.Partition, e.Offset)
}

// Sequence returns out places in the order of its calls. Its zero value is
// ready; it is for one goroutine, the one that reads a partition.
type Sequence struct{ last chan struct{} }

// Next returns the place behind the one given before.
func (s *Sequence) Next() Place {
	p := Place{before: s.last, done: make(chan struct{})}
	s.last = p.done
	return p
}

// Place lets events that are prepared side by side take their turn in the
// order in which they were read.
type Place struct {
	before <-chan struct{} // nil: nobody is before
	done   chan struct{}
}

// Wait returns when all places before this one are done.
func (p Place) Wait() {
	if p.before != nil {
		<-p.before
	}
}

// Done lets the next place go on. It must be called exactly once.
func (p Place) Done() {
	if p.done != nil {
		close(p.done)
	}
}
