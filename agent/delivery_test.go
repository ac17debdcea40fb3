package agent

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"port-agent/invoker"
	"port-agent/invoker/wire"
)

// TestDelivery lets owners follow one another at random moments while the
// backend, Port and the network misbehave, and holds what the agent promises:
// every run ends, none is carried out twice unless that does no harm, events
// of an entity are carried out in order, and a drain takes no longer than it
// may.
func TestDelivery(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) { newDelivery(t, seed).run() })
		})
	}
}

// delivery is the world around the agents: what Port knows, what the backend
// has done, and what is on record of each event.
type delivery struct {
	t    *testing.T
	rnd  *dice
	runs []*delivered

	mu     sync.Mutex
	byRun  map[string]*delivered
	last   map[string]int // by entity, the number of the event that was sent last
	faulty bool           // Port loses and hangs
}

// delivered is one event of it.
type delivered struct {
	n           int
	run, entity string
	put, sync   bool
	record      []byte
	ledger      *fakeLedger
	settled     bool

	carriedOut int  // times that the backend has, or may have, done the work
	reached    bool // bytes of a request came to the backend
	accepted   bool
	status     string // at Port
	endedBy    any    // the generation that has told it
	summary    string
	log        []string
}

const deliveredEvents = 90

func newDelivery(t *testing.T, seed uint64) *delivery {
	d := &delivery{t: t, rnd: &dice{r: rand.New(rand.NewPCG(seed, 3))}, byRun: map[string]*delivered{}, last: map[string]int{}, faulty: true}
	for n := range deliveredEvents {
		e := &delivered{
			n: n, run: fmt.Sprintf("r_%d", n), entity: fmt.Sprintf("e%d", d.rnd.n(12)), put: d.rnd.n(4) == 0, sync: d.rnd.n(2) == 0,
			ledger: new(fakeLedger),
		}
		members := []any{"context.entity", e.entity, synchronized, e.sync, "payload.action.invocationMethod.url", fmt.Sprintf("https://host%d/hook", n%4)}
		if e.put {
			members = append(members, "payload.action.invocationMethod.method", "PUT")
		}
		e.record = runEvent(t, e.run, members...).Record
		d.runs, d.byRun[e.run] = append(d.runs, e), e
	}
	return d
}

func (d *delivery) run() {
	var f *fixture
	for generation := 0; ; generation++ {
		if f == nil || d.rnd.n(2) == 0 { // a new process, or the same one after a rebalance
			f = d.agent()
		}
		d.mu.Lock()
		d.faulty = generation < 5
		d.mu.Unlock()
		if d.generation(f, generation < 5) == 0 {
			break
		}
		if generation > 10 {
			d.t.Fatal("events are left for ever")
		}
	}
	d.check()
}

func (d *delivery) agent() *fixture {
	f := newFixture(d.t, builtIn, func(c *Config) { c.MaxInFlight, c.MaxInFlightPerHost = 16, 6 })
	f.backend.do = d.answer
	f.port.onLog, f.port.onReport, f.port.onLookup = d.takeLog, d.takeReport, d.lookup
	return f
}

// generationKey is for the generation that a call to Port is of.
type generationKey struct{}

// generation hands all unsettled events to f, as three partitions, and gives
// how many are left.
func (d *delivery) generation(f *fixture, ends bool) int {
	ctx, cancel := context.WithCancelCause(context.WithValue(d.t.Context(), generationKey{}, new(int)))
	defer cancel(nil)
	ended := make(chan time.Time, 1)
	if ends {
		time.AfterFunc(d.rnd.upTo(20*time.Second), func() {
			ended <- time.Now()
			cancel(errDrain)
		})
	}
	var places [3]Sequence
	var all sync.WaitGroup
	for _, e := range d.runs {
		if e.settled {
			continue
		}
		p := int(e.entity[1]) % 3
		ev := &Event{
			Topic: runsTopic, Partition: p, Offset: int64(e.n), Time: time.Now(), Record: append([]byte(nil), e.record...),
			Interrupted: e.ledger.marked(), Place: places[p].Next(), Ledger: e.ledger,
		}
		all.Go(func() {
			err := f.Handle(ctx, ev)
			e.settled = err == nil
			if err != nil && ctx.Err() == nil {
				d.t.Errorf("%s was left without reason: %v", e.run, err)
			}
		})
	}
	all.Wait()
	select {
	case at := <-ended:
		if took := time.Since(at); took > f.cfg.DrainTimeout {
			d.t.Errorf("the drain took %s, want at most %s", took, f.cfg.DrainTimeout)
		}
	default:
	}
	synctest.Wait()
	if f.slots.idle() != 16 || len(f.slots.hosts) != 0 || len(f.order.last) != 0 {
		d.t.Errorf("left over: %d free slots of 16, %d hosts, %d lines", f.slots.idle(), len(f.slots.hosts), len(f.order.last))
	}
	left := 0
	for _, e := range d.runs {
		if !e.settled {
			left++
		}
	}
	return left
}

