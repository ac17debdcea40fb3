package kafka

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"port-agent/agent"
	"port-agent/agent/kafka/kafkatest"
)

// impatient closes connections on which nothing happened for a while, as
// brokers and load balancers do.
type impatient struct {
	mu    sync.Mutex
	conns []*watched
}

func (l *impatient) listen(network, address string) (net.Listener, error) {
	inner, err := net.Listen(network, address)
	return &observed{inner, l}, err
}

type observed struct {
	net.Listener
	by *impatient
}

type watched struct {
	net.Conn
	mu   sync.Mutex
	used time.Time
}

func (o *observed) Accept() (net.Conn, error) {
	c, err := o.Listener.Accept()
	if err != nil {
		return nil, err
	}
	o.by.mu.Lock()
	defer o.by.mu.Unlock()
	w := &watched{Conn: c, used: time.Now()}
	o.by.conns = append(o.by.conns, w)
	return w, nil
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.used = time.Now()
	return n, err
}

// closeIdle closes connections that were not used for d.
func (l *impatient) closeIdle(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns = slices.DeleteFunc(l.conns, func(w *watched) bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		if time.Since(w.used) < d {
			return false
		}
		w.Close()
		return true
	})
}

// TestIdleConnectionsClosed has the broker close what is idle. An event that
// comes then waits for no retry of its mark.
func TestIdleConnectionsClosed(t *testing.T) {
	t.Parallel()
	listener := &impatient{}
	c, err := kafkatest.Start(kfake.NumBrokers(2), kfake.ListenFn(listener.listen))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	cfg := configOf(c.Brokers, "idle")
	cfg.watchInterval = time.Hour
	createTopics(t, c, cfg, 4)
	for p := range int32(4) { // the coordinator is the broker with nothing to fetch from
		if err := c.Fake.MoveTopicPartition(cfg.RunsTopic, p, 1-c.Fake.CoordinatorFor(cfg.GroupID)); err != nil {
			t.Fatal(err)
		}
		if err := c.Fake.MoveTopicPartition(cfg.ChangeLogTopic, p, 1-c.Fake.CoordinatorFor(cfg.GroupID)); err != nil {
			t.Fatal(err)
		}
	}
	got := newSeen()
	s := start(t, cfg, func(ctx context.Context, ev *agent.Event) error {
		begun := time.Now()
		if err := ev.Ledger.Start(ctx); err != nil {
			return err
		}
		if string(ev.Record) == "lone" {
			t.Logf("FAULT idle connections closed: the mark of a lone event took %s", time.Since(begun).Round(100*time.Microsecond))
		}
		got.add(string(ev.Record))
		return nil
	})
	for p := range 4 { // several connections at once
		produce(t, c, cfg.RunsTopic, p, records("", 5)...)
	}
	got.wait(t, 20)
	idle := time.Now()
	waitFor(t, func() bool { // fetches and heartbeats use theirs every two seconds and more often
		listener.closeIdle(2500 * time.Millisecond)
		return time.Since(idle) > 4*time.Second
	})
	produce(t, c, cfg.RunsTopic, 0, []byte("lone"))
	got.wait(t, 21)
	if n := testutil.ToFloat64(s.metrics.Commits.WithLabelValues("retried")); n != 0 {
		t.Errorf("%v commits were retried", n)
	}
}

// TestLeavesForItsOldSelf has kafka-go lose its place in the group, fail to
// leave and lose the answer to its next join, as it does while the coordinator
// restarts. The group must not wait for the end of the sessions of both.
func TestLeavesForItsOldSelf(t *testing.T) {
	t.Parallel()
	listener := &impatient{}
	c, err := kafkatest.Start(kfake.ListenFn(listener.listen))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	cfg := configOf(c.Brokers, "ghost")
	cfg.SessionTimeoutMS, cfg.watchInterval = 30_000, 0
	createTopics(t, c, cfg, 1)
	got := newSeen()
	start(t, cfg, settling(got))
	produce(t, c, cfg.RunsTopic, 0, []byte("before"))
	got.wait(t, 1)
	var joins atomic.Int32
	away := make(chan struct{})
	for _, key := range []kmsg.Key{kmsg.Heartbeat, kmsg.JoinGroup, kmsg.LeaveGroup, kmsg.DescribeGroups} {
		c.Fake.ControlKey(int16(key), func(req kmsg.Request) (kmsg.Response, error, bool) {
			select {
			case <-away:
				return nil, nil, false
			default:
			}
			c.Fake.KeepControl()
			if key == kmsg.JoinGroup && joins.Add(1) > 1 {
				return nil, nil, false // waits for the old member
			}
			return loading(req), nil, true
		})
	}
	waitFor(t, func() bool { return joins.Load() > 1 }) // heartbeats come every ten seconds
	waitFor(t, func() bool {
		listener.closeIdle(100 * time.Millisecond)
		return joins.Load() > 2
	})
	close(away)
	back := time.Now()
	produce(t, c, cfg.RunsTopic, 0, []byte("after"))
	got.wait(t, 2)
	took := time.Since(back)
	t.Logf("FAULT coordinator away, session timeout 30 s: back %s after it", took.Round(10*time.Millisecond))
	if took > 10*time.Second {
		t.Errorf("back after %s, want it long before the session times out", took)
	}
}

