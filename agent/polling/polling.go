// Package polling is the agent's other source of events: where Kafka is
// blocked it claims runs of Port's API, and hands them to the agent like
// records of a topic.
//
// It knows nothing of mappings and backends, and of Port's API only what
// claims and acks are. Only cmd imports it.
//
// A claim keeps a run from other agents for a while; an ack makes it this
// agent's for good. The ack stands where Kafka has the started mark: between
// the decision to send a run's request and its first byte. So a run that this
// agent cannot start, because it stops or because no rule is for the run,
// goes to another agent when the claim ends.
package polling

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"port-agent/agent"
	"port-agent/agent/port"
)

const (
	// topic stands for the source in metrics and logs.
	topic = "polling"
	// pace is the least time between polls for a few free places: each costs
	// two of the calls that Port allows the organisation.
	pace = time.Second
	// nodeRest is how long no node runs are claimed after Port has refused to
	// give any, as it does where the organisation has no workflows.
	nodeRest = 10 * time.Minute
)

// Handler takes one event to its end. A nil error means that the event is
// settled. It is called in a goroutine of its own for every event.
type Handler func(ctx context.Context, ev *agent.Event) error

// API is what polling needs of Port; *port.Client has it.
type API interface {
	Claim(ctx context.Context, limit int, nodes bool) ([]port.Claimed, error)
	Ack(ctx context.Context, run string) (bool, error)
	ActiveRuns(ctx context.Context) ([]port.Claimed, error)
	RunLog(ctx context.Context, run string) ([]string, error)
	Report(ctx context.Context, run string, rep agent.Report) error
}

var _ API = (*port.Client)(nil)

// Poller claims runs and hands them to the agent.
type Poller struct {
	cfg     Config
	api     API
	handle  Handler
	metrics *agent.Metrics
	log     zerolog.Logger

	load      *load
	looking   atomic.Bool // for runs of an earlier agent; meanwhile claimed keeps
	claimed   sync.Map    // the ids of those that this process has claimed
	claims    atomic.Int64
	connected atomic.Bool

	// Of the goroutine of Run alone.
	places     agent.Sequence
	failing    failure
	ever       bool // a poll has succeeded
	nodesFirst bool
	noNodes    time.Time // no node runs are claimed before
}

// New makes a poller. It makes no calls.
func New(cfg Config, api API, handle Handler, m *agent.Metrics, log zerolog.Logger) (*Poller, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Window < 1 {
		return nil, fmt.Errorf("a window of %d runs", cfg.Window)
	}
	if cfg.Instance == "" {
		cfg.Instance, _ = os.Hostname() // unknown: no name in a log, and nothing taken up by it
	}
	m.PresetTopic(topic)
	return &Poller{cfg: cfg, api: api, handle: handle, metrics: m, log: log, load: newLoad(cfg.Window)}, nil
}

// Ready reports whether the last poll succeeded.
func (p *Poller) Ready() bool { return p.connected.Load() }

// Run polls until ctx ends, waits for the runs it has begun, and returns nil.
// It returns an error where Port refuses the credentials before the first poll
// has succeeded, and where polling has failed for longer than
// POLLING_MAX_FAILURE_DURATION_SECONDS.
func (p *Poller) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait() // last: those that are not started end with ctx
	defer cancel()
	defer p.setConnected(false)
	p.log.Info().Str("instance", p.cfg.Instance).
		Msg("polling started; port sends no encrypted inputs and no organisation secrets this way")
	p.looking.Store(true)
	running.Go(func() { p.takeUp(ctx, &running) })
	for {
		room, err := p.load.room(ctx, p.cfg.BatchSize)
		if err != nil {
			return nil
		}
		n, err := p.poll(ctx, room, &running)
		wait := seconds(p.cfg.Interval)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			if wait, err = p.failed(err); err != nil {
				return err
			}
		case n >= room:
			continue
		}
		if agent.Pause(ctx, wait) != nil {
			return nil
		}
	}
}

