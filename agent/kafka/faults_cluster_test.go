package kafka

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"port-agent/agent"
	"port-agent/agent/kafka/kafkatest"
	"port-agent/agent/kafka/ledger"
)

// witness watches every commit that reaches the in-memory brokers, and knows
// from the handler what is settled.
type witness struct {
	t     *testing.T
	topic string

	mu      sync.Mutex
	settled map[int32]map[int64]bool
	last    map[string]int64 // by member, generation and partition
	commits int
	refuse  int // commits to refuse with REBALANCE_IN_PROGRESS
}

// watchCommits asserts on every commit of the runs topic: never past an
// unsettled event, never backwards within a generation, never more metadata
// than a broker takes. A real cluster cannot be watched; there only the
// handlers count.
func watchCommits(t *testing.T, c *kafkatest.Cluster, cfg Config) *witness {
	w := &witness{t: t, topic: cfg.RunsTopic, settled: map[int32]map[int64]bool{}, last: map[string]int64{}}
	if c.Fake != nil {
		c.Fake.ControlKey(int16(kmsg.OffsetCommit), func(req kmsg.Request) (kmsg.Response, error, bool) {
			c.Fake.KeepControl()
			return w.commit(req.(*kmsg.OffsetCommitRequest))
		})
	}
	return w
}

func (w *witness) commit(req *kmsg.OffsetCommitRequest) (kmsg.Response, error, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.commits++
	if w.refuse > 0 {
		w.refuse--
		return refusal(req, kerr.RebalanceInProgress.Code), nil, true
	}
	for _, topic := range req.Topics {
		if topic.Topic != w.topic {
			continue
		}
		for _, p := range topic.Partitions {
			w.check(req, p.Partition, p.Offset, p.Metadata)
		}
	}
	return nil, nil, false
}

func (w *witness) check(req *kmsg.OffsetCommitRequest, partitionID int32, offset int64, metadata *string) {
	for o := int64(0); o < offset; o++ {
		if !w.settled[partitionID][o] {
			w.t.Errorf("partition %d: committed %d past the unsettled event %d", partitionID, offset, o)
			return
		}
	}
	key := fmt.Sprintf("%s/%d/%d", req.MemberID, req.Generation, partitionID)
	if before, ok := w.last[key]; ok && offset < before {
		w.t.Errorf("partition %d: committed %d after %d in generation %d", partitionID, offset, before, req.Generation)
	}
	w.last[key] = offset
	text := ""
	if metadata != nil {
		text = *metadata
	}
	if len(text) > 4096 {
		w.t.Errorf("partition %d: metadata of %d bytes", partitionID, len(text))
	}
	if _, _, err := ledger.Resume(ledger.Place{Topic: w.topic, Partition: int(partitionID)}, ledger.Commit{Offset: offset, Metadata: text}); err != nil {
		w.t.Errorf("partition %d: metadata of offset %d: %v", partitionID, offset, err)
	}
}

func refusal(req *kmsg.OffsetCommitRequest, code int16) kmsg.Response {
	res := req.ResponseKind().(*kmsg.OffsetCommitResponse)
	for _, t := range req.Topics {
		topic := kmsg.NewOffsetCommitResponseTopic()
		topic.Topic = t.Topic
		for _, p := range t.Partitions {
			part := kmsg.NewOffsetCommitResponseTopicPartition()
			part.Partition, part.ErrorCode = p.Partition, code
			topic.Partitions = append(topic.Partitions, part)
		}
		res.Topics = append(res.Topics, topic)
	}
	return res
}

// settle is what a handler calls just before it returns nil.
func (w *witness) settle(ev *agent.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := int32(ev.Partition)
	if w.settled[p] == nil {
		w.settled[p] = map[int64]bool{}
	}
	w.settled[p][ev.Offset] = true
}

// handler starts, counts and settles each event; hold, where not nil, is
// called in between.
func (w *witness) handler(got *seen, hold func(ctx context.Context, ev *agent.Event) error) Handler {
	return func(ctx context.Context, ev *agent.Event) error {
		if err := ev.Ledger.Start(ctx); err != nil {
			ev.Ledger.Reset()
			return err
		}
		got.add(string(ev.Record))
		if hold != nil {
			if err := hold(ctx, ev); err != nil {
				return err
			}
		}
		w.settle(ev)
		return nil
	}
}