// loading is the answer of a coordinator that is not ready.
func loading(req kmsg.Request) kmsg.Response {
	code := kerr.CoordinatorNotAvailable.Code
	switch res := req.ResponseKind().(type) {
	case *kmsg.HeartbeatResponse:
		res.ErrorCode = code
		return res
	case *kmsg.JoinGroupResponse:
		res.ErrorCode = code
		return res
	case *kmsg.LeaveGroupResponse:
		res.ErrorCode = code
		return res
	case *kmsg.DescribeGroupsResponse:
		for _, group := range req.(*kmsg.DescribeGroupsRequest).Groups {
			res.Groups = append(res.Groups, kmsg.DescribeGroupsResponseGroup{Group: group, ErrorCode: code})
		}
		return res
	}
	return nil
}

// TestRecordOfZerosInTheLog reads on behind a record that would take 400 MiB.
func TestRecordOfZerosInTheLog(t *testing.T) {
	t.Parallel()
	c, cfg := openCluster(t)
	createTopics(t, c, cfg, 1)
	got := newSeen()
	s := start(t, cfg, func(_ context.Context, ev *agent.Event) error { got.add(string(ev.Record)); return nil })
	produce(t, c, cfg.RunsTopic, 0, []byte("before"))
	for _, codec := range []kafka.Compression{kafka.Gzip, kafka.Zstd} {
		if err := c.ProduceBatch(t.Context(), cfg.RunsTopic, 0, zeros(codec, 400)); err != nil {
			t.Fatal(err)
		}
	}
	produce(t, c, cfg.RunsTopic, 0, []byte("after"))
	values := got.wait(t, 2)
	s.stop()
	if slices.Sort(values); !slices.Equal(values, []string{"after", "before"}) {
		t.Errorf("got %q, want the records before and after", values)
	}
	if n := testutil.ToFloat64(s.metrics.Events.WithLabelValues(cfg.RunsTopic, agent.EventOversized)); n != 2 {
		t.Errorf("%v records counted as oversized, want 2", n)
	}
	wantCommitted(t, c, cfg, map[int]int64{0: 4})
}

// zeros is a batch of one record of that many MiB.
func zeros(codec kafka.Compression, size int) []byte {
	var packed bytes.Buffer
	w := codec.Codec().NewWriter(&packed)
	head := binary.AppendVarint([]byte{0, 0, 0, 1}, int64(size)<<20) // attributes, timestamp, offset, no key; size of the value
	w.Write(binary.AppendVarint(nil, int64(len(head)+1)+int64(size)<<20))
	w.Write(head)
	for chunk := make([]byte, 1<<20); size > 0; size-- {
		w.Write(chunk)
	}
	w.Write([]byte{0}) // no headers
	w.Close()
	raw := (&kmsg.RecordBatch{Magic: 2, Attributes: int16(codec), ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1,
		NumRecords: 1, Records: packed.Bytes()}).AppendTo(nil)
	binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-12)) // what follows the length
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	return raw
}

// TestLoneEventOnARealBroker waits until a broker that closes connections after
// ten idle seconds (.ci/kafka) has closed all that it can.
func TestLoneEventOnARealBroker(t *testing.T) {
	t.Parallel()
	c, cfg := openCluster(t)
	if c.Fake != nil {
		t.Skip("needs a broker that closes idle connections by itself")
	}
	cfg.watchInterval = 0
	createTopics(t, c, cfg, 4)
	got := newSeen()
	var marks []time.Duration
	s := start(t, cfg, func(ctx context.Context, ev *agent.Event) error {
		begun := time.Now()
		if err := ev.Ledger.Start(ctx); err != nil {
			return err
		}
		if string(ev.Record) == "lone" {
			marks = append(marks, time.Since(begun))
		}
		got.add(string(ev.Record))
		return nil
	})
	for p := range 4 {
		produce(t, c, cfg.RunsTopic, p, records("", 20)...)
	}
	got.wait(t, 80)
	for n := range 2 {
		time.Sleep(21 * time.Second)
		produce(t, c, cfg.RunsTopic, n, []byte("lone"))
		got.wait(t, 81+n)
	}
	s.stop()
	t.Logf("FAULT idle connections closed by the broker: marks of lone events took %v", marks)
	if slices.Max(marks) > 100*time.Millisecond {
		t.Errorf("marks took %v, want less than 20 ms on a machine with nothing else to do", marks)
	}
	if n := testutil.ToFloat64(s.metrics.Commits.WithLabelValues("retried")); n != 0 {
		t.Errorf("%v commits were retried", n)
	}
}
