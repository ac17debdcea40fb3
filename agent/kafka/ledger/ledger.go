// Package ledger keeps what is known of the offsets of one partition of a log:
// which were read, which are settled, and which were started. It writes that into
// a commit for the partition's next owner, and reads it from the commit of the last
// one.
//
// Kafka commits one offset per partition. Events settle out of order, so that
// offset is the first unsettled one, and the commit's metadata lists the unsettled
// ones after it and which of those were started (text.go has the format). With
// both, no owner loses an event that was not settled or repeats one that was
// started.
//
// The metadata never exceeds 4,096 bytes, a broker's default limit
// (offset.metadata.max.bytes): a partition has at most 1,000 unsettled events,
// within about a million offsets, and each takes three bytes before base64.
//
// The package talks to no broker, does no I/O and knows nothing of what an
// event is. It imports the standard library alone.
package ledger

import "fmt"

// Place is a partition of a topic.
type Place struct {
	Topic     string
	Partition int
}

func (p Place) String() string { return fmt.Sprintf("%s/%d", p.Topic, p.Partition) }

// MarshalText returns the same text as String, for logs.
func (p Place) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// Commit is an offset to commit, or committed, with its metadata.
type Commit struct {
	Offset   int64
	Metadata string
}
