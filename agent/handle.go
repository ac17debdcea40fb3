package agent

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"port-agent/agent/activity"
	"port-agent/agent/event"
	"port-agent/agent/redact"
	"port-agent/invoker"
	"port-agent/transform"
)

// job is an event that is for this agent, on its way through the pipeline.
type job struct {
	ev   *Event
	body []byte // the event as it was verified
	run  string // empty: there is no run to report to
	sync bool   // the run waits for the backend's answer
	kind string // of the run, see Report
	rule *transform.Rule
	req  *invoker.Request
	// backend and host are those of req, and stay when a followed run lets go
	// of it.
	backend, host string

	answer *invoker.Response // that a rule's follow looks at

	err error // why there is no request, or no rule
	key string

	trace    trace
	signed   time.Time // by Port; zero: unknown
	noFollow bool      // the invocation method rules following out

	work     *activity.Work      // the event on the status page
	label    string              // of the rule
	warnings []transform.Warning // what went wrong without harm, and expressions that gave nothing
	root     map[string]any      // of an explanation, which does not wait
	recorded *Answer             // of an explanation
	begun    time.Time           // when the first attempt began
	started  bool                // a request may have been carried out: the event is ours to finish
	slow     sync.Once           // the run's log says that the request is under way
	redactor *redact.Redactor    // of the process, and from its first secret on the run's own
	log      zerolog.Logger      // redacts with redactor
	runLog   runLog
	memory   share // of the answer, until its report is out
}

// young is for how long after its signing a vouched event is invoked without
// asking Port.
const young = 10 * time.Minute

// vouched reports whether it is known that the run was not carried out before:
// by the source's own records, for what was signed recently, or by Port's API
// itself.
func (j *job) vouched() bool {
	return j.ev.Trusted || j.ev.Vouched && time.Since(j.signed) < young
}

// about adds to a line of the agent's log which event it is about, and what is
// known of its way.
func (j *job) about(line *zerolog.Event) *zerolog.Event {
	line = line.Str("topic", j.ev.Topic).Int("partition", j.ev.Partition).Int64("offset", j.ev.Offset).Str("trace", j.trace.id)
	if j.run != "" {
		line = line.Str("run", j.run)
	}
	if j.rule != nil {
		line = line.Str("rule", j.label)
	}
	if j.backend != "" {
		line = line.Str("backend", j.backend).Str("host", j.host)
	}
	return line
}

// Handle takes ev through the pipeline. A nil error means that the event is
// settled and its offset may be committed, which includes an event that was
// dropped and a run that failed and was reported as failed. Any other error
// means that the event is left to its next owner, because ctx has ended or its
// ledger refused to have it started.
//
// An event that was started is finished: the end of ctx, which is shutdown or a
// rebalance, stops Handle only before the first byte of a request has left,
// because an invocation that is abandoned half way would be made a second time
// or never be reported. What was started has the drain time to end. What may be
// sent again, as the rule or the method says, need not end: it is left as well
// where it waits for another attempt or is cut off at the end of that time.
func (a *Agent) Handle(ctx context.Context, ev *Event) error {
	j, err := a.prepare(ctx, ev)
	ev.Place.Wait() // also for an event that is dropped: a place is done after all before it
	if j == nil {
		ev.Place.Done()
		return a.drop(ev, err)
	}
	defer j.work.Leave()
	j.work.At(activity.Ordered, "")
	turn := a.order.join(j.key)
	ev.Place.Done()
	defer turn.leave()
	if j.run != "" {
		if err := a.recent.claim(ctx, j.run, ev.seat()); err != nil {
			if errors.Is(err, errReplayed) || errors.Is(err, errSettled) {
				return a.drop(ev, err)
			}
			return err
		}
	}
	if err := a.carryOut(ctx, j, turn); err != nil {
		a.recent.release(j.run)
		j.about(j.log.Debug()).Err(err).Msg("event left")
		return err
	}
	if j.run != "" {
		a.recent.settle(j.run)
	}
	return nil
}

// carryOut takes a prepared event from its turn to its report, and follows the
// pipeline that it has triggered.
func (a *Agent) carryOut(ctx context.Context, j *job, turn *turn) error {
	if err := turn.wait(ctx); err != nil {
		return err
	}
	grace := a.graces.after(ctx)
	out := outcome{err: j.err}
	f, over, err := a.takeOver(ctx, grace.late, j, turn, &out)
	if err == nil && !over {
		f, err = a.work(ctx, grace, j, turn, out)
	}
	if err != nil || f == nil {
		return err
	}
	return f.run(ctx)
}

// work invokes the event, unless out says that its run has failed already, and
// reports how that ended. It returns the followed to run, if there is one.
func (a *Agent) work(ctx context.Context, grace grace, j *job, turn *turn, out outcome) (*followed, error) {
	defer j.memory.release()
	if out.err == nil {
		if err := a.invoke(ctx, grace.finish, j, &out); err != nil {
			return nil, err
		}
	} else if j.ev.Trusted {
		// A claimed run is this agent's, its failure included, only once Port has
		// the ack.
		if err := j.ev.Ledger.Start(ctx); err != nil {
			return nil, err
		}
	}
	turn.leave() // the backend is done with it; the report need not delay the entity's next event
	return a.report(grace.late, j, out)
}

// drop settles an event that is not carried out, and says why.
func (a *Agent) drop(ev *Event, why error) error {
	kind := dropped(why)
	a.Metrics.Events.WithLabelValues(ev.Topic, kind).Inc()
	if kind != EventNotOurs && kind != EventSettled && kind != EventNoRule {
		a.Activity.Fail(kind, "")
	}
	level := zerolog.WarnLevel
	if kind == EventNotOurs || kind == EventSettled || why == transform.ErrNoRule { // one that wraps it tells of rules that failed
		level = zerolog.DebugLevel
	}
	log := a.log.Sample(a.seldom[kind])
	line := log.WithLevel(level).Str("topic", ev.Topic).Int("partition", ev.Partition).Int64("offset", ev.Offset)
	if ev.run != "" {
		line = line.Str("run", ev.run)
	}
	line.Str("reason", kind).Err(why).Msg("event dropped")
	return nil
}

// drops are the outcomes of events that are dropped, by why they are.
var drops = []struct {
	why     error
	outcome string
}{
	{errNotOurs, EventNotOurs}, {transform.ErrNoRule, EventNoRule}, {event.ErrSignature, EventUnsigned}, {errReplayed, EventReplayed},
	{errSettled, EventSettled}, {errUnvouched, EventUnvouched}, {errExpired, EventExpired}, {errOversized, EventOversized},
}

func dropped(why error) string {
	for _, d := range drops {
		if errors.Is(why, d.why) {
			return d.outcome
		}
	}
	return EventMalformed
}
