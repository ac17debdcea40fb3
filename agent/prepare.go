package agent

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"port-agent/invoker"
	"port-agent/transform"
)

// Why an event is not carried out, beside ErrMalformed, ErrSignature and
// transform.ErrNoRule.
var (
	errOversized = errors.New("larger than MAX_EVENT_BYTES")
	errNotOurs   = errors.New("not for the agent")
	errReplayed  = errors.New("this run was carried out before")
	errExpired   = errors.New("older than MAX_EVENT_AGE_SECONDS")
)

// prepare does all that can be done for an event before its turn: it decodes
// and verifies it, finds its rule and builds its request. A nil job means that
// the event is dropped, and the error says why. What is wrong with an event
// that is for this agent and genuine is the job's own error: its run fails.
func (a *Agent) prepare(ctx context.Context, ev *Event) (*job, error) {
	msg, err := a.accept(ev)
	if err != nil {
		return nil, err
	}
	// What is prepared is bounded in time by itself; the end of ctx must not look
	// like a fault of the event.
	ctx = context.WithoutCancel(ctx)
	ev.Record = nil // the message holds what is needed of it
	j := a.newJob(ev, msg)
	root := msg.Root
	msg.Root = nil // the tree is ten times the text; an event that waits keeps the text alone
	j.rule, err = a.match(ctx, j, root)
	// A run that was started has to end, though the mapping has lost its rule.
	if errors.Is(err, transform.ErrNoRule) && (j.run == "" || a.cfg.OnNoMatch != "fail" && !ev.Interrupted) {
		return nil, err
	}
	if j.err = err; err == nil {
		j.err = a.build(ctx, j, root)
	}
	return j, nil
}

// accept decodes the record of ev and decides whether it is one for this
// agent, and genuine.
func (a *Agent) accept(ev *Event) (*Message, error) {
	if len(ev.Record) > a.cfg.MaxEventBytes {
		return nil, fmt.Errorf("%w: %d bytes", errOversized, len(ev.Record))
	}
	msg, err := Decode(ev.Record)
	if err != nil {
		return nil, err
	}
	// Which key holds the invocation method follows from the topic, never from
	// the record: a record of the runs topic cannot dodge the check by posing as
	// a change.
	if !forAgent(msg.Root, ev.ChangeLog) {
		if !ev.ChangeLog && forAgent(msg.Root, true) {
			return nil, fmt.Errorf("%w: a record of the runs topic that poses as a change", ErrSignature)
		}
		return nil, errNotOurs
	}
	if !ev.ChangeLog && !ev.Trusted {
		if err := Verify(a.signer, msg); err != nil {
			return nil, err
		}
		if err := a.checkAge(msg.Timestamp); err != nil {
			return nil, err
		}
	}
	return msg, nil
}

// checkAge refuses timestamps older than MAX_EVENT_AGE_SECONDS. Port's are
// seconds; milliseconds are told by their size.
func (a *Agent) checkAge(timestamp string) error {
	if a.cfg.MaxEventAgeSeconds == 0 {
		return nil
	}
	at, err := strconv.ParseFloat(timestamp, 64)
	if err != nil {
		return fmt.Errorf("%w: the timestamp is not a number", errExpired)
	}
	if at > 1e11 {
		at /= 1000
	}
	if age := float64(time.Now().Unix()) - at; !(age <= a.cfg.MaxEventAgeSeconds) { // NaN is old
		return fmt.Errorf("%w: %.0f s", errExpired, age)
	}
	return nil
}

// invocationMethod is where Port says what to invoke.
func invocationMethod(root map[string]any, changeLog bool) invoker.Method {
	if changeLog {
		m, _ := root["changelogDestination"].(map[string]any)
		return invoker.ReadMethod(m)
	}
	payload, _ := root["payload"].(map[string]any)
	action, _ := payload["action"].(map[string]any)
	m, _ := action["invocationMethod"].(map[string]any)
	return invoker.ReadMethod(m)
}

func forAgent(root map[string]any, changeLog bool) bool {
	return invocationMethod(root, changeLog).Agent
}

