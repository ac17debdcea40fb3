package transform

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
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

// value gives what e evaluates to. A failure is null and a warning, or an
// error where the pass is strict or ctx has ended.
func (ev *evaluation) value(ctx context.Context, e *expr) (any, error) {
	v, err := e.eval(ctx, ev.input)
	if err != nil {
		if ev.strict || ctx.Err() != nil {
			return nil, ev.rule.exprError(e, err)
		}
		ev.warn(e, err)
		return nil, nil
	}
	if v == nil && !e.null {
		ev.warn(e, nil)
	}
	return v, nil
}

func (ev *evaluation) warn(e *expr, err error) {
	msg := e.field + " gave null"
	if err != nil {
		msg = e.field + " failed: " + err.Error()
	}
	ev.warnings = append(ev.warnings, Warning{Field: e.field, Expr: e.text, Err: err, Message: msg})
}

// Request makes the request of an event. An error is an *ExprError and final:
// url or method failed or gave no text, url gave null, a header or a query
// value is of a kind that cannot be sent, or, where the mapping is strict, any
// expression failed. The warnings tell what else failed or gave null.
func (r *Rule) Request(ctx context.Context, event any) (Request, []Warning, error) {
	ev := evaluation{rule: r, input: event, strict: r.strict}
	req, err := ev.request(ctx)
	return req, ev.warnings, err
}

// Draft is Request for explanations: where url or method fail it goes on, so
// that the rest can be shown. The error is that of Request; what it is about
// is left open in the result.
func (r *Rule) Draft(ctx context.Context, event any) (Request, []Warning, error) {
	req, warnings, err := r.Request(ctx, event)
	bad, ok := errors.AsType[*ExprError](err)
	if !ok || bad.Field != "url" && bad.Field != "method" {
		return req, warnings, err
	}
	rest := *r
	rest.fields = maps.Clone(r.fields)
	delete(rest.fields, bad.Field)
	req, warnings, _ = rest.Draft(ctx, event)
	return req, warnings, err
}

func (ev *evaluation) request(ctx context.Context) (req Request, err error) {
	f := ev.rule.fields
	if len(f) == 0 {
		return Request{}, nil
	}
	if req.URL, err = ev.text(ctx, f["url"]); err != nil {
		return Request{}, err
	}
	if f["url"] != nil && req.URL == nil {
		return Request{}, ev.rule.exprError(f["url"].expr, errors.New("gave null, not a URL"))
	}
	if req.Method, err = ev.text(ctx, f["method"]); err != nil {
		return Request{}, err
	}
	if f["method"] != nil && req.Method == nil {
		ev.warn(f["method"].expr, nil)
	}
	if req.Headers, err = ev.headers(ctx, f["headers"]); err != nil {
		return Request{}, err
	}
	if req.Query, err = ev.values(ctx, f["query"], "a query value is text, a number, a boolean or a list of these", true); err != nil {
		return Request{}, err
	}
	if req.Body, req.HasBody, err = ev.part(ctx, f["body"]); err != nil {
		return Request{}, err
	}
	return req, nil
}

// Report is what a rule says about the outcome: any of status, link, summary,
// externalRunId and statusLabel, none of them null.
type Report map[string]any

// Report makes the report of an invocation. in is an object of "body" (the
// event), "request" and "response". A field that fails or gives null is left
// out; the warnings tell of it.
func (r *Rule) Report(ctx context.Context, in any) (Report, []Warning) {
	if len(r.report) == 0 {
		return nil, nil
	}
	ev := evaluation{rule: r, input: in}
	out := make(Report, len(r.report))
	for _, name := range r.ReportFields() {
		// It is not strict: an error is that of ctx alone.
		if v, _, err := ev.part(ctx, r.report[name]); err == nil && v != nil {
			out[name] = v
		}
	}
	return out, ev.warnings
}

// ReportFields names the fields of the rule's report.
func (r *Rule) ReportFields() (names []string) {
	for _, f := range reportFields {
		if r.report[f.name] != nil {
			names = append(names, f.name)
		}
	}
	return names
}

// part evaluates a field that may be left out.
func (ev *evaluation) part(ctx context.Context, t *template) (v any, ok bool, err error) {
	if t == nil {
		return nil, false, nil
	}
	v, err = t.eval(ctx, ev)
	return v, true, err
}

// required evaluates an expression that must not fail.
func (ev *evaluation) required(ctx context.Context, t *template) (any, error) {
	v, err := t.expr.eval(ctx, ev.input)
	if err != nil {
		return nil, ev.rule.exprError(t.expr, err)
	}
	return v, nil
}

// text evaluates an expression that has to give text; nil for null.
func (ev *evaluation) text(ctx context.Context, t *template) (*string, error) {
	if t == nil {
		return nil, nil
	}
	v, err := ev.required(ctx, t)
	switch v := v.(type) {
	case nil:
		return nil, err
	case string:
		return &v, nil
	}
	return nil, ev.rule.exprError(t.expr, fmt.Errorf("gave %s, not text", kind(v)))
}

// headers evaluates a field that gives texts by name; nulls are left out.
func (ev *evaluation) headers(ctx context.Context, t *template) (map[string]string, error) {
	values, err := ev.values(ctx, t, "a header is text, a number or a boolean", false)
	if len(values) == 0 {
		return nil, err
	}
	out := make(map[string]string, len(values))
	for name := range values {
		out[name] = values.Get(name)
	}
	return out, nil
}

// values evaluates a field that gives texts, or lists of texts, by name.
func (ev *evaluation) values(ctx context.Context, t *template, needed string, lists bool) (url.Values, error) {
	v, _, err := ev.part(ctx, t)
	if v == nil {
		return nil, err
	}
	members, ok := v.(map[string]any)
	if !ok {
		return nil, ev.kindError(t, t.place, v, "an object is needed")
	}
	out := make(url.Values, len(members))
	for name, v := range members {
		list, ok := v.([]any)
		if !ok || !lists {
			list = []any{v}
		}
		for _, v := range list {
			if v == nil {
				continue
			}
			if !scalar(v) {
				return nil, ev.kindError(t, t.key(name), v, needed)
			}
			out.Add(name, Text(v))
		}
	}
	return out, nil
}

func (ev *evaluation) kindError(t *template, at place, v any, needed string) error {
	r := ev.rule
	return &ExprError{Rule: r.Index, Name: r.Name, Field: at.field, Expr: t.textAt(at.field),
		Err: fmt.Errorf("gave %s; %s", kind(v), needed)}
}
