package agent

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"port-agent/agent/activity"
	"port-agent/agent/event"
	"port-agent/invoker"
	"port-agent/transform"
)

// Why an event is not carried out, beside event.ErrMalformed, event.ErrSignature and
// transform.ErrNoRule.
var (
	errOversized = errors.New("larger than MAX_EVENT_BYTES")
	errNotOurs   = errors.New("not for the agent")
	errReplayed  = errors.New("this run was carried out before")
	errSettled   = errors.New("settled before by this process")
	errUnvouched = errors.New("it may have been carried out before, and ON_UNVOUCHED says skip")
	errExpired   = errors.New("older than MAX_EVENT_AGE_SECONDS")
)

// prepare takes an event through the rooms before its turn: decode, verify,
// match, build. A nil job means that the event is dropped, and the error says
// why. What is wrong with an event that is for this agent and genuine is the
// job's own error: its run fails.
func (a *Agent) prepare(ctx context.Context, ev *Event) (*job, error) {
	msg, err := a.decode(ev)
	if err != nil {
		return nil, err
	}
	if err := a.verify(ev, msg); err != nil {
		return nil, err
	}
	// What is prepared is bounded in time by itself; the end of ctx must not look
	// like a fault of the event.
	ctx = context.WithoutCancel(ctx)
	j := a.newJob(ev, msg)
	err = a.match(ctx, j, msg.Root)
	// A run that was started has to end, though the mapping has lost its rule.
	if errors.Is(err, transform.ErrNoRule) && (j.run == "" || a.cfg.OnNoMatch != "fail" && !ev.Interrupted) {
		j.work.Leave()
		return nil, err
	}
	if ev.ChangeLog && !ev.Vouched && !ev.Interrupted && a.cfg.OnUnvouched == "skip" {
		j.work.Leave()
		return nil, errUnvouched // there is no run to ask Port about
	}
	if j.err = err; err == nil {
		j.err = a.build(ctx, j, msg)
	}
	return j, nil
}

// decode reads the record of ev and decides whether it is one for an agent.
func (a *Agent) decode(ev *Event) (*event.Message, error) {
	if len(ev.Record) > a.cfg.MaxEventBytes {
		return nil, fmt.Errorf("%w: %d bytes", errOversized, len(ev.Record))
	}
	msg, err := event.Decode(ev.Record)
	if err != nil {
		return nil, err
	}
	// Which key holds the invocation method follows from the topic, never from
	// the record: a record of the runs topic cannot dodge the check by posing as
	// a change.
	switch {
	case ev.ChangeLog:
		msg.Method, msg.Run = msg.Destination, ""
	case msg.Destination.Agent && !msg.Method.Agent:
		return nil, fmt.Errorf("%w: a record of the runs topic that poses as a change", event.ErrSignature)
	}
	if !msg.Method.Agent {
		return nil, errNotOurs
	}
	ev.Record = nil // the message holds what is needed of it
	return msg, nil
}

// verify decides whether a decoded event is genuine, and not too old.
func (a *Agent) verify(ev *Event, msg *event.Message) error {
	unsigned := ev.ChangeLog || ev.Trusted
	if !unsigned {
		if err := event.Verify(a.signer, msg); err != nil {
			return err
		}
	}
	ev.run = msg.Run
	if unsigned {
		return nil
	}
	return a.checkAge(msg.Timestamp)
}

// checkAge refuses timestamps older than MAX_EVENT_AGE_SECONDS.
func (a *Agent) checkAge(timestamp string) error {
	if a.cfg.MaxEventAgeSeconds == 0 {
		return nil
	}
	at := signedAt(timestamp)
	if at.IsZero() {
		return fmt.Errorf("%w: the timestamp is not a number", errExpired)
	}
	if age := time.Since(at); age.Seconds() > a.cfg.MaxEventAgeSeconds {
		return fmt.Errorf("%w: %.0f s", errExpired, age.Seconds())
	}
	return nil
}

// signedAt reads Port's timestamp: seconds since 1970; milliseconds are told
// by their size. It returns the zero time for what is neither.
func signedAt(timestamp string) time.Time {
	n, err := strconv.ParseFloat(timestamp, 64)
	if n > 1e11 {
		n /= 1000
	}
	if err != nil || !(n >= 0 && n < 1e11) {
		return time.Time{}
	}
	return time.UnixMilli(int64(n * 1000))
}

func (a *Agent) newJob(ev *Event, msg *event.Message) *job {
	j := &job{ev: ev, body: msg.Body, run: msg.Run, sync: msg.Method.Synchronized, kind: msg.Method.Type, key: a.orderKey(ev, msg),
		signed: signedAt(msg.Timestamp), trace: traceOf(msg, ev.Key(msg.Run)), noFollow: msg.Method.NoFollow,
		redactor: a.Redactor, log: a.log, runLog: runLog{reporter: a.Reporter, run: msg.Run}, memory: share{budget: a.answers}}
	if j.sync {
		j.kind += ", synchronized"
	}
	action, _ := msg.Root["action"].(string)
	j.work = a.Activity.Begin(activity.Event{Topic: ev.Topic, Partition: ev.Partition, Offset: ev.Offset, Run: j.run, Action: action, Arrived: ev.Time})
	return j
}

