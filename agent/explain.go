package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"port-agent/invoker"
	"port-agent/invoker/follow"
	"port-agent/transform"
)

// Explainer tells what the agent would do with an event. It sends nothing and
// asks nobody. Its methods may be called from many goroutines at once.
type Explainer struct {
	Secret    invoker.Secret // PORT_CLIENT_SECRET; empty: signature and encrypted fields are left as they are
	Mapping   *transform.Mapping
	Invoker   *invoker.Invoker
	OnNoMatch string // as in Config
	Follow    follow.Config
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
	Draft      transform.Request // what the rule says of the request, as far as it could be made
	Backend    string
	Request    *invoker.Request // nil: it could not be made, and Err says why
	Missing    error            // the credential that Request has only a stand-in for
	Err        error            // why the event fails before anything is sent

	Refused error   // why the answer is no success
	Retried bool    // the agent would try again before it takes that answer for the last one
	Report  *Report // nil: no answer was given, and nothing failed

	Followed *Followed // nil: nothing was triggered

	noFollow bool // the invocation method rules following out
}

// ErrUnchecked says that a signature was not checked.
var ErrUnchecked = errors.New("not checked, because PORT_CLIENT_SECRET is not set")

// Explain explains what the agent does with a record. answer is what the backend is
// taken to answer; it may be nil. polls are what a look at the pipeline that was
// triggered is answered. An error means that record is no event: the agent
// would drop it.
//
// Which topic the event comes from is decided by what it holds. An event that
// the agent would drop or whose request cannot be made is explained all the
// same, as far as that goes.
func (e *Explainer) Explain(ctx context.Context, record []byte, answer *Answer, polls ...Answer) (*Explanation, error) {
	msg, err := Decode(record)
	if err != nil {
		return nil, err
	}
	x := &Explanation{Root: msg.Root, ChangeLog: msg.Method.Raw == nil && msg.Destination.Raw != nil}
	method := msg.Method
	if x.ChangeLog {
		method = msg.Destination
	} else {
		x.Run, x.Signature = msg.Run, e.verify(msg)
	}
	x.ForAgent, x.Sync, x.noFollow = method.Agent, method.Synchronized, method.NoFollow
	x.Rule, x.Considered = e.Mapping.Consider(ctx, msg.Root)
	switch {
	case x.Rule != nil:
		x.checkOrder(ctx)
		e.request(ctx, x, msg)
	case x.Run != "" && e.OnNoMatch == "fail":
		x.Err = transform.ErrNoRule
	}
	e.report(ctx, x, answer, polls)
	return x, nil
}

func (e *Explainer) verify(msg *Message) error {
	if e.Secret == "" {
		return ErrUnchecked
	}
	return Verify(invoker.NewSigner(e.Secret), msg)
}

// request does what build does for an event on its way.
func (e *Explainer) request(ctx context.Context, x *Explanation, msg *Message) {
	x.decrypt(e.Secret)
	draft, warnings, err := x.Rule.Draft(ctx, x.Root)
	if x.Draft = draft; err != nil {
		x.fail(fmt.Errorf("map request: %w", err))
	}
	x.Warnings = append(x.Warnings, warnings...)
	t := invoker.Target{
		Key: cmp.Or(x.Run, "topic:partition:offset"), Event: msg.Body, Root: x.Root, Method: methodOf(x.Root, x.ChangeLog),
		Decrypted: len(x.Secrets)+len(x.Encrypted) > 0, Rule: override(x.Rule, draft),
	}
	if x.Backend, _ = e.Invoker.Choose(t); err != nil {
		return // with a part left open, Build would make another request
	}
	if x.Request, x.Missing, err = e.build(ctx, t); err != nil {
		x.fail(fmt.Errorf("build request: %w", err))
		return
	}
	traceOf(msg, t.Key).addTo(x.Request)
}

// build makes the request, with a stand-in where a credential is missing.
func (e *Explainer) build(ctx context.Context, t invoker.Target) (req *invoker.Request, missing, err error) {
	if req, err = e.Invoker.Build(ctx, t); err == nil || e.StandIn == nil {
		return req, nil, err
	}
	inv, fault := e.StandIn()
	if fault != nil {
		return nil, nil, fault
	}
	if req, fault = inv.Build(ctx, t); fault != nil {
		return nil, nil, err
	}
	return req, err, nil
}

// checkOrder warns of an orderBy that fails: the event is then ordered by its
// entity.
func (x *Explanation) checkOrder(ctx context.Context) {
	_, _, err := x.Rule.OrderKey(ctx, x.Root)
	if bad, ok := errors.AsType[*transform.ExprError](err); ok {
		x.Warnings = append(x.Warnings, transform.Warning{Field: bad.Field, Expr: bad.Expr, Err: err,
			Message: bad.Field + " failed: " + bad.Err.Error()})
	}
}

// decrypt puts the plain texts in place or, where they cannot be had, a mark.
// The lack of a secret is no fault of the event.
func (x *Explanation) decrypt(secret invoker.Secret) {
	paths := x.Rule.DecryptPaths()
	tree, secrets, err := Decrypt(secret.Reveal(), x.Root, paths)
	if err == nil {
		x.Root, x.Secrets = tree, secrets
		return
	}
	if secret != "" {
		x.fail(err)
	}
	x.Root, x.Encrypted = mask(x.Root, paths)
}

// NotDecrypted stands in an explanation where an encrypted field stood.
const NotDecrypted = "[not decrypted]"

// mask puts a mark in the place of every value that paths lead to, in a copy
// of root, and names the places.
func mask(root map[string]any, paths [][]string) (tree map[string]any, places []string) {
	v, _ := atPaths(root, paths, "", func(_ any, at string) (any, error) {
		places = append(places, at)
		return NotDecrypted, nil
	})
	return v.(map[string]any), places
}

// fail keeps the first reason: it is the one that the agent would meet.
func (x *Explanation) fail(err error) {
	if x.Err == nil {
		x.Err = err
	}
}
