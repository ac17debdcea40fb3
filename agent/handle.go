package agent

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"port-agent/agent/activity"
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
	notes    []string            // what went wrong without harm, for the run's log
	warnings []transform.Warning // the same, and expressions that gave nothing
	root     map[string]any      // of an explanation, which does not wait
	recorded *Answer             // of an explanation
	begun    time.Time           // when the first attempt began
	started  bool                // a request may have been carried out: the event is ours to finish
	slow     bool                // the run's log says that the request is under way
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
	line = line.Str("topic", j.ev.Topic).Int("partition", j.ev.Partition).Int64("offset", j.ev.Offset)
	if j.run != "" {
		line = line.Str("run", j.run)
	}
	if j.trace.id != "" {
		line = line.Str("trace", j.trace.id)
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
	defer j.memory.release()
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

// carryOut takes a prepared event from its turn to its report.
func (a *Agent) carryOut(ctx context.Context, j *job, turn *turn) error {
	if err := turn.wait(ctx); err != nil {
		return err
	}
	grace := a.graces.after(ctx)
	out := outcome{err: j.err}
	var known past
	if j.run != "" && (j.ev.Interrupted || !j.vouched()) {
		j.work.At(activity.Asking, "")
		var err error
		if known, err = a.lookUp(ctx, j); err != nil {
			return err
		}
		if known.owed != nil {
			turn.leave()
			return a.send(grace.late, j, known.owed)
		}
		if !known.handle.IsZero() {
			turn.leave()
			return a.followOn(ctx, grace.late, j, known)
		}
		if known.unknown && !j.ev.Interrupted {
			out.err = errUnknown
		}
	}
	if j.ev.Interrupted {
		f, err := a.resolve(ctx, grace.late, j, turn, known, &out)
		if err != nil {
			return err
		}
		if f != nil {
			return f.run(ctx)
		}
	}
	if out.err != nil && j.ev.Trusted {
		// A claimed run is this agent's, its failure included, only once Port has
		// the ack.
		if err := j.ev.Ledger.Start(ctx); err != nil {
			return err
		}
	}
	if out.err == nil {
		if err := a.invoke(ctx, grace.finish, j, &out); err != nil {
			return err
		}
	}
	turn.leave() // the backend is done with it; the report need not delay the entity's next event
	f, err := a.report(grace.late, j, out)
	j.memory.release()
	if err != nil || f == nil {
		return err
	}
	return f.run(ctx)
}

// followOn follows a run that an earlier owner has followed.
func (a *Agent) followOn(ctx, late context.Context, j *job, past past) error {
	if !j.ev.Interrupted { // no ledger says so, or none of this group
		if err := j.ev.Ledger.Start(ctx); err != nil {
			return err
		}
	}
	if j.ev.Interrupted {
		a.Metrics.Interrupted.WithLabelValues("followed").Inc()
	}
	j.started = true
	f, err := a.resume(late, j, past.handle, past.state)
	if err != nil || f == nil {
		return err
	}
	return f.run(ctx)
}

// triggered is about when the run's pipeline was. A claimed event is not signed.
func (j *job) triggered(run RunState) time.Time {
	for _, at := range []time.Time{j.signed, run.Created} {
		if !at.IsZero() {
			return at
		}
	}
	return j.ev.Time
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
	log.WithLevel(level).Str("topic", ev.Topic).Int("partition", ev.Partition).Int64("offset", ev.Offset).
		Str("reason", kind).Err(why).Msg("event dropped")
	return nil
}

// drops are the outcomes of events that are dropped, by why they are.
var drops = []struct {
	why     error
	outcome string
}{
	{errNotOurs, EventNotOurs}, {transform.ErrNoRule, EventNoRule}, {ErrSignature, EventUnsigned}, {errReplayed, EventReplayed},
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
