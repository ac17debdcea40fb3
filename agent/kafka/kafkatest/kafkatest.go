// Package kafkatest gives tests, the sandbox and the benchmark a Kafka to work
// with: an in-memory cluster, or a real one where KAFKA_BROKERS names it. The
// product does not link it.
package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// Cluster is a Kafka and a client of it.
type Cluster struct {
	Brokers []string
	// Fake is the in-memory cluster, for faults and for watching requests; nil
	// where the cluster is a real one.
	Fake *kfake.Cluster

	client *kgo.Client
	admin  *kadm.Client
}

// Open connects to the cluster that KAFKA_BROKERS names (host:port, separated
// by commas), or starts one in memory with opts.
func Open(opts ...kfake.Opt) (*Cluster, error) {
	if brokers := os.Getenv("KAFKA_BROKERS"); brokers != "" {
		return Connect(strings.Split(brokers, ",")...)
	}
	return Start(opts...)
}

// maxRecord is the size of the largest record that can be produced, beyond
// what the agent accepts.
const maxRecord = 8 << 20

// Connect connects to a cluster that runs elsewhere.
func Connect(brokers ...string) (*Cluster, error) { return connect(&Cluster{Brokers: brokers}) }

// Start starts a cluster in memory, of one broker unless opts say otherwise.
func Start(opts ...kfake.Opt) (*Cluster, error) { return start(opts) }

// StartWithLogin starts a cluster in memory that wants SCRAM-SHA-512 with one
// user's name and password.
func StartWithLogin(user, password string, opts ...kfake.Opt) (*Cluster, error) {
	return start(append(opts, kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", user, password)),
		kgo.SASL(scram.Auth{User: user, Pass: password}.AsSha512Mechanism()))
}

func start(opts []kfake.Opt, client ...kgo.Opt) (*Cluster, error) {
	fake, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("start in-memory kafka: %w", err)
	}
	return connect(&Cluster{Brokers: fake.ListenAddrs(), Fake: fake}, client...)
}

func connect(c *Cluster, opts ...kgo.Opt) (*Cluster, error) {
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(c.Brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(0), kgo.MaxBufferedRecords(1<<20), kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.ProducerBatchMaxBytes(maxRecord), kgo.BrokerMaxWriteBytes(64<<20),
		kgo.MetadataMinAge(50*time.Millisecond))...)
	if err != nil {
		return nil, fmt.Errorf("connect to kafka: %w", err)
	}
	c.client, c.admin = client, kadm.NewClient(client)
	return c, nil
}

// Close ends the client, and the cluster where it is in memory.
func (c *Cluster) Close() {
	c.client.Close()
	if c.Fake != nil {
		c.Fake.Close()
	}
}

// CreateTopic makes a topic whose records may have up to 16 MiB.
func (c *Cluster) CreateTopic(ctx context.Context, name string, partitions int) error {
	size := "16777216"
	res, err := c.admin.CreateTopic(ctx, int32(partitions), 1, map[string]*string{"max.message.bytes": &size}, name)
	if err == nil {
		err = res.Err
	}
	if err != nil {
		return fmt.Errorf("create topic %s: %w", name, err)
	}
	return nil
}

// DeleteTopic deletes a topic and returns when it is gone.
func (c *Cluster) DeleteTopic(ctx context.Context, name string) error {
	if _, err := c.admin.DeleteTopic(ctx, name); err != nil {
		return fmt.Errorf("delete topic %s: %w", name, err)
	}
	err := c.waitFor(ctx, name, func(t kadm.TopicDetail) bool { return t.Topic == "" || t.Err == kerr.UnknownTopicOrPartition })
	c.client.PurgeTopicsFromProducing(name) // a topic made again has another id
	return err
}

