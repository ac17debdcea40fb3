package transform

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"port-agent/transform/jq"
)

// Request is what a rule says about the request. What it leaves open is the
// backend's own.
type Request struct {
	URL, Method *string // nil: left open
	Headers     map[string]string
	Query       url.Values
	// Body is the value to send. HasBody is false where the rule leaves it
	// open; HasBody with a nil Body means that no body is sent.
	Body    any
	HasBody bool
}

// Warning is an expression that gave null or failed and has been taken for
// null.
type Warning struct {
	Field   string
	Expr    string
	Err     error // nil: it gave null
	Message string
}

// evaluation is one pass over a rule: it collects what to warn about.
type evaluation struct {
	rule     *Rule
	input    any
	strict   bool
	warnings []Warning
}

// eval returns the value of a field, nil where it is left open. An expression that
// fails is null and a warning, or an error where the pass is strict or ctx has
// ended.
func (ev *evaluation) eval(ctx context.Context, n *node) (v any, err error) {
	if n == nil {
		return nil, nil
	}
	switch value := n.value.(type) {
	case *jq.Expr:
		v, err := value.Eval(ctx, ev.input)
		if err != nil && (ev.strict || ctx.Err() != nil) {
			return nil, ev.rule.exprError(n, err)
		}
		if v == nil && strings.TrimSpace(value.Text) != "null" {
			ev.warn(n, err)
		}
		return v, nil
	case object:
		out := make(map[string]any, len(value))
		for _, n := range value {
			if out[n.key], err = ev.eval(ctx, n); err != nil {
				return nil, err
			}
		}
		return out, nil
	case list:
		out := make([]any, len(value))
		for i, n := range value {
			if out[i], err = ev.eval(ctx, n); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return n.value, nil
}

func (ev *evaluation) warn(n *node, err error) {
	msg := n.field + " gave null"
	if err != nil {
		msg = n.field + " failed: " + err.Error()
	}
	ev.warnings = append(ev.warnings, Warning{Field: n.field, Expr: n.text(), Err: err, Message: msg})
}

// Request makes the request of an event. An error is an *ExprError and final:
// url or method failed or gave no text, url gave null, a header or a query
// value is of a kind that cannot be sent, or, where the mapping is strict, any
// expression failed. What it is about is left open in the result; the rest is
// there. The warnings say what else failed or gave null.
func (r *Rule) Request(ctx context.Context, event any) (Request, []Warning, error) {
	ev := evaluation{rule: r, input: event, strict: r.strict}
	place, fault := ev.text(ctx, r.fields.template("url"))
	if u := r.fields.template("url"); u != nil && place == nil {
		fault = cmp.Or(fault, r.exprError(u, errors.New("gave null, not a URL")))
	}
	req, err := ev.request(ctx, r.fields)
	req.URL = place
	return req, ev.warnings, cmp.Or(fault, err)
}

// request makes all of a request but its URL. The error is the first one.
func (ev *evaluation) request(ctx context.Context, f values) (req Request, err error) {
	var faults [4]error
	if req.Method, faults[0] = ev.text(ctx, f.template("method")); f.template("method") != nil && req.Method == nil && faults[0] == nil {
		ev.warn(f.template("method"), nil)
	}
	headers, fault := ev.values(ctx, f.template("headers"), "a header is text, a number or a boolean", false)
	for name := range headers {
		if req.Headers == nil {
			req.Headers = make(map[string]string, len(headers))
		}
		req.Headers[name] = headers.Get(name)
	}
	faults[1] = fault
	req.Query, faults[2] = ev.values(ctx, f.template("query"), "a query value is text, a number, a boolean or a list of these", true)
	req.Body, faults[3] = ev.eval(ctx, f.template("body"))
	req.HasBody = f.template("body") != nil && faults[3] == nil
	return req, cmp.Or(faults[:]...)
}

// Report is what a rule says about the outcome: any of status, link, summary,
// externalRunId and statusLabel, none of them null.
type Report map[string]any

// Report makes the report of an invocation. in is an object of "body" (the
// event), "request" and "response". A field that fails or returns null is left
// out, with a warning.
func (r *Rule) Report(ctx context.Context, in any) (Report, []Warning) {
	ev := evaluation{rule: r, input: in}
	out := make(Report, len(r.report))
	for _, name := range r.ReportFields() {
		// It is not strict: an error is that of ctx alone.
		if v, err := ev.eval(ctx, r.report.template(name)); err == nil && v != nil {
			out[name] = v
		}
	}
	return out, ev.warnings
}

// ReportFields names the fields of the rule's report, sorted.
func (r *Rule) ReportFields() []string { return slices.Sorted(maps.Keys(r.report)) }

// required evaluates what must not fail, an expression or a constant; nil where
// it is left open.
func (ev *evaluation) required(ctx context.Context, t *node) (any, error) {
	if t == nil {
		return nil, nil
	}
	e, ok := t.value.(*jq.Expr)
	if !ok {
		return t.value, nil
	}
	v, err := e.Eval(ctx, ev.input)
	if err != nil {
		return nil, ev.rule.exprError(t, err)
	}
	return v, nil
}

// text evaluates an expression that has to give text; nil for null.
func (ev *evaluation) text(ctx context.Context, t *node) (*string, error) {
	v, err := ev.required(ctx, t)
	switch v := v.(type) {
	case nil:
		return nil, err
	case string:
		return &v, nil
	}
	return nil, ev.rule.exprError(t, fmt.Errorf("gave %s, not text", kind(v)))
}

// values evaluates a field that returns texts, or lists of texts, by name; nulls
// are left out.
func (ev *evaluation) values(ctx context.Context, t *node, needed string, lists bool) (url.Values, error) {
	v, err := ev.eval(ctx, t)
	if v == nil {
		return nil, err
	}
	members, ok := v.(map[string]any)
	if !ok {
		return nil, ev.rule.exprError(t, fmt.Errorf("gave %s; an object is needed", kind(v)))
	}
	out := make(url.Values, len(members))
	for name, v := range members {
		list, ok := v.([]any)
		if !ok || !lists {
			list = []any{v}
		}
		for _, v := range list {
			switch v.(type) {
			case nil:
			case []any, map[string]any:
				member := &node{place: place{field: t.below(name)}, value: t.value}
				if o, ok := t.value.(object); ok {
					member = o.member(name)
				}
				return nil, ev.rule.exprError(member, fmt.Errorf("gave %s; %s", kind(v), needed))
			default:
				out.Add(name, Text(v))
			}
		}
	}
	return out, nil
}