// wantOnce checks that each of n values came exactly once, in spite of fault.
func wantOnce(t *testing.T, fault string, values []string, n int) {
	t.Helper()
	count, doubled := map[string]int{}, 0
	for _, v := range values {
		count[v]++
	}
	for v, times := range count {
		if times != 1 {
			doubled++
			t.Errorf("%s was handled %d times", v, times)
		}
	}
	if len(count) != n {
		t.Errorf("%d events handled, want %d", len(count), n)
	}
	t.Logf("FAULT %-44s events %5d  handled   %5d  lost %d  doubled %d", fault, n, len(count), n-len(count), doubled)
}

func produce(t *testing.T, c *kafkatest.Cluster, topic string, partition int, recs ...[]byte) {
	t.Helper()
	if err := c.Produce(t.Context(), topic, partition, recs...); err != nil {
		t.Fatal(err)
	}
}

func TestCommitsNeverPassAnUnsettledEvent(t *testing.T) {
	t.Parallel()
	c, cfg := openCluster(t)
	createTopics(t, c, cfg, 2)
	w, got := watchCommits(t, c, cfg), newSeen()
	release := make(chan struct{})
	s := start(t, cfg, w.handler(got, func(_ context.Context, ev *agent.Event) error {
		if ev.Offset%7 == 3 { // settles long after those that follow it
			<-release
		}
		return nil
	}))
	for p := range 2 {
		produce(t, c, cfg.RunsTopic, p, records(fmt.Sprintf("p%d-", p), 300)...)
	}
	values := got.wait(t, 600)
	close(release)
	s.stop()
	wantOnce(t, "every seventh event settling last", values, 600)
	wantCommitted(t, c, cfg, map[int]int64{0: 300, 1: 300})
	if c.Fake != nil && w.commits > 300 {
		t.Errorf("%d commits for 600 events, want them grouped", w.commits)
	}
}

func TestCommitRefusedWhileRebalancing(t *testing.T) {
	t.Parallel()
	c, cfg := openCluster(t)
	if c.Fake == nil {
		t.Skip("a real broker refuses no commit on demand")
	}
	createTopics(t, c, cfg, 1)
	w, got := watchCommits(t, c, cfg), newSeen()
	w.refuse = 5
	s := start(t, cfg, w.handler(got, nil))
	produce(t, c, cfg.RunsTopic, 0, records("", 20)...)
	values := got.wait(t, 20)
	s.stop()
	wantOnce(t, "commits refused while rebalancing", values, 20)
	wantCommitted(t, c, cfg, map[int]int64{0: 20})
}

func TestCoordinatorAndLeadersMove(t *testing.T) {
	t.Parallel()
	c, err := kafkatest.Start(kfake.NumBrokers(3))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	cfg := configOf(c.Brokers, "moving")
	createTopics(t, c, cfg, 3)
	w, got := watchCommits(t, c, cfg), newSeen()
	s := start(t, cfg, w.handler(got, nil))
	for round := range 6 {
		for p := range 3 {
			produce(t, c, cfg.RunsTopic, p, records(fmt.Sprintf("%d-%d-", round, p), 30)...)
		}
		got.wait(t, round*90+45)
		if round%2 == 0 {
			c.Fake.ShufflePartitionLeaders()
		} else {
			c.Fake.RehashCoordinators()
		}
	}
	values := got.wait(t, 540)
	s.stop()
	wantOnce(t, "leaders and coordinator moving", values, 540)
	wantCommitted(t, c, cfg, map[int]int64{0: 180, 1: 180, 2: 180})
}