func (a *Agent) newJob(ev *Event, msg *Message) *job {
	j := &job{ev: ev, msg: msg}
	fields, _ := msg.Root["context"].(map[string]any)
	if !ev.ChangeLog {
		j.run, _ = fields["runId"].(string)
	}
	method := invocationMethod(msg.Root, ev.ChangeLog)
	j.sync, j.kind = method.Synchronized, method.Type
	if j.sync {
		j.kind += ", synchronized"
	}
	j.key = a.orderKey(ev, fields)
	j.runLog.reporter, j.runLog.run = a.Reporter, j.run
	return j
}

// orderKey names what ev must not overtake.
func (a *Agent) orderKey(ev *Event, fields map[string]any) string {
	if a.cfg.OrderBy == "partition" {
		return "partition/" + ev.Topic + "/" + strconv.Itoa(ev.Partition)
	}
	entity, _ := fields["entity"].(string)
	if entity == "" {
		return ""
	}
	blueprint, _ := fields["blueprint"].(string)
	return "entity/" + blueprint + "/" + entity
}

// match picks the rule of the event, and the order key that the rule gives.
func (a *Agent) match(ctx context.Context, j *job, root map[string]any) (*transform.Rule, error) {
	rule, err := a.Mapping.Match(ctx, root)
	if err != nil {
		if err != transform.ErrNoRule { // it tells of rules whose enabled failed
			a.countMappingError("enabled")
		}
		return nil, err
	}
	j.label = rule.Label()
	a.Metrics.RuleMatches.WithLabelValues(j.label).Inc()
	if a.cfg.OrderBy != "partition" {
		key, set, err := rule.OrderKey(ctx, root)
		switch {
		case err != nil:
			a.mappingFailed(j, transform.Warning{Field: "orderBy", Err: err})
		case set:
			j.key = "rule/" + key
		}
	}
	return rule, nil
}

// build makes the request of the event.
func (a *Agent) build(ctx context.Context, j *job, root map[string]any) error {
	decrypted, secrets, err := Decrypt(a.Secret.Reveal(), root, j.rule.DecryptPaths())
	if err != nil {
		return err
	}
	a.conceal(j, secrets)
	over, warnings, err := j.rule.Request(ctx, decrypted)
	for _, w := range warnings {
		a.mappingFailed(j, w)
	}
	if err != nil {
		var expr *transform.ExprError
		if errors.As(err, &expr) {
			a.countMappingError(expr.Field)
		}
		return fmt.Errorf("map request: %w", err)
	}
	j.req, err = a.Invoker.Build(ctx, invoker.Target{
		Key: j.ev.Key(j.run), Event: j.msg.Body, Root: decrypted, Method: invocationMethod(decrypted, j.ev.ChangeLog),
		Decrypted: len(secrets) > 0,
		Rule: invoker.Override{Backend: j.rule.Backend, URL: over.URL, Method: over.Method, Headers: over.Headers, Query: over.Query,
			Body: over.Body, HasBody: over.HasBody, Timeout: j.rule.Timeout},
	})
	if err != nil {
		return fmt.Errorf("build request: %w", err)
	}
	a.conceal(j, j.req.Secrets())
	return nil
}

// mappingFailed says that an expression gave nothing where the mapping can do
// without.
func (a *Agent) mappingFailed(j *job, w transform.Warning) {
	if w.Err == nil {
		return
	}
	a.countMappingError(w.Field)
	j.about(a.log.Warn()).Str("field", w.Field).Err(w.Err).Msg("expression failed")
	j.notes = append(j.notes, a.Redactor.String("Mapping: "+w.Message))
}

// countMappingError counts by the rule's field; which member of it failed is
// in the log.
func (a *Agent) countMappingError(field string) {
	if i := strings.IndexAny(field, ".["); i > 0 {
		field = field[:i]
	}
	a.Metrics.MappingErrors.WithLabelValues(field).Inc()
}

// conceal makes secrets known to the redactor until the event is settled.
func (a *Agent) conceal(j *job, secrets []string) {
	for _, s := range secrets {
		j.secrets = append(j.secrets, a.Redactor.Add(s))
	}
}
