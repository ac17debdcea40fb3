package kafka

import (
	"context"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"port-agent/agent"
)

// A member that the group takes back no more is not ready, and says why.
func TestRefusedAfterItHadJoined(t *testing.T) {
	t.Parallel()
	c, cfg := openCluster(t)
	if c.Fake == nil {
		t.Skip("needs a broker that refuses at will")
	}
	createTopics(t, c, cfg, 1)
	s := start(t, cfg, settling(newSeen()))
	waitFor(t, s.Ready)
	c.Fake.ControlKey(int16(kmsg.Heartbeat), func(req kmsg.Request) (kmsg.Response, error, bool) {
		res := req.ResponseKind().(*kmsg.HeartbeatResponse)
		res.ErrorCode = kerr.UnknownMemberID.Code
		return res, nil, true
	})
	c.Fake.ControlKey(int16(kmsg.JoinGroup), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.Fake.KeepControl()
		res := req.ResponseKind().(*kmsg.JoinGroupResponse)
		res.ErrorCode = kerr.GroupAuthorizationFailed.Code
		return res, nil, true
	})
	waitFor(t, func() bool { return strings.Contains(s.State().Error, kafka.GroupAuthorizationFailed.Title()) })
	if s.Ready() {
		t.Error("the member is ready though the group refuses it")
	}
}

// A topic whose offsets the group may not commit, or that was deleted, does
// not hold up the other one.
func TestCommitRefusedForOneTopic(t *testing.T) {
	t.Parallel()
	c, cfg := openCluster(t)
	if c.Fake == nil {
		t.Skip("needs a broker that refuses at will")
	}
	createTopics(t, c, cfg, 1)
	c.Fake.ControlKey(int16(kmsg.OffsetCommit), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.Fake.KeepControl()
		res := req.ResponseKind().(*kmsg.OffsetCommitResponse)
		for _, topic := range req.(*kmsg.OffsetCommitRequest).Topics {
			answer := kmsg.NewOffsetCommitResponseTopic()
			answer.Topic = topic.Topic
			for _, p := range topic.Partitions {
				part := kmsg.NewOffsetCommitResponseTopicPartition()
				part.Partition = p.Partition
				if topic.Topic == cfg.ChangeLogTopic {
					part.ErrorCode = kerr.TopicAuthorizationFailed.Code
				}
				answer.Partitions = append(answer.Partitions, part)
			}
			res.Topics = append(res.Topics, answer)
		}
		return res, nil, true
	})
	got := newSeen()
	s := start(t, cfg, func(ctx context.Context, ev *agent.Event) error {
		if err := ev.Ledger.Start(ctx); err != nil {
			return err
		}
		got.add(string(ev.Record))
		return nil
	})
	produce(t, c, cfg.RunsTopic, 0, records("", 10)...)
	wantOnce(t, "commits of one topic refused", got.wait(t, 10), 10)
	s.stop()
}