func TestTopicAppearsLate(t *testing.T) {
	t.Parallel()
	c, cfg := openCluster(t)
	w, got := watchCommits(t, c, cfg), newSeen()
	var log bytes.Buffer
	s := startSource(t, cfg, w.handler(got, nil), zerolog.SyncWriter(&log))
	waitFor(t, s.Ready) // without partitions it is a healthy member
	createTopics(t, c, cfg, 1)
	produce(t, c, cfg.RunsTopic, 0, records("", 5)...)
	wantOnce(t, "topic appearing late", got.wait(t, 5), 5)
	s.stop()
	for _, topic := range cfg.topics() { // which would otherwise look like standing by
		if line := fmt.Sprintf(`"topic":%q,"message":"topic not found"`, topic); !strings.Contains(log.String(), line) {
			t.Errorf("the log lacks %s:\n%s", line, &log)
		}
	}
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestPartitionsAdded(t *testing.T) {
	t.Parallel()
	c, cfg := openCluster(t)
	cfg.watchInterval = 0 // as in production
	createTopics(t, c, cfg, 1)
	w, got := watchCommits(t, c, cfg), newSeen()
	s := start(t, cfg, w.handler(got, nil))
	produce(t, c, cfg.RunsTopic, 0, records("a", 10)...)
	got.wait(t, 10)
	if err := c.AddPartitions(t.Context(), cfg.RunsTopic, 3); err != nil {
		t.Fatal(err)
	}
	added := time.Now()
	waitFor(t, func() bool { return c.Produce(t.Context(), cfg.RunsTopic, 2, []byte("b")) == nil })
	values := got.wait(t, 11)
	took := time.Since(added)
	t.Logf("FAULT new partition: its event was handled %s after it was added", took.Round(10*time.Millisecond))
	if took > 8*time.Second {
		t.Errorf("it took %s, want at most 5 s on a machine with nothing else to do", took)
	}
	s.stop()
	wantOnce(t, "partitions added", values, 11)
}

// "latest" is for a group that begins: a partition that is added later is read
// from its beginning.
func TestPartitionAddedIsReadFromItsBeginning(t *testing.T) {
	t.Parallel()
	c, cfg := openCluster(t)
	cfg.AutoOffsetReset = "latest"
	createTopics(t, c, cfg, 1)
	got := newSeen()
	handle := func(_ context.Context, ev *agent.Event) error { got.add(string(ev.Record)); return nil }
	first := start(t, cfg, handle)
	waitFor(t, func() bool {
		committed, err := c.Committed(t.Context(), cfg.GroupID, cfg.RunsTopic)
		return err == nil && len(committed) == 1
	})
	first.stop()
	if err := c.AddPartitions(t.Context(), cfg.RunsTopic, 2); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return c.Produce(t.Context(), cfg.RunsTopic, 1, []byte("early")) == nil })
	second := start(t, cfg, handle)
	values := got.wait(t, 1)
	second.stop()
	if values[0] != "early" {
		t.Errorf("handled %v, want what was produced before the group knew the partition", values)
	}
	wantOnce(t, "partition added under latest", values, 1)
}

func TestTopicRecreated(t *testing.T) {
	t.Parallel()
	c, cfg := openCluster(t)
	createTopics(t, c, cfg, 1)
	got := newSeen()
	handle := func(ctx context.Context, ev *agent.Event) error {
		got.add(string(ev.Record))
		return nil
	}
	s := start(t, cfg, handle)
	produce(t, c, cfg.RunsTopic, 0, records("old", 20)...)
	got.wait(t, 20)
	if err := c.DeleteTopic(t.Context(), cfg.RunsTopic); err != nil {
		t.Fatal(err)
	}
	if err := c.CreateTopic(t.Context(), cfg.RunsTopic, 1); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return c.Produce(t.Context(), cfg.RunsTopic, 0, records("new", 5)...) == nil })
	values := got.wait(t, 25)
	s.stop()
	wantOnce(t, "topic deleted and made again", values, 25)
}

// A group that was away while its topic was made anew begins at the new
// topic's beginning, whatever its offsets say.
func TestCommittedOffsetPastTheEnd(t *testing.T) {
	t.Parallel()
	c, cfg := openCluster(t)
	if c.Fake == nil {
		t.Skip("a real broker forgets the offsets of a deleted topic")
	}
	createTopics(t, c, cfg, 1)
	got := newSeen()
	handle := func(context.Context, *agent.Event) error { return nil }
	first := start(t, cfg, func(ctx context.Context, ev *agent.Event) error { got.add("x"); return handle(ctx, ev) })
	produce(t, c, cfg.RunsTopic, 0, records("old", 20)...)
	got.wait(t, 20)
	first.stop()
	if err := c.DeleteTopic(t.Context(), cfg.RunsTopic); err != nil {
		t.Fatal(err)
	}
	if err := c.CreateTopic(t.Context(), cfg.RunsTopic, 1); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return c.Produce(t.Context(), cfg.RunsTopic, 0, records("new", 5)...) == nil })
	fresh := newSeen()
	second := start(t, cfg, func(_ context.Context, ev *agent.Event) error { fresh.add(string(ev.Record)); return nil })
	values := fresh.wait(t, 5)
	second.stop()
	wantOnce(t, "committed offset past the end", values, 5)
}

