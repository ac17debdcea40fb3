package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"port-agent/agent/event"
	"port-agent/agent/redact"
	"port-agent/invoker"
	"port-agent/invoker/follow"
	"port-agent/transform"
)

// Explainer says what the agent would do with an event. It sends nothing and
// asks nobody. Its methods may be called from many goroutines at once.
type Explainer struct {
	Secret    invoker.Secret // PORT_CLIENT_SECRET; empty: signature and encrypted fields are left as they are
	Mapping   *transform.Mapping
	Invoker   *invoker.Invoker
	OnNoMatch string           // as in Config
	Follower  *follow.Follower // looks at recorded answers
	// StandIn makes an Invoker with stand-ins for credentials that are not
	// set. Nil: a request that needs one cannot be shown.
	StandIn func() (*invoker.Invoker, error)
}

// Explanation is what the agent would do with one event, and why.
type Explanation struct {
	Root      map[string]any // the event as the mapping sees it
	ChangeLog bool           // a change of the catalog; otherwise the event of a run
	Run       string         // empty: there is nobody to report to
	ForAgent  bool
	Sync      bool  // the run waits for the backend's answer
	Signature error // why the event is not known to be genuine; ErrUnchecked without a secret

	Considered []transform.Considered
	Rule       *transform.Rule // nil: none matches, and the fields of the request below are empty
	Encrypted  []string        // places of fields that could not be decrypted
	Secrets    []string        // what must not be shown
	Warnings   []transform.Warning
	Draft      invoker.Override // what the rule says of the request, as far as it could be made
	Backend    string
	Request    *invoker.Request // nil: it could not be made, and Err says why
	Missing    error            // the credential that Request has only a stand-in for
	Err        error            // why the event fails before anything is sent

	Refused error   // why the answer is no success
	Retried bool    // the agent would try again before it takes that answer for the last one
	Report  *Report // nil: no answer was given, and nothing failed

	Pipeline string  // that is followed, its backend and URLs; empty: none is
	Poll     *Report // what Port is told after a look, its Lines those of the run's log; nil: the look tells nothing
}

// ErrUnchecked says that a signature was not checked.
var ErrUnchecked = errors.New("not checked, because PORT_CLIENT_SECRET is not set")

// Answer is a recorded answer of a backend.
type Answer struct {
	Response *invoker.Response
	Value    map[string]any // as expressions see it
}

// Explain explains what the agent does with a record. answer is what the backend
// is taken to answer; it may be nil. look says whether the pipeline that was
// triggered is looked at. An error means that record is no event: the agent
// would drop it.
//
// Which topic the event comes from is decided by what it holds. An event that
// the agent would drop or whose request cannot be made is explained all the
// same, as far as that goes.
func (e *Explainer) Explain(ctx context.Context, record []byte, answer *Answer, look bool) (*Explanation, error) {
	msg, err := event.Decode(record)
	if err != nil {
		return nil, err
	}
	x := &Explanation{Root: msg.Root, ChangeLog: msg.Method.Raw == nil && msg.Destination.Raw != nil}
	if x.ChangeLog {
		msg.Method, msg.Run = msg.Destination, ""
	} else {
		x.Run, x.Signature = msg.Run, ErrUnchecked
		if e.Secret != "" {
			x.Signature = event.Verify(invoker.NewSigner(e.Secret), msg)
		}
	}
	x.ForAgent, x.Sync = msg.Method.Agent, msg.Method.Synchronized
	told := &listener{}
	a := e.agent(told)
	j := a.newJob(&Event{ChangeLog: x.ChangeLog}, msg)
	j.recorded = answer
	j.rule, x.Considered = e.Mapping.Consider(ctx, msg.Root)
	switch x.Rule = j.rule; {
	case x.Rule != nil:
		a.orderByRule(ctx, j, msg.Root)
		e.request(ctx, a, j, x)
	case x.Run != "" && e.OnNoMatch == "fail":
		x.Err = transform.ErrNoRule
	}
	var f *followed
	if x.Err != nil || answer != nil && x.Request != nil {
		f = e.report(ctx, a, j, x)
	}
	if look && f != nil {
		x.look(ctx, f, told)
	}
	x.Warnings = append(j.warnings, x.Warnings...)
	return x, nil
}