// answer is the backend.
func (d *delivery) answer(ctx context.Context, req *invoker.Request) (*invoker.Response, error) {
	e := d.byRun[req.Header.Get("X-Port-Run-Id")]
	d.mu.Lock()
	if d.last[e.entity] > e.n && !e.put {
		d.t.Errorf("%s of %s was sent after event %d", e.run, e.entity, d.last[e.entity])
	}
	if !e.put {
		d.last[e.entity] = e.n
	}
	d.mu.Unlock()
	kind := d.rnd.n(10)
	if kind == 0 {
		return fails(false, false)(ctx, req)
	}
	d.mu.Lock()
	e.reached = true
	d.mu.Unlock()
	carryOut := func() {
		d.mu.Lock()
		e.carriedOut++
		d.mu.Unlock()
	}
	if err := Pause(ctx, d.rnd.upTo(15*time.Second)); err != nil {
		carryOut() // for all that the agent can know
		return nil, &wire.Error{Endpoint: req.Endpoint(), Sent: true, Err: err}
	}
	switch kind {
	case 1:
		return says(503, "busy", d.rnd.upTo(5*time.Second))(ctx, req)
	case 2:
		carryOut()
		return says(500, "boom", 0)(ctx, req)
	case 3:
		carryOut()
		return fails(true, false)(ctx, req)
	}
	carryOut()
	d.mu.Lock()
	e.accepted = true
	d.mu.Unlock()
	return accepts(200, `{}`)(ctx, req)
}

func (d *delivery) trouble(n int) bool {
	d.mu.Lock()
	faulty := d.faulty
	d.mu.Unlock()
	return d.rnd.n(n) == 0 && faulty
}

// takeLog is Port's log of a run. A line that an owner has left on its way when a
// run went to the next one may come too late; none comes behind the status that
// its own owner has told.
func (d *delivery) takeLog(ctx context.Context, run string, lines []LogLine) error {
	if err := Pause(ctx, d.rnd.upTo(2*time.Second)); err != nil || d.trouble(8) {
		return errNetwork
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.byRun[run]
	if e.status != "" {
		if e.endedBy == ctx.Value(generationKey{}) {
			d.t.Errorf("%s: %q came after its status", run, lines)
		}
		return ErrRunEnded
	}
	for _, l := range lines {
		e.log = append(e.log, l.Message)
	}
	return nil
}

func (d *delivery) takeReport(ctx context.Context, run string, rep Report) error {
	wait := d.rnd.upTo(2 * time.Second)
	if d.trouble(8) {
		wait = time.Hour
	}
	if err := Pause(ctx, wait); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.byRun[run]
	if e.status != "" && rep.Status != "" {
		d.t.Errorf("%s had ended with %s and is told %s", run, e.status, rep.Status)
	}
	if rep.Status != "" {
		e.status, e.summary, e.endedBy = rep.Status, rep.Summary, ctx.Value(generationKey{})
	}
	return nil
}

func (d *delivery) lookup(ctx context.Context, run string) (RunState, error) {
	if err := Pause(ctx, d.rnd.upTo(time.Second)); err != nil {
		return RunState{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.byRun[run]
	return RunState{Status: e.status, Ended: e.status != "", Logs: append([]string(nil), e.log...)}, nil
}

func (d *delivery) check() {
	ends := map[string]int{}
	for _, e := range d.runs {
		switch {
		case e.carriedOut > 1 && !e.put:
			d.t.Errorf("%s was carried out %d times", e.run, e.carriedOut)
		case e.status == "" && (e.sync || !e.accepted):
			d.t.Errorf("%s has no status; log %q", e.run, e.log)
		case strings.Contains(e.summary, "in flight") && !e.reached:
			d.t.Errorf("%s was never sent and is told: %s", e.run, e.summary)
		case e.status == StatusSuccess && !e.accepted:
			d.t.Errorf("%s is told a success that it was not", e.run)
		}
		ends[e.status]++
	}
	if ends[""] == 0 || ends[StatusSuccess] == 0 || ends[StatusFailure] == 0 {
		d.t.Errorf("got endings %v, want some of each: the test tells little", ends)
	}
}

// dice are for many goroutines.
type dice struct {
	mu sync.Mutex
	r  *rand.Rand
}

func (d *dice) n(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.IntN(n)
}

func (d *dice) upTo(t time.Duration) time.Duration { return time.Duration(1 + d.n(int(t))) }
