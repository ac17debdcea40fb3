package kafka

import (
	"context"
	"fmt"
	"strings"

	"github.com/rs/zerolog"
	"github.com/segmentio/kafka-go"

	"port-agent/agent/kafka/ledger"
)

// offsetResets are the values of KAFKA_CONSUMER_AUTO_OFFSET_RESET. With true, a
// group without a committed offset begins at the end of the log.
var offsetResets = map[string]bool{
	"earliest": false, "smallest": false, "beginning": false,
	"latest": true, "largest": true, "end": true,
}

func (c *Config) resetToEnd() bool { return offsetResets[strings.ToLower(c.AutoOffsetReset)] }

// bounds are the offsets that a partition's log holds: first is the oldest
// record, end the offset after the newest.
type bounds struct{ first, end int64 }

// logBounds asks the leaders of the partitions. kafka-go answers for each of ps.
func (c *cluster) logBounds(ctx context.Context, ps []ledger.Place) (map[ledger.Place]bounds, error) {
	req := &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{}}
	for _, p := range ps {
		req.Topics[p.Topic] = append(req.Topics[p.Topic], kafka.FirstOffsetOf(p.Partition), kafka.LastOffsetOf(p.Partition))
	}
	res, err := c.client.ListOffsets(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("list offsets: %w", err)
	}
	out := make(map[ledger.Place]bounds, len(ps))
	for topic, offsets := range res.Topics {
		for _, o := range offsets {
			if o.Error != nil {
				return nil, fmt.Errorf("list offsets of %s/%d: %w", topic, o.Partition, o.Error)
			}
			out[ledger.Place{Topic: topic, Partition: o.Partition}] = bounds{o.FirstOffset, o.LastOffset}
		}
	}
	return out, nil
}

// partitionCounts asks how many partitions each topic has; a topic that does
// not exist has none.
func (c *cluster) partitionCounts(ctx context.Context, topics []string) (map[string]int, error) {
	res, err := c.client.Metadata(ctx, &kafka.MetadataRequest{Topics: topics})
	if err != nil {
		return nil, fmt.Errorf("read metadata: %w", err)
	}
	counts := make(map[string]int, len(topics))
	for _, t := range res.Topics {
		counts[t.Name] = len(t.Partitions)
	}
	return counts, nil
}

// describe asks the coordinator for the state and the members of the group.
func (c *cluster) describe(ctx context.Context) (g kafka.DescribeGroupsResponseGroup, err error) {
	res, err := c.client.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{c.group}})
	if err == nil && len(res.Groups) == 1 {
		g, err = res.Groups[0], res.Groups[0].Error
	}
	if err != nil {
		return g, fmt.Errorf("describe group: %w", err)
	}
	return g, nil
}

// committed asks the coordinator for all commits of the group.
func (c *cluster) committed(ctx context.Context) (map[ledger.Place]ledger.Commit, error) {
	res, err := c.client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: c.group})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		return nil, fmt.Errorf("fetch committed offsets: %w", err)
	}
	out := map[ledger.Place]ledger.Commit{}
	for topic, offsets := range res.Topics {
		for _, o := range offsets {
			if o.Error != nil {
				return nil, fmt.Errorf("fetch committed offset of %s/%d: %w", topic, o.Partition, o.Error)
			}
			if o.CommittedOffset >= 0 {
				out[ledger.Place{Topic: topic, Partition: o.Partition}] = ledger.Commit{Offset: o.CommittedOffset, Metadata: o.Metadata}
			}
		}
	}
	return out, nil
}

// resume decides where the reading of p begins; a negative offset means that
// nothing is committed. A position that differs from the committed one is
// committed at once: an offset of "latest" that is kept in memory alone would be
// resolved again after a restart, and skip what was produced before.
//
// A commit without a ledger of this place means a new group or a moved offset.
// Then the events that are in the log now are not vouched for.
func resume(p ledger.Place, cm ledger.Commit, b bounds, toEnd bool, log zerolog.Logger) *ledger.Tracker {
	if cm.Offset < 0 {
		start := b.first
		if toEnd {
			start = b.end
		}
		log.Info().Int64("offset", start).Int64("unvouched", b.end-start).Msg("no committed offset found, starting position set")
		return ledger.Begin(p, start, b.end)
	}
	t, read, err := ledger.Resume(p, cm)
	if read > b.end {
		// A log never gets shorter at its end: it was lost or restored, or the topic
		// was deleted and created again.
		log.Warn().Int64("committed", cm.Offset).Int64("read", read).Int64("end", b.end).Int64("offset", b.first).
			Msg("committed offset is past the end of the log, starting at its beginning")
		return ledger.Begin(p, b.first, b.end)
	}
	if err != nil {
		if n := b.end - max(cm.Offset, b.first); n > 0 {
			log.Warn().Err(err).Int64("offset", cm.Offset).Int64("unvouched", n).
				Msg("committed offset has no ledger of this agent")
		}
		t = ledger.Begin(p, cm.Offset, b.end)
	}
	if b.first > cm.Offset {
		gone := t.Skip(b.first)
		log.Warn().Int64("committed", cm.Offset).Int64("first", b.first).Int64("records", b.first-cm.Offset).Int("unsettled", gone).
			Msg("records deleted by retention before they were read")
	}
	return t
}
