package transform

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Rule is one rule of a mapping. It does not change, and its methods may be
// called from many goroutines at once.
type Rule struct {
	Index int    // in the file, from 0
	Name  string // "" where it has none
	// Backend is one of WEBHOOK, AZURE_DEVOPS, JENKINS, GITLAB, GITHUB and
	// PORT_API, or "" where the rule leaves it open.
	Backend       string
	Timeout       time.Duration // of one attempt; 0: the rule leaves it open
	OnInterrupted string        // "fail", "retry" or "" where it is left open
	Retry         Retry
	Follow        *Follow // nil where it is left open
	// DecryptPaths are the paths of the encrypted fields, as steps from the root
	// of the event: names in objects, indexes in arrays, "*" for all of either.
	DecryptPaths [][]string

	strict  bool
	enabled *node  // a boolean or an expression
	fields  values // url, method, headers, query, body, orderBy
	report  values
}

// Retry is what a rule says about repeating an attempt. The zero value leaves it
// open.
type Retry struct {
	Attempts int   // in all; 0: left open
	Statuses []int // answers after which to try again, 400 to 599
}

// ExprError is an expression that failed at run time, or that gave what its
// field cannot take.
type ExprError struct {
	Rule  int
	Name  string // of the rule, may be empty
	Field string
	Expr  string // its text
	Err   error
}

// Error names rule and field. It holds no value of the event.
func (e *ExprError) Error() string {
	return "rule " + label(e.Rule, e.Name) + ", field " + e.Field + ": " + e.Err.Error()
}

// Unwrap returns the error without its place.
func (e *ExprError) Unwrap() error { return e.Err }

// Label names the rule for people: its index, and its name where it has one.
func (r *Rule) Label() string { return label(r.Index, r.Name) }

// HasReport reports whether the rule says anything about the outcome.
func (r *Rule) HasReport() bool { return len(r.report) > 0 }

// Enabled returns the expression that decides whether the rule is for an event,
// "" where it is always on or always off.
func (r *Rule) Enabled() string {
	return r.enabled.text()
}

// OrderKey returns the key of the rule's orderBy: events with the same key are
// worked on one after another. set is false where the rule has no orderBy or
// it returns null.
func (r *Rule) OrderKey(ctx context.Context, event any) (key string, set bool, err error) {
	ev := evaluation{rule: r, input: event}
	v, err := ev.required(ctx, r.fields.template("orderBy"))
	if v == nil {
		return "", false, err
	}
	return Text(v), true, nil
}

// why says in words what enabled gave.
func (r *Rule) why(v any, err error) string {
	on, constant := r.enabled.value.(bool)
	switch {
	case constant:
		return fmt.Sprintf("enabled is %t", on)
	case err != nil:
		return "enabled failed: " + errors.Unwrap(err).Error()
	case v == nil || v == true || v == false:
		return "enabled gave " + Text(v)
	}
	return "enabled gave " + kind(v) + ", not true"
}

// exprError makes the error of a field, which may be an expression.
func (r *Rule) exprError(n *node, err error) error {
	return &ExprError{Rule: r.Index, Name: r.Name, Field: n.field, Expr: n.text(), Err: err}
}
