package transform

import (
	"context"
	"errors"
)

// Draft is Request for explanations: where url or method fail it goes on, so
// that the rest can be shown. The error is that of Request; what it is about
// is left open in the result.
func (r *Rule) Draft(ctx context.Context, event any) (Request, []Warning, error) {
	req, warnings, err := r.Request(ctx, event)
	var bad *ExprError
	if !errors.As(err, &bad) {
		return req, warnings, err
	}
	rest := *r
	switch bad.Field {
	case "url":
		rest.url = nil
	case "method":
		rest.method = nil
	default:
		return req, warnings, err
	}
	req, warnings, _ = rest.Draft(ctx, event)
	return req, warnings, err
}

// Enabled gives the expression that decides whether the rule is for an event,
// "" where it is always on or always off.
func (r *Rule) Enabled() string {
	if r.enabled == nil {
		return ""
	}
	return r.enabled.text
}
