package kafka

import (
	"context"
	"errors"
	"sync"

	"github.com/rs/zerolog"
	"github.com/segmentio/kafka-go"

	"port-agent/agent/kafka/ledger"
)

var (
	errRevoked = errors.New("partitions revoked")
	errChanged = errors.New("topics changed")
)

// generation is the time between two rebalances, in which this member owns the
// partitions and only its commits are accepted for them.
type generation struct {
	src        *Source
	cluster    *cluster
	member     member
	partitions []ledger.Place
	memory     *budget
	log        zerolog.Logger
}

func newGeneration(s *Source, cl *cluster, gen *kafka.Generation) *generation {
	g := &generation{
		src: s, cluster: cl, memory: newBudget(memoryBudget),
		member: member{id: gen.MemberID, generation: gen.ID},
		log:    s.log.With().Str("group", gen.GroupID).Int32("generation", gen.ID).Logger(),
	}
	for _, topic := range s.cfg.topics() {
		for _, a := range gen.Assignments[topic] {
			g.partitions = append(g.partitions, ledger.Place{Topic: topic, Partition: a.ID})
		}
	}
	return g
}

// run works on the generation's partitions until the process is to stop (ctx)
// or the generation ends (genCtx), and then drains: what was started finishes
// and is committed, while heartbeats keep the partitions.
func (g *generation) run(ctx, genCtx context.Context) {
	g.log.Info().Any("partitions", g.partitions).Msg("partitions assigned")
	work, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	defer context.AfterFunc(genCtx, func() { stop(errRevoked) })()

	// Heartbeats go on until the last commit is made; kafka-go's own end with genCtx.
	alive, dead := context.WithCancel(context.WithoutCancel(ctx))
	var beats sync.WaitGroup
	beats.Go(func() { g.beat(alive, genCtx, stop) })
	defer beats.Wait()
	defer dead()

	trackers := g.takeOver(work)
	if trackers == nil {
		return
	}
	g.src.enter(g.member.generation, trackers)
	defer g.src.enter(0, nil)
	g.serve(work, stop, trackers)
	g.log.Info().AnErr("cause", context.Cause(work)).Msg("partitions drained")
}

// takeOver finds where each partition stands, or returns nil when work ends.
func (g *generation) takeOver(work context.Context) map[ledger.Place]*ledger.Tracker {
	for delay := commitRetryMin; work.Err() == nil; delay = min(2*delay, commitRetryMax) {
		trackers, err := g.positions(work)
		if err == nil {
			return trackers
		}
		if work.Err() == nil {
			g.log.Warn().Err(err).Dur("retry_in_ms", delay).Msg("offsets of partitions not read")
		}
		sleep(work, delay)
	}
	return nil
}

func (g *generation) positions(ctx context.Context) (map[ledger.Place]*ledger.Tracker, error) {
	committed, err := g.cluster.committed(ctx)
	if err != nil {
		return nil, err
	}
	logs, err := g.cluster.logBounds(ctx, g.partitions)
	if err != nil {
		return nil, err
	}
	// If the group has committed offsets of a topic, a partition without one was
	// added later: to begin at its end would skip what was produced before the group
	// noticed it.
	begun, trackers := map[string]bool{}, map[ledger.Place]*ledger.Tracker{}
	for p := range committed {
		begun[p.Topic] = true
	}
	for _, p := range g.partitions {
		cm, ok := committed[p]
		if !ok {
			cm.Offset = -1
		}
		trackers[p] = resume(p, cm, logs[p], g.src.cfg.resetToEnd() && !begun[p.Topic], g.partitionLog(p))
	}
	return trackers, nil
}

func (g *generation) partitionLog(p ledger.Place) zerolog.Logger {
	return g.log.With().Str("topic", p.Topic).Int("partition", p.Partition).Logger()
}

// serve runs the workers until work ends and all of them have drained, then
// makes the last commit.
func (g *generation) serve(work context.Context, stop context.CancelCauseFunc, trackers map[ledger.Place]*ledger.Tracker) {
	c := newCommitter(trackers, g.src.metrics.Commits, g.log, func(ctx context.Context, commits map[ledger.Place]ledger.Commit) error {
		return g.cluster.commit(ctx, g.member, commits)
	})
	c.settled() // commits positions that differ from what is committed, before anything is read

	committing, done := context.WithCancel(context.WithoutCancel(work))
	var others sync.WaitGroup
	others.Go(func() {
		if err := c.run(committing); err != nil {
			stop(err) // fenced: nothing more may start
		}
	})
	others.Go(func() { g.watch(work, stop, trackers) })

	var workers sync.WaitGroup
	for _, p := range g.partitions {
		w := g.worker(p, trackers[p], c, stop)
		workers.Go(func() { w.run(work) })
	}
	workers.Wait()
	<-work.Done() // a member without partitions waits for a change
	done()
	others.Wait()
	g.src.metrics.Lag.Reset()

	last, cancel := context.WithTimeout(context.WithoutCancel(work), leaveTimeout)
	defer cancel()
	if err := c.flush(last); err != nil {
		// The next owner sees these events again and finds in the last ledger, or
		// at Port, that they are done.
		g.log.Warn().Err(err).Msg("last commit not accepted")
	}
}

func (g *generation) worker(p ledger.Place, t *ledger.Tracker, c *committer, lost func(error)) *worker {
	return &worker{
		place: p, changeLog: p.Topic == g.src.cfg.ChangeLogTopic, tracker: t, committer: c, lost: lost,
		marks: g.src.cfg.Delivery == exactlyOnce, handle: g.src.handle, events: g.src.metrics.Events, log: g.partitionLog(p),
		memory: &share{budget: g.memory, full: t.Full}, fetch: g.cluster.fetch,
	}
}

// beat sends heartbeats from the end of genCtx until alive ends.
func (g *generation) beat(alive, genCtx context.Context, stop context.CancelCauseFunc) {
	select {
	case <-genCtx.Done():
	case <-alive.Done():
		return
	}
	for alive.Err() == nil {
		if err := g.cluster.heartbeat(alive, g.member); errors.Is(err, errFenced) {
			stop(err)
			return
		}
		sleep(alive, g.src.cfg.sessionTimeout()/heartbeatDivisor)
	}
}
