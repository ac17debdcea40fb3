package kafka

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"iter"
	"net"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"

	"port-agent/agent/kafka/batch"
	"port-agent/agent/kafka/ledger"
)

const (
	// fetchVersion is the first version that can carry batches compressed with zstd.
	// Brokers know it since Kafka 2.1.
	fetchVersion = 10
	// fetchBytes is how much of a log one fetch asks for. Brokers send a larger batch
	// whole all the same.
	fetchBytes = 256 << 10
	// answerHead is more than an answer holds beside its part of the log.
	answerHead = 4 << 10
	// fetchWait is how long a broker holds a fetch that finds nothing. It does not
	// delay a drain: the end of the context ends the wait for the answer.
	fetchWait = 2 * time.Second
	// answerMax bounds the answer to a fetch. Only a single batch can be larger; its
	// records are dropped.
	answerMax = 64 << 20
	// answerTime is how long the transfer of an answer may take.
	answerTime = time.Minute
)

// steps yields the steps from an offset on. An error ends it.
type steps = iter.Seq2[batch.Record, error]

// fetch reads from p's leader, beginning at offset; c.maxEvent is the size of the
// largest record that comes with its value. It waits until memory has room for the
// answer, and then for each record.
func (c *cluster) fetch(ctx context.Context, p ledger.Place, offset int64, memory *share) steps {
	return func(yield func(batch.Record, error) bool) {
		answer, done, err := c.ask(ctx, p, offset, memory)
		if err != nil {
			yield(batch.Record{}, err)
			return
		}
		defer done()
		batches, err := recordsOf(p.Topic, answer)
		if err != nil {
			yield(batch.Record{}, err)
			return
		}
		room := func(size int) (func(), error) { return memory.acquire(ctx, eventCost(size)) }
		batch.Read(batches, len(answer) == answerMax, offset, c.maxEvent, room)(yield)
	}
}

// ask makes the call of a fetch. The function that it returns gives back the memory
// of the answer.
func (c *cluster) ask(ctx context.Context, p ledger.Place, offset int64, memory *share) ([]byte, func(), error) {
	req := &fetch.Request{
		ReplicaID: -1, MaxWaitTime: int32(fetchWait.Milliseconds()), MinBytes: 1, MaxBytes: fetchBytes,
		IsolationLevel: int8(kafka.ReadCommitted), SessionID: -1, SessionEpoch: -1,
		Topics: []fetch.RequestTopic{{Topic: p.Topic, Partitions: []fetch.RequestPartition{{
			Partition: int32(p.Partition), CurrentLeaderEpoch: -1, FetchOffset: offset, LogStartOffset: -1, PartitionMaxBytes: fetchBytes,
		}}}},
	}
	var answer []byte
	var done func()
	_, err := c.transport.RoundTrip(ctx, c.client.Addr, &exchange{Message: req, to: req.Broker, do: func(rw io.ReadWriter, version int16) (_ protocol.Message, err error) {
		conn, ok := rw.(net.Conn)
		if !ok || version < fetchVersion {
			return nil, errors.New("fetch: the broker is older than Kafka 2.1")
		}
		answer, done, err = fetchAnswer(ctx, conn, req, memory)
		return req, err
	}})
	if err != nil { // if ctx has ended, do may still be at work
		return nil, nil, err
	}
	return answer, done, nil
}

// fetchAnswer sends the request and reads the bytes of its answer, once memory has
// room for them. kafka-go would unpack all of it, whatever its size.
func fetchAnswer(ctx context.Context, conn net.Conn, req *fetch.Request, memory *share) (answer []byte, done func(), err error) {
	defer conn.SetDeadline(time.Time{})
	conn.SetDeadline(time.Now().Add(fetchWait + callTimeout))
	if err := protocol.WriteRequest(conn, fetchVersion, 1, clientID, req); err != nil {
		return nil, nil, err
	}
	var head struct{ Size, CorrelationID int32 }
	if err := binary.Read(conn, binary.BigEndian, &head); err != nil {
		return nil, nil, err
	}
	size := max(0, int64(head.Size)-4)
	kept := min(size, answerMax)
	if done, err = memory.keep(ctx, kept); err != nil {
		return nil, nil, err
	}
	conn.SetDeadline(time.Now().Add(answerTime))
	answer = make([]byte, kept)
	if _, err = io.ReadFull(conn, answer); err == nil {
		_, err = io.CopyN(io.Discard, conn, size-kept)
	}
	if err != nil {
		done()
		return nil, nil, err
	}
	return answer, done, nil
}

var errAnswer = errors.New("answer to fetch not understood")

// recordsOf returns the record batches in the answer to a fetch of one
// partition, of which the last may be cut. Before them stand: throttle time
// (4 bytes), error (2), session (4), topics (4), name (2 and its length),
// partitions (4), partition (4), error (2), three offsets (24), aborted
// transactions (4, and 16 for each), size of the batches (4).
func recordsOf(topic string, answer []byte) ([]byte, error) {
	number := binary.BigEndian
	if len(answer) >= 6 && number.Uint16(answer[4:]) != 0 {
		return nil, kafka.Error(int16(number.Uint16(answer[4:])))
	}
	name, of := 16, 16+len(topic)
	if len(answer) < of+42 || string(answer[name:of]) != topic {
		return nil, errAnswer
	}
	if code := number.Uint16(answer[of+8:]); code != 0 {
		return nil, kafka.Error(int16(code))
	}
	rest := answer[of+34:]
	aborted := 4 + 16*int(max(0, int32(number.Uint32(rest))))
	if len(rest) < aborted+4 {
		return nil, errAnswer
	}
	size := int(int32(number.Uint32(rest[aborted:])))
	rest = rest[aborted+4:]
	return rest[:max(0, min(size, len(rest)))], nil
}