// orderKey names what ev must not overtake.
func (a *Agent) orderKey(ev *Event, msg *event.Message) string {
	if a.cfg.OrderBy == "partition" {
		return "partition/" + ev.Topic + "/" + strconv.Itoa(ev.Partition)
	}
	if msg.Entity == "" {
		return ""
	}
	return "entity/" + msg.Blueprint + "/" + msg.Entity
}

// match picks the rule of the event, and the order key that the rule gives.
func (a *Agent) match(ctx context.Context, j *job, root map[string]any) error {
	rule, err := a.Mapping().Match(ctx, root)
	if err != nil {
		if err != transform.ErrNoRule { // it tells of rules whose enabled failed
			a.countMappingError("enabled")
		}
		return err
	}
	j.rule, j.label = rule, rule.Label()
	j.work.Matched(j.label)
	a.Metrics.RuleMatches.WithLabelValues(j.label).Inc()
	if a.cfg.OrderBy == "entity" {
		a.orderByRule(ctx, j, root)
	}
	return nil
}

// orderByRule lets the rule name what the event must not overtake. Where that
// fails it stays ordered by its entity.
func (a *Agent) orderByRule(ctx context.Context, j *job, root map[string]any) {
	key, set, err := j.rule.OrderKey(ctx, root)
	if bad, ok := errors.AsType[*transform.ExprError](err); ok {
		a.mappingFailed(j, transform.Warning{Field: bad.Field, Expr: bad.Expr, Err: err, Message: bad.Field + " failed: " + bad.Err.Error()})
	}
	if set {
		j.key = "rule/" + key
	}
}

// build makes the request of the event. The job keeps the event's text alone:
// the tree is ten times as large.
func (a *Agent) build(ctx context.Context, j *job, msg *event.Message) error {
	decrypted, secrets, err := event.Decrypt(a.Secret.Reveal(), msg.Root, j.rule.DecryptPaths)
	if err != nil {
		return err
	}
	a.conceal(j, secrets)
	method := msg.Method
	if len(secrets) > 0 { // some may be in the method
		method = event.MethodOf(decrypted, j.ev.ChangeLog)
	}
	target, err := a.target(ctx, j, decrypted, method, len(secrets) > 0)
	if err != nil {
		return err
	}
	if j.req, err = a.Invoker.Build(target); err != nil {
		return fmt.Errorf("build request: %w", err)
	}
	j.backend, j.host = j.req.Backend, j.req.Host()
	j.trace.addTo(j.req)
	a.conceal(j, j.req.Secrets())
	j.work.For(j.req.Backend, j.redactor.String(j.req.Host()))
	return nil
}

// target returns what the request of an event is made of, root the event with
// its decrypted fields and method the one in it. On an error it holds what the
// rule gives all the same.
func (a *Agent) target(ctx context.Context, j *job, root map[string]any, method invoker.Method, decrypted bool) (invoker.Target, error) {
	r, warnings, err := j.rule.Request(ctx, root)
	for _, w := range warnings {
		a.mappingFailed(j, w)
	}
	if err != nil {
		if expr, ok := errors.AsType[*transform.ExprError](err); ok {
			a.countMappingError(expr.Field)
		}
		err = fmt.Errorf("map request: %w", err)
	}
	return invoker.Target{
		Key: j.ev.Key(j.run), Event: j.body, Root: root, Method: method, Decrypted: decrypted, Conceal: j.redactor.String,
		Rule: invoker.Override{Backend: j.rule.Backend, URL: r.URL, Method: r.Method, Headers: r.Headers, Query: r.Query,
			Body: r.Body, HasBody: r.HasBody, Timeout: j.rule.Timeout},
		NeedBody: j.sync || j.rule.HasReport() || j.rule.Follow != nil,
	}, err
}

// mappingFailed says that an expression gave nothing where the mapping can do
// without.
func (a *Agent) mappingFailed(j *job, w transform.Warning) {
	j.warnings = append(j.warnings, w)
	if w.Err == nil {
		return
	}
	a.countMappingError(w.Field)
	j.about(j.log.Warn()).Str("field", w.Field).Err(w.Err).Msg("expression failed")
	j.runLog.note(LevelWarn, j.redactor.String("Mapping: "+w.Message))
}

// countMappingError counts by the rule's field; which member of it failed is
// in the log.
func (a *Agent) countMappingError(field string) {
	if i := strings.IndexAny(field, ".["); i > 0 {
		field = field[:i]
	}
	a.Metrics.MappingErrors.WithLabelValues(field).Inc()
}

// conceal keeps secrets out of the event's lines in the log and out of its
// reports. Those of other events do not know them.
func (a *Agent) conceal(j *job, secrets []string) {
	if run := j.redactor.Run(secrets...); run != j.redactor {
		j.redactor, j.log = run, a.log.Output(run.Writer(a.LogOutput))
	}
}