func TestRetentionOvertakes(t *testing.T) {
	t.Parallel()
	c, cfg := openCluster(t)
	createTopics(t, c, cfg, 1)
	produce(t, c, cfg.RunsTopic, 0, records("", 30)...)
	left := newSeen()
	first := start(t, cfg, func(ctx context.Context, ev *agent.Event) error {
		defer left.add("")
		if ev.Offset == 4 || ev.Offset == 20 {
			return errors.New("left")
		}
		return nil
	})
	left.wait(t, 30)
	first.stop()
	if err := c.DeleteRecords(t.Context(), cfg.RunsTopic, 0, 10); err != nil {
		t.Fatal(err)
	}
	got := newSeen()
	second := start(t, cfg, func(_ context.Context, ev *agent.Event) error { got.add(string(ev.Record)); return nil })
	values := got.wait(t, 1)
	second.stop()
	if fmt.Sprint(values) != "[20]" {
		t.Errorf("handled %v, want the one that was left and still exists, [20]", values)
	}
	wantOnce(t, "retention overtaking what was left", values, 1)
	wantCommitted(t, c, cfg, map[int]int64{0: 30})
}

// Retention overtakes a reading that waits for room in the window.
func TestRetentionOvertakesReading(t *testing.T) {
	t.Parallel()
	c, cfg := openCluster(t)
	createTopics(t, c, cfg, 1)
	release := make(chan struct{})
	got := newSeen()
	s := start(t, cfg, func(ctx context.Context, ev *agent.Event) error {
		got.add(string(ev.Record))
		<-release
		return nil
	})
	produce(t, c, cfg.RunsTopic, 0, records("", window)...)
	got.wait(t, window)
	produce(t, c, cfg.RunsTopic, 0, records("later", 100)...)
	if err := c.DeleteRecords(t.Context(), cfg.RunsTopic, 0, window+60); err != nil {
		t.Fatal(err)
	}
	close(release)
	values := got.wait(t, window+40)
	s.stop()
	if !slices.Contains(values, "later60") || !slices.Contains(values, "later99") {
		t.Error("what is left was not handled")
	}
	wantOnce(t, "retention overtaking the reading", values, window+40)
	wantCommitted(t, c, cfg, map[int]int64{0: window + 100})
}

// Markers of transactions come as records that are no events; they are handed
// on like any junk and settle.
func TestTransactions(t *testing.T) {
	t.Parallel()
	c, cfg := openCluster(t)
	createTopics(t, c, cfg, 1)
	got := newSeen()
	s := start(t, cfg, func(_ context.Context, ev *agent.Event) error {
		if strings.HasPrefix(string(ev.Record), "r") {
			got.add(string(ev.Record))
		}
		return nil
	})
	for i := range 3 {
		if err := c.ProduceTransaction(t.Context(), cfg.RunsTopic, 0, i != 1, records(fmt.Sprintf("r%d-", i), 4)...); err != nil {
			t.Fatal(err)
		}
	}
	produce(t, c, cfg.RunsTopic, 0, []byte("r-last"))
	waitFor(t, func() bool {
		committed, err := c.Committed(t.Context(), cfg.GroupID, cfg.RunsTopic)
		ends, err2 := c.Ends(t.Context(), cfg.RunsTopic)
		return err == nil && err2 == nil && ends[0] > 12 && committed[0].Offset == ends[0]
	})
	s.stop()
	count := map[string]int{}
	for _, v := range got.wait(t, 9) {
		count[v]++
	}
	for _, v := range []string{"r0-0", "r0-3", "r2-0", "r2-3", "r-last"} {
		if count[v] != 1 {
			t.Errorf("%s was handled %d times, want once", v, count[v])
		}
	}
}

