package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/heartbeat"
	"github.com/segmentio/kafka-go/protocol/leavegroup"
	"github.com/segmentio/kafka-go/protocol/offsetcommit"
)

// partition names a partition of a topic.
type partition struct {
	topic string
	id    int
}

// member is this process in one generation of the group: what the coordinator
// checks, so that a member of an older generation is refused.
type member struct {
	group      string
	id         string
	generation int32
}

// errFenced means that the coordinator no longer knows this member in this
// generation: its partitions have another owner, or will have one soon.
var errFenced = errors.New("no longer a member of this generation of the group")

// coordinator speaks to the broker that coordinates the group. kafka-go's own
// client looks that broker up before every commit; here the answer is kept
// until the broker says otherwise, which halves the time that an event waits
// for its started mark. It is safe for concurrent use.
type coordinator struct {
	cluster *cluster
	timeout time.Duration // of one call

	mu    sync.Mutex
	known bool
	node  int
}

// commit commits offsets with their metadata. The error wraps errFenced where
// m is of the past, and is a refusedError where only some partitions were
// refused; any other may pass, and the offsets may have been committed all the
// same.
func (c *coordinator) commit(ctx context.Context, m member, commits map[partition]commit) error {
	req := &offsetcommit.Request{GroupID: m.group, GenerationID: m.generation, MemberID: m.id, RetentionTimeMs: -1}
	topics := map[string]int{}
	for p, cm := range commits {
		i, ok := topics[p.topic]
		if !ok {
			i = len(req.Topics)
			topics[p.topic] = i
			req.Topics = append(req.Topics, offsetcommit.RequestTopic{Name: p.topic})
		}
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, offsetcommit.RequestPartition{
			PartitionIndex: int32(p.id), CommittedOffset: cm.offset, CommittedLeaderEpoch: -1, CommittedMetadata: cm.metadata,
		})
	}
	res, err := c.call(ctx, m.group, req)
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
				refused[partition{t.Name, int(p.PartitionIndex)}] = err
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
func (c *coordinator) heartbeat(ctx context.Context, m member) error {
	res, err := c.call(ctx, m.group, &heartbeat.Request{GroupID: m.group, GenerationID: m.generation, MemberID: m.id})
	if err != nil {
		return fmt.Errorf("send heartbeat: %w", err)
	}
	err = c.check(res.(*heartbeat.Response).ErrorCode)
	if errors.Is(err, kafka.RebalanceInProgress) {
		return nil // the session lives on; the others wait for this member to join again
	}
	return err
}

// leave takes m out of the group, so that the others need not wait for the end
// of its session. A coordinator that has just started may not know it yet.
func (c *coordinator) leave(ctx context.Context, m member) error {
	res, err := c.call(ctx, m.group, &leavegroup.Request{GroupID: m.group, MemberID: m.id, Members: []leavegroup.RequestMember{{MemberID: m.id}}})
	if err != nil {
		return fmt.Errorf("leave group: %w", err)
	}
	left := res.(*leavegroup.Response)
	err = c.check(left.ErrorCode)
	for _, m := range left.Members {
		err = errors.Join(err, c.check(m.ErrorCode))
	}
	return err
}

// check turns a broker's code into an error.
func (c *coordinator) check(code int16) error {
	switch err := kafka.Error(code); err {
	case 0:
		return nil
	case kafka.IllegalGeneration, kafka.UnknownMemberId, kafka.FencedInstanceID:
		return fmt.Errorf("%w: %w", errFenced, err)
	case kafka.NotCoordinatorForGroup, kafka.GroupCoordinatorNotAvailable:
		c.forget()
		return err
	default:
		return err
	}
}

// call sends req to the coordinator of group.
func (c *coordinator) call(ctx context.Context, group string, req protocol.Message) (protocol.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	node, err := c.find(ctx, group)
	if err != nil {
		return nil, err
	}
	res, err := c.cluster.send(ctx, &toBroker{Message: req, node: int32(node)})
	if err != nil {
		c.forget() // it may have moved
		return nil, err
	}
	return res, nil
}

func (c *coordinator) find(ctx context.Context, group string) (int, error) {
	c.mu.Lock()
	node, known := c.node, c.known
	c.mu.Unlock()
	if known {
		return node, nil
	}
	res, err := c.cluster.client.FindCoordinator(ctx, &kafka.FindCoordinatorRequest{Key: group, KeyType: kafka.CoordinatorKeyTypeConsumer})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		return 0, fmt.Errorf("find coordinator: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.node, c.known = res.Coordinator.NodeID, true
	return c.node, nil
}

func (c *coordinator) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known = false
}

// toBroker is a message for one broker. It hides the message's own methods,
// by which kafka-go's transport would route it elsewhere, and writes it on the
// connection that the transport then picks.
type toBroker struct {
	protocol.Message
	node    int32
	version int16
}

var (
	_ protocol.BrokerMessage = (*toBroker)(nil)
	_ protocol.RawExchanger  = (*toBroker)(nil)
)

// Broker names the broker that the message goes to.
func (t *toBroker) Broker(cluster protocol.Cluster) (protocol.Broker, error) {
	b, ok := cluster.Brokers[t.node]
	if !ok {
		return protocol.Broker{}, fmt.Errorf("broker %d: %w", t.node, kafka.BrokerNotAvailable)
	}
	return b, nil
}

// Required is asked before the exchange, with the versions that were agreed
// with the broker.
func (t *toBroker) Required(versions map[protocol.ApiKey]int16) bool {
	t.version = versions[t.ApiKey()]
	return true
}

// RawExchange writes the message and reads its answer. Requests on a
// connection follow one another, so that a constant correlation id is enough.
func (t *toBroker) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	return protocol.RoundTrip(rw, t.version, 1, clientID, t.Message)
}
