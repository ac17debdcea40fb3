package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/heartbeat"
	"github.com/segmentio/kafka-go/protocol/offsetcommit"

	"port-agent/agent/kafka/ledger"
)

// member is this process in one generation of the group. The coordinator checks
// both and refuses a member of an older generation.
type member struct {
	id         string
	generation int32
}

// errFenced means that the coordinator no longer knows this member in this
// generation: its partitions have another owner, or will have one soon.
var errFenced = errors.New("no longer a member of this generation of the group")

// commit commits offsets with their metadata. The error wraps errFenced if m has
// been replaced, and is a refusedError if only some partitions were refused. Any
// other error may be temporary, and the offsets may have been committed all the
// same.
func (c *cluster) commit(ctx context.Context, m member, commits map[ledger.Place]ledger.Commit) error {
	req := &offsetcommit.Request{GroupID: c.group, GenerationID: m.generation, MemberID: m.id, RetentionTimeMs: -1}
	for p, cm := range commits {
		i := slices.IndexFunc(req.Topics, func(t offsetcommit.RequestTopic) bool { return t.Name == p.Topic })
		if i < 0 {
			i = len(req.Topics)
			req.Topics = append(req.Topics, offsetcommit.RequestTopic{Name: p.Topic})
		}
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, offsetcommit.RequestPartition{
			PartitionIndex: int32(p.Partition), CommittedOffset: cm.Offset, CommittedLeaderEpoch: -1, CommittedMetadata: cm.Metadata,
		})
	}
	res, err := c.call(ctx, req)
	if err != nil {
		return fmt.Errorf("commit offsets: %w", err)
	}
	refused := refusedError{}
	for _, t := range res.(*offsetcommit.Response).Topics {
		for _, p := range t.Partitions {
			err := c.check(p.ErrorCode)
			if errors.Is(err, errFenced) {
				return fmt.Errorf("commit offsets of %s/%d: %w", t.Name, p.PartitionIndex, err)
			}
			if err != nil {
				refused[ledger.Place{Topic: t.Name, Partition: int(p.PartitionIndex)}] = err
			}
		}
	}
	if len(refused) > 0 {
		return refused
	}
	return nil
}

// heartbeat keeps m's session alive. kafka-go's own heartbeats stop the moment
// a generation ends, which is when a drain begins; without these the partition
// would go to another member while its events are still being worked on.
func (c *cluster) heartbeat(ctx context.Context, m member) error {
	res, err := c.call(ctx, &heartbeat.Request{GroupID: c.group, GenerationID: m.generation, MemberID: m.id})
	if err != nil {
		return fmt.Errorf("send heartbeat: %w", err)
	}
	err = c.check(res.(*heartbeat.Response).ErrorCode)
	if errors.Is(err, kafka.RebalanceInProgress) {
		return nil // the session is alive; the group waits for this member to join again
	}
	return err
}

// check turns a broker's code into an error.
func (c *cluster) check(code int16) error {
	switch err := kafka.Error(code); err {
	case 0:
		return nil
	case kafka.IllegalGeneration, kafka.UnknownMemberId, kafka.FencedInstanceID:
		return fmt.Errorf("%w: %w", errFenced, err)
	case kafka.NotCoordinatorForGroup, kafka.GroupCoordinatorNotAvailable:
		c.coordinator.Store(nil)
		return err
	default:
		return err
	}
}

// call sends req to the group's coordinator.
func (c *cluster) call(ctx context.Context, req protocol.Message) (protocol.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	node, err := c.find(ctx)
	if err != nil {
		return nil, err
	}
	res, err := c.transport.RoundTrip(ctx, c.client.Addr, &exchange{
		Message: req,
		to: func(all protocol.Cluster) (protocol.Broker, error) {
			b, ok := all.Brokers[int32(node)]
			if !ok {
				return b, fmt.Errorf("broker %d: %w", node, kafka.BrokerNotAvailable)
			}
			return b, nil
		},
		// A connection carries one request at a time, so a constant correlation id
		// is enough.
		do: func(rw io.ReadWriter, version int16) (protocol.Message, error) {
			return protocol.RoundTrip(rw, version, 1, clientID, req)
		},
	})
	if err != nil {
		c.coordinator.Store(nil) // it may have moved
		return nil, err
	}
	return res, nil
}

func (c *cluster) find(ctx context.Context) (int, error) {
	if known := c.coordinator.Load(); known != nil {
		return *known, nil
	}
	res, err := c.client.FindCoordinator(ctx, &kafka.FindCoordinatorRequest{Key: c.group, KeyType: kafka.CoordinatorKeyTypeConsumer})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		return 0, fmt.Errorf("find coordinator: %w", err)
	}
	c.coordinator.Store(&res.Coordinator.NodeID)
	return res.Coordinator.NodeID, nil
}

// exchange is a message for the broker that to chooses. It hides the message's own
// methods, by which kafka-go's transport would route it elsewhere. do talks on the
// connection that the transport then picks.
type exchange struct {
	protocol.Message
	to      func(protocol.Cluster) (protocol.Broker, error)
	do      func(rw io.ReadWriter, version int16) (protocol.Message, error)
	version int16 // agreed with the broker
}

var (
	_ protocol.BrokerMessage = (*exchange)(nil)
	_ protocol.RawExchanger  = (*exchange)(nil)
)

func (x *exchange) Broker(all protocol.Cluster) (protocol.Broker, error) { return x.to(all) }

func (x *exchange) Required(versions map[protocol.ApiKey]int16) bool {
	x.version = versions[x.ApiKey()]
	return true
}

func (x *exchange) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	return x.do(rw, x.version)
}
