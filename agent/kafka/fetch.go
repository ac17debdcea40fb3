package kafka

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
)

const (
	// fetchBytes is how much of a log one fetch asks for. A batch that is larger
	// comes whole all the same.
	fetchBytes = 256 << 10
	// fetchWait is how long a broker keeps a fetch that finds nothing. It delays
	// nothing: the end of its context ends the wait for the answer.
	fetchWait = 2 * time.Second
	// answerMax bounds the answer to a fetch. Only a batch that alone is larger
	// exceeds it, and is passed by.
	answerMax = 64 << 20
)

// record is a step in the reading of a partition.
type record struct {
	next  int64 // where reading goes on behind it
	value []byte
	// records is how many there are in this step: one, none where offsets have no
	// record (compaction has removed it), and more only with an err.
	records int
	err     error // why the value is not here; wraps errOversized
}

// steps yields the steps from an offset on. An error ends it.
type steps = iter.Seq2[record, error]

// fetch reads from p's leader, beginning at offset. room is asked before size
// bytes of an event are unpacked, and keep before size bytes of the answer are
// held until the returned records have been ranged over, which has to be done.
func (c *cluster) fetch(ctx context.Context, p partition, offset int64, limit int, keep func(size int64) (done func(), err error),
	room func(size int) error) (steps, error) {
	x := &fetchExchange{keep: keep}
	x.Request = fetch.Request{
		ReplicaID: -1, MaxWaitTime: int32(fetchWait.Milliseconds()), MinBytes: 1, MaxBytes: fetchBytes,
		IsolationLevel: int8(kafka.ReadCommitted), SessionID: -1, SessionEpoch: -1,
		Topics: []fetch.RequestTopic{{Topic: p.topic, Partitions: []fetch.RequestPartition{{
			Partition: int32(p.id), CurrentLeaderEpoch: -1, FetchOffset: offset, LogStartOffset: -1, PartitionMaxBytes: fetchBytes,
		}}}},
	}
	if _, err := c.send(ctx, x); err != nil {
		return nil, err
	}
	batches, err := recordsOf(x.version, x.answer)
	if err != nil {
		x.done()
		return nil, err
	}
	return func(yield func(record, error) bool) {
		defer x.done()
		decodeBatches(batches, offset, limit, room)(yield)
	}, nil
}

// fetchExchange is a fetch whose answer is kept as the bytes that it is:
// kafka-go would unpack all of it, whatever its size.
type fetchExchange struct {
	fetch.Request
	keep    func(size int64) (done func(), err error)
	version int16
	answer  []byte
	done    func()
}

var (
	_ protocol.BrokerMessage = (*fetchExchange)(nil)
	_ protocol.RawExchanger  = (*fetchExchange)(nil)
)

// Required is asked before the exchange, with the versions that were agreed
// with the broker.
func (x *fetchExchange) Required(versions map[protocol.ApiKey]int16) bool {
	x.version = versions[protocol.Fetch]
	return true
}

// RawExchange sends the request and reads the answer's bytes, once there is
// room for them.
func (x *fetchExchange) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	conn, ok := rw.(interface{ SetDeadline(time.Time) error })
	if !ok || x.version < 4 { // older ones know no record batches
		return nil, fmt.Errorf("fetch: version %d is not supported", x.version)
	}
	if err := conn.SetDeadline(time.Now().Add(fetchWait + callTimeout)); err != nil {
		return nil, err
	}
	if err := protocol.WriteRequest(rw, x.version, 1, clientID, &x.Request); err != nil {
		return nil, err
	}
	var head [8]byte // size and correlation id
	if _, err := io.ReadFull(rw, head[:]); err != nil {
		return nil, err
	}
	size := int64(int32(binary.BigEndian.Uint32(head[:]))) - 4
	if size < 0 {
		return nil, fmt.Errorf("fetch: answer of %d bytes", size)
	}
	kept := min(size, answerMax)
	var err error
	if x.done, err = x.keep(kept); err != nil {
		return nil, err
	}
	if err := x.read(rw, conn, kept, size); err != nil {
		x.done()
		return nil, err
	}
	return x, nil
}

func (x *fetchExchange) read(r io.Reader, conn interface{ SetDeadline(time.Time) error }, kept, size int64) error {
	if err := conn.SetDeadline(time.Now().Add(callTimeout + time.Duration(size/(1<<20))*time.Second)); err != nil {
		return err
	}
	x.answer = make([]byte, kept)
	if _, err := io.ReadFull(r, x.answer); err != nil {
		return err
	}
	if _, err := io.CopyN(io.Discard, r, size-kept); err != nil {
		return err
	}
	return conn.SetDeadline(time.Time{})
}

var errAnswer = errors.New("answer to fetch not understood")

// recordsOf returns the record batches in the answer to a fetch of one
// partition. They may be cut at their end.
func recordsOf(version int16, answer []byte) ([]byte, error) {
	a := cursor{rest: answer}
	a.skip(4) // throttle time
	if version >= 7 {
		if code := a.int16(); code != 0 {
			return nil, kafka.Error(code)
		}
		a.skip(4) // session
	}
	topics := a.int32()
	a.skip(int(a.int16())) // topic
	partitions := a.int32()
	a.skip(4) // partition
	code := a.int16()
	a.skip(16) // high watermark, last stable offset
	if version >= 5 {
		a.skip(8) // log start offset
	}
	if aborted := a.int32(); aborted > 0 {
		a.skip(16 * int(aborted))
	}
	if version >= 11 {
		a.skip(4) // preferred replica
	}
	size := a.int32()
	if a.short || topics != 1 || partitions != 1 {
		return nil, errAnswer
	}
	if code != 0 {
		return nil, kafka.Error(code)
	}
	return a.rest[:max(0, min(int(size), len(a.rest)))], nil
}

// cursor reads the fields of a message of Kafka's protocol. short says that
// there were fewer bytes than asked for.
type cursor struct {
	rest  []byte
	short bool
}

func (c *cursor) skip(n int) []byte {
	if n < 0 || n > len(c.rest) {
		c.short, c.rest = true, nil
		return make([]byte, 4)
	}
	head := c.rest[:n]
	c.rest = c.rest[n:]
	return head
}

func (c *cursor) int16() int16 { return int16(binary.BigEndian.Uint16(c.skip(2))) }
func (c *cursor) int32() int32 { return int32(binary.BigEndian.Uint32(c.skip(4))) }