// waitFor lists a topic until it is as wanted.
func (c *Cluster) waitFor(ctx context.Context, name string, wanted func(kadm.TopicDetail) bool) error {
	for {
		topics, err := c.admin.ListTopics(ctx, name)
		if err != nil {
			return fmt.Errorf("list topic %s: %w", name, err)
		}
		if wanted(topics[name]) {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// AddPartitions grows a topic to the given number of partitions, and returns
// when they can be seen.
func (c *Cluster) AddPartitions(ctx context.Context, name string, partitions int) error {
	if _, err := c.admin.UpdatePartitions(ctx, partitions, name); err != nil {
		return fmt.Errorf("add partitions to %s: %w", name, err)
	}
	// A real broker answers before it knows of them itself; a client that asks
	// too early does not ask again for minutes.
	err := c.waitFor(ctx, name, func(t kadm.TopicDetail) bool { return len(t.Partitions) >= partitions })
	c.client.ForceMetadataRefresh()
	return err
}

// DeleteRecords removes what lies before offset, as retention does.
func (c *Cluster) DeleteRecords(ctx context.Context, topic string, partition int, offset int64) error {
	var at kadm.Offsets
	at.Add(kadm.Offset{Topic: topic, Partition: int32(partition), At: offset})
	if _, err := c.admin.DeleteRecords(ctx, at); err != nil {
		return fmt.Errorf("delete records of %s: %w", topic, err)
	}
	return nil
}

// Produce appends records to a partition in their order.
func (c *Cluster) Produce(ctx context.Context, topic string, partition int, records ...[]byte) error {
	batch := make([]*kgo.Record, len(records))
	for i, r := range records {
		batch[i] = &kgo.Record{Topic: topic, Partition: int32(partition), Value: r}
	}
	if err := c.client.ProduceSync(ctx, batch...).FirstErr(); err != nil {
		return fmt.Errorf("produce to %s: %w", topic, err)
	}
	return nil
}

// ProduceTransaction appends records in a transaction that is then committed
// or aborted; either leaves a marker in the partition.
func (c *Cluster) ProduceTransaction(ctx context.Context, topic string, partition int, commit bool, records ...[]byte) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.TransactionalID(fmt.Sprintf("test-%d", time.Now().UnixNano())))
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.BeginTransaction(); err != nil {
		return err
	}
	for _, r := range records {
		client.Produce(ctx, &kgo.Record{Topic: topic, Partition: int32(partition), Value: r}, nil)
	}
	if err := client.Flush(ctx); err != nil {
		return err
	}
	return client.EndTransaction(ctx, kgo.TransactionEndTry(commit))
}

// Commit is what a group has committed for a partition.
type Commit struct {
	Offset   int64
	Metadata string
}

// Committed returns the commits of a group for a topic by partition.
func (c *Cluster) Committed(ctx context.Context, group, topic string) (map[int]Commit, error) {
	offsets, err := c.admin.FetchOffsets(ctx, group)
	if errors.Is(err, kerr.GroupIDNotFound) {
		return nil, nil // it has never committed
	}
	if err != nil {
		return nil, fmt.Errorf("fetch commits of %s: %w", group, err)
	}
	out := map[int]Commit{}
	offsets.Each(func(o kadm.OffsetResponse) {
		if o.Topic == topic && o.At >= 0 {
			out[int(o.Partition)] = Commit{o.At, o.Metadata}
		}
	})
	return out, nil
}

// SetCommit commits for a group that has no members, as an operator's tool does.
func (c *Cluster) SetCommit(ctx context.Context, group, topic string, partition int, commit Commit) error {
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: topic, Partition: int32(partition), At: commit.Offset, LeaderEpoch: -1, Metadata: commit.Metadata})
	if err := c.admin.CommitAllOffsets(ctx, group, offsets); err != nil {
		return fmt.Errorf("commit for %s: %w", group, err)
	}
	return nil
}

// ProduceBatch appends a record batch unchanged.
func (c *Cluster) ProduceBatch(ctx context.Context, topic string, partition int, batch []byte) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers...), kgo.MaxVersions(kversion.V3_0_0()), kgo.BrokerMaxWriteBytes(64<<20))
	if err != nil {
		return err
	}
	defer client.Close()
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 10_000
	req.Topics = []kmsg.ProduceRequestTopic{{Topic: topic, Partitions: []kmsg.ProduceRequestTopicPartition{{Partition: int32(partition), Records: batch}}}}
	res, err := req.RequestWith(ctx, client)
	if err == nil {
		err = kerr.ErrorForCode(res.Topics[0].Partitions[0].ErrorCode)
	}
	if err != nil {
		return fmt.Errorf("produce to %s: %w", topic, err)
	}
	return nil
}

// Ends returns the end offsets of a topic by partition.
func (c *Cluster) Ends(ctx context.Context, topic string) (map[int]int64, error) {
	ends, err := c.admin.ListEndOffsets(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("list end offsets of %s: %w", topic, err)
	}
	out := map[int]int64{}
	ends.Each(func(o kadm.ListedOffset) { out[int(o.Partition)] = o.Offset })
	return out, ends.Error()
}
