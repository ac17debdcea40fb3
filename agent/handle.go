package agent

import (
	"context"
	"errors"

	"github.com/rs/zerolog"

	"port-agent/invoker"
	"port-agent/transform"
)

// job is an event that is for this agent, on its way through the pipeline.
type job struct {
	ev   *Event
	msg  *Message
	run  string // empty: there is no run to report to
	sync bool   // the run waits for the backend's answer
	rule *transform.Rule
	req  *invoker.Request
	err  error // why there is no request, or no rule
	key  string

	notes   []string // expressions that failed without harm, for the run's log
	slow    bool     // the run's log says that the request is under way
	secrets []func() // make the redactor forget this event's secrets
	log     zerolog.Logger
	runLog  *runLog
}

// forget ends the life of the event's secrets.
func (j *job) forget() {
	for _, remove := range j.secrets {
		remove()
	}
}

// Handle takes ev through the pipeline. A nil error means that the event is
// settled and its offset may be committed, which includes an event that was
// dropped and a run that failed and was reported as failed. Any other error
// means that the event is left to its next owner; that happens only when ctx
// has ended.
//
// An event that was started is finished: the end of ctx, which is shutdown or a
// rebalance, stops Handle only before the first byte of a request has left,
// because an invocation that is abandoned half way would be made a second time
// or never be reported. What was started has the drain time to end.
func (a *Agent) Handle(ctx context.Context, ev *Event) error {
	defer a.Metrics.unsettled.add(ev.Time)()
	j, err := a.prepare(ctx, ev)
	ev.Place.Wait() // also for an event that is dropped: a place is done after all before it
	if j == nil {
		ev.Place.Done()
		return a.drop(ev, err)
	}
	defer j.forget()
	turn := a.order.join(j.key)
	ev.Place.Done()
	defer turn.leave()

	if j.run != "" && !a.recent.claim(j.run) {
		return a.drop(ev, errReplayed)
	}
	if err := a.carryOut(ctx, j, turn); err != nil {
		a.recent.release(j.run)
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
	if j.ev.Interrupted && j.err == nil {
		again, err := a.resolveInterrupted(ctx, j)
		if err != nil || !again {
			return err
		}
	}
	out := outcome{err: j.err}
	if j.err == nil {
		var err error
		if out, err = a.invoke(ctx, j); err != nil {
			return err
		}
	}
	turn.leave() // the backend is done with it; the report need not delay the entity's next event
	return a.report(ctx, j, out)
}

// drop settles an event that is not carried out, and says why.
func (a *Agent) drop(ev *Event, why error) error {
	kind := dropped(why)
	a.Metrics.Events.WithLabelValues(ev.Topic, kind).Inc()
	line := a.log.Warn()
	if kind == EventNotOurs || why == transform.ErrNoRule { // one that wraps it tells of rules that failed
		line = a.log.Debug()
	}
	line.Str("topic", ev.Topic).Int("partition", ev.Partition).Int64("offset", ev.Offset).
		Str("reason", kind).Err(why).Msg("event dropped")
	return nil
}

// dropped is the outcome of an event that is dropped because of why.
func dropped(why error) string {
	switch {
	case errors.Is(why, errNotOurs):
		return EventNotOurs
	case errors.Is(why, transform.ErrNoRule):
		return EventNoRule
	case errors.Is(why, ErrSignature):
		return EventUnsigned
	case errors.Is(why, errReplayed):
		return EventReplayed
	case errors.Is(why, errExpired):
		return EventExpired
	case errors.Is(why, errOversized):
		return EventOversized
	}
	return EventMalformed
}