// failed decides how long to wait after a poll that failed.
func (p *Poller) failed(err error) (time.Duration, error) {
	if !p.ever && errors.Is(err, port.ErrCredentials) {
		return 0, err
	}
	p.setConnected(false)
	wait, ok := p.failing.next(p.cfg)
	if !ok {
		return 0, fmt.Errorf("polling has failed for more than POLLING_MAX_FAILURE_DURATION_SECONDS (%v): %w", p.cfg.MaxFailure, err)
	}
	p.log.Warn().Err(err).Int64("retry_in_ms", wait.Milliseconds()).Msg("poll failed")
	return wait, nil
}

// poll claims up to room runs of both kinds and begins them. The kind that is
// asked second gets what the first leaves; where that is nothing, it is the
// first of the next poll.
func (p *Poller) poll(ctx context.Context, room int, running *sync.WaitGroup) (int, error) {
	nodes := p.nodesFirst
	n, err := p.claim(ctx, room, nodes, running)
	if err != nil {
		return n, err
	}
	p.nodesFirst = n >= room && !nodes
	if n < room {
		more, err := p.claim(ctx, room-n, !nodes, running)
		if n += more; err != nil {
			return n, err
		}
	}
	p.failing, p.ever = failure{}, true
	p.setConnected(true)
	return n, nil
}

// claim claims up to limit runs of one kind and begins them.
func (p *Poller) claim(ctx context.Context, limit int, nodes bool, running *sync.WaitGroup) (int, error) {
	if nodes && time.Now().Before(p.noNodes) {
		return 0, nil
	}
	runs, err := p.api.Claim(ctx, limit, nodes)
	if nodes && p.refusedNodes(err) {
		return 0, nil
	}
	if len(runs) > 0 {
		p.log.Debug().Int("runs", len(runs)).Bool("node_runs", nodes).Msg("runs claimed")
	}
	for _, r := range runs {
		p.begin(ctx, r, running)
	}
	return len(runs), err
}

// refusedNodes reports whether Port gives this organisation no node runs.
func (p *Poller) refusedNodes(err error) bool {
	refusal, ok := errors.AsType[*port.CallError](err)
	if !ok || errors.Is(err, port.ErrCredentials) {
		return false
	}
	switch refusal.Status {
	case http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusUnprocessableEntity:
	default:
		return false
	}
	if p.noNodes.IsZero() {
		p.log.Warn().Err(err).Msg("workflow node runs not available, polling for action runs alone")
	}
	p.noNodes = time.Now().Add(nodeRest)
	return true
}

// begin works on a claimed run beside the others.
func (p *Poller) begin(ctx context.Context, r port.Claimed, running *sync.WaitGroup) {
	if r.ID == "" {
		p.log.Warn().Msg("claimed run has no id, skipped")
		return
	}
	if !p.load.add(r.ID) {
		return // its claim has ended while it waited here, and it was claimed once more
	}
	if p.looking.Load() {
		p.claimed.Store(r.ID, nil)
	}
	p.work(ctx, p.ticket(r), p.places.Next(), running)
}

// ticket makes the ticket of a run.
func (p *Poller) ticket(r port.Claimed) *ticket {
	t := &ticket{api: p.api, run: r, claimed: time.Now(), log: p.log.With().Str("run", r.ID).Logger()}
	t.release = sync.OnceFunc(func() { p.load.done(r.ID) })
	return t
}

// work hands a run to the agent, in a goroutine of its own.
func (p *Poller) work(ctx context.Context, t *ticket, place agent.Place, running *sync.WaitGroup) {
	record, err := record(t.run)
	running.Go(func() {
		defer t.release()
		if err != nil {
			place.Wait()
			place.Done()
			t.refuse(ctx, err)
			return
		}
		ev := &agent.Event{
			Topic: topic, Offset: p.claims.Add(1) - 1, Time: t.claimed, Record: record,
			Trusted: true, Interrupted: t.taken, Owner: p.cfg.Instance, Place: place, Ledger: t,
		}
		if err := p.handle(ctx, ev); err != nil {
			t.left(ctx, err)
		}
	})
}

func (p *Poller) setConnected(yes bool) {
	if before := p.connected.Swap(yes); yes && !before {
		p.log.Info().Msg("polling connected")
	}
	p.metrics.SourceConnected.Set(0)
	if yes {
		p.metrics.SourceConnected.Set(1)
	}
}
