package kafka

import (
	"context"
	"errors"
	"strconv"

	"port-agent/agent/kafka/ledger"
)

// watch looks at the topics at an interval: it reports the lag, and ends the
// generation if there are partitions without an owner. kafka-go's own watch misses
// topics that appear late, and joins without pause while one is missing.
func (g *generation) watch(work context.Context, stop context.CancelCauseFunc, trackers map[ledger.Place]*ledger.Tracker) {
	for first := true; work.Err() == nil; first = false {
		err := g.lookAtLogs(work, trackers)
		if !first {
			leftOver, noAnswer := g.partitionsLeftOver(work)
			if leftOver {
				stop(errChanged)
				return
			}
			err = errors.Join(err, noAnswer)
		}
		if err != nil {
			g.log.Debug().Err(err).Msg("topics not looked at")
		}
		sleep(work, g.src.cfg.watchInterval)
	}
}

// partitionsLeftOver reports whether a topic has more partitions than the members
// of the group own: partitions were added, a topic has appeared, or the member
// that assigned them did not know of it yet.
func (g *generation) partitionsLeftOver(ctx context.Context) (bool, error) {
	exist, err := g.cluster.partitionCounts(ctx, g.src.cfg.topics())
	if err != nil {
		return false, err
	}
	group, err := g.cluster.describe(ctx)
	if err != nil || group.GroupState != "Stable" { // the partitions are being assigned
		return false, err
	}
	shared := map[string]int{}
	for _, m := range group.Members {
		for _, t := range m.MemberAssignments.Topics {
			shared[t.Topic] += len(t.Partitions)
		}
	}
	for topic, n := range exist {
		if n > shared[topic] {
			g.log.Info().Str("topic", topic).Int("partition_count", n).Int("assigned", shared[topic]).Msg("partitions without an owner found, joining again")
			return true, nil
		}
	}
	return false, nil
}

// lookAtLogs updates the lag of each partition.
func (g *generation) lookAtLogs(ctx context.Context, trackers map[ledger.Place]*ledger.Tracker) error {
	logs, err := g.cluster.logBounds(ctx, g.partitions)
	if err != nil {
		return err
	}
	for p, b := range logs {
		g.src.metrics.Lag.WithLabelValues(p.Topic, strconv.Itoa(p.Partition)).Set(float64(trackers[p].Saw(b.end)))
	}
	return nil
}