// agent makes an agent whose counters, log and calls to Port go nowhere.
func (e *Explainer) agent(port Reporter) *Agent {
	return New(Config{MaxInFlight: 1, MaxInFlightPerHost: 1}, Deps{
		Reporter: port, Follower: e.Follower, Redactor: redact.New(), Metrics: NewMetrics(prometheus.NewRegistry(), ""),
	}, zerolog.Nop())
}

// request does what build does for an event on its way, and goes on where that
// gives up.
func (e *Explainer) request(ctx context.Context, a *Agent, j *job, x *Explanation) {
	x.decrypt(e.Secret)
	j.root = x.Root
	t, err := a.target(ctx, j, x.Root, event.MethodOf(x.Root, x.ChangeLog), len(x.Secrets)+len(x.Encrypted) > 0)
	t.Key = cmp.Or(x.Run, "topic:partition:offset")
	x.Draft = t.Rule
	if x.Backend, _ = e.Invoker.Choose(t); err != nil {
		x.fail(err)
		return // with a part left open, Build would make another request
	}
	if x.Request, x.Missing, err = e.build(t); err != nil {
		x.fail(fmt.Errorf("build request: %w", err))
		return
	}
	j.req = x.Request
	j.trace.addTo(j.req)
}

// build makes the request, with a stand-in where a credential is missing.
func (e *Explainer) build(t invoker.Target) (req *invoker.Request, missing, err error) {
	if req, err = e.Invoker.Build(t); err == nil || e.StandIn == nil {
		return req, nil, err
	}
	inv, fault := e.StandIn()
	if fault != nil {
		return nil, nil, fault
	}
	if req, fault = inv.Build(t); fault != nil {
		return nil, nil, err
	}
	return req, err, nil
}

// decrypt puts the plain texts in place or, where they cannot be had, a mark.
// The lack of a secret is no fault of the event.
func (x *Explanation) decrypt(secret invoker.Secret) {
	paths := x.Rule.DecryptPaths
	tree, secrets, err := event.Decrypt(secret.Reveal(), x.Root, paths)
	if err == nil {
		x.Root, x.Secrets = tree, secrets
		return
	}
	if secret != "" {
		x.fail(err)
	}
	x.Root, x.Encrypted = event.Mask(x.Root, paths)
}

// report fills in what Port would be told. Of an event without a run Port is
// told nothing; then it is what the rule's report alone gives. It returns the
// followed of the pipeline that was triggered, if there is one.
func (e *Explainer) report(ctx context.Context, a *Agent, j *job, x *Explanation) (f *followed) {
	out := outcome{err: x.Err}
	if x.Err == nil {
		out.res = j.recorded.Response
		out.err = e.Invoker.Judge(x.Request, out.res)
		x.Refused = out.err
		x.Retried, _ = invoker.Retryable(out.err, x.Request, j.rule.Retry.Statuses)
	}
	if x.Run != "" && out.res != nil && out.err == nil {
		f = x.follow(ctx, a, j, out)
		out.followed = f != nil
	}
	x.Report = new(Report)
	switch {
	case x.Run != "":
		x.Report = a.compose(j, out)
	case out.res != nil:
		a.applyRule(j, out.res, x.Report)
		finish(j, x.Report)
	}
	if IsNodeRun(x.Run) {
		*x.Report = nodeReport(*x.Report)
	}
	return f
}

// nodeReport leaves of a report what a workflow node run has room for: how it
// ended and, of a failure, why.
func nodeReport(rep Report) Report {
	if rep.Status == "" {
		return Report{}
	}
	node := Report{Status: rep.Status, Response: rep.Response, StatusCode: rep.StatusCode}
	if rep.Status == StatusFailure {
		node.Summary = rep.Summary
	}
	return node
}

// fail keeps the first reason: it is the one that the agent would meet.
func (x *Explanation) fail(err error) {
	if x.Err == nil {
		x.Err = err
	}
}