// With its window full a partition is not read on; with room again it is.
func TestWindowFull(t *testing.T) {
	t.Parallel()
	c, cfg := openCluster(t)
	createTopics(t, c, cfg, 1)
	w, got := watchCommits(t, c, cfg), newSeen()
	release := make(chan struct{})
	s := start(t, cfg, w.handler(got, func(context.Context, *agent.Event) error {
		<-release
		return nil
	}))
	const n = 2*window + 100
	produce(t, c, cfg.RunsTopic, 0, records("", n)...)
	if read := len(got.wait(t, window)); read != window {
		t.Errorf("%d events handled beside each other, want %d", read, window)
	}
	close(release)
	values := got.wait(t, n)
	s.stop()
	wantOnce(t, "window full", values, n)
	wantCommitted(t, c, cfg, map[int]int64{0: n})
}

// What is produced after the first start is not lost although nothing had
// settled before the agent stopped.
func TestLatestIsPinned(t *testing.T) {
	t.Parallel()
	c, cfg := openCluster(t)
	cfg.AutoOffsetReset = "latest"
	createTopics(t, c, cfg, 1)
	produce(t, c, cfg.RunsTopic, 0, records("before", 5)...)
	got := newSeen()
	handle := func(_ context.Context, ev *agent.Event) error { got.add(string(ev.Record)); return nil }
	first := start(t, cfg, handle)
	waitFor(t, func() bool {
		committed, err := c.Committed(t.Context(), cfg.GroupID, cfg.RunsTopic)
		return err == nil && committed[0].Offset == 5
	})
	first.stop()
	produce(t, c, cfg.RunsTopic, 0, records("away", 3)...)
	second := start(t, cfg, handle)
	values := got.wait(t, 3)
	second.stop()
	if slices.Sort(values); fmt.Sprint(values) != "[away0 away1 away2]" {
		t.Errorf("handled %v, want what was produced while the agent was away", values)
	}
	wantOnce(t, "latest, away after the first start", values, 3)
}

// Every security protocol with every mechanism that the settings name: the
// right password joins, a wrong one is refused by name, and none is shown.
func TestSecurityProtocols(t *testing.T) {
	t.Parallel()
	certificate, roots := selfSigned(t)
	for _, protocol := range []string{"SASL_PLAINTEXT", "SASL_SSL"} {
		for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
			t.Run(protocol+" "+mechanism, func(t *testing.T) {
				t.Parallel()
				opts := []kfake.Opt{kfake.EnableSASL(), kfake.Superuser(mechanism, "user", "right")}
				if protocol == "SASL_SSL" {
					opts = append(opts, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{certificate}}))
				}
				brokers := secured(t, opts...)
				cfg := securedConfig(t, protocol, mechanism)
				for password, want := range map[string]string{"right": "", "wrong": "was not accepted"} {
					err := joinOnce(t, cfg, &tls.Config{RootCAs: roots}, Credentials{Brokers: brokers, Username: "user", Password: secret(password)})
					if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
						t.Errorf("password %s: got error %v, want %q", password, err, want)
					}
					if err != nil && strings.Contains(err.Error(), "wrong") {
						t.Errorf("the error shows the password: %v", err)
					}
				}
			})
		}
	}
	t.Run("SSL", func(t *testing.T) {
		t.Parallel()
		brokers := secured(t, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{certificate}}))
		if err := joinOnce(t, securedConfig(t, "SSL", "none"), &tls.Config{RootCAs: roots}, Credentials{Brokers: brokers}); err != nil {
			t.Errorf("got %v, want it to join", err)
		}
	})
}

// secured starts a cluster in memory with the topics of securedConfig.
func secured(t *testing.T, opts ...kfake.Opt) []string {
	t.Helper()
	fake, err := kfake.NewCluster(append(opts, kfake.NumBrokers(1), kfake.SeedTopics(1, "secured.runs", "secured.change.log"))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	return fake.ListenAddrs()
}

func securedConfig(t *testing.T, protocol, mechanism string) Config {
	t.Helper()
	cfg := configOf(nil, "secured")
	cfg.Local, cfg.SecurityProtocol, cfg.Mechanism = false, protocol, mechanism
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// selfSigned makes a certificate for 127.0.0.1 and the pool that trusts it.
func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}
