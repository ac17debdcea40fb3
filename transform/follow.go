package transform

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Follow is what a rule says about following the pipeline that its request
// triggers. Its expressions see an object of "body" (the event), "request" and
// "response". It does not change, and its methods may be called from many
// goroutines at once.
type Follow struct {
	Off               bool          // follow is false
	Interval, Timeout time.Duration // of the polls, and in all; 0: left open
	// Success are the end states that count as success for a built-in
	// follower; nil: left open.
	Success []string

	rule   *Rule
	fields values
}

// Progress is what a poll found.
type Progress struct {
	Done   bool
	Status string // SUCCESS or FAILURE where Done, else ""
	// What is empty or nil is not known.
	StatusLabel, Summary string
	Link, Log            []string
}

// Generic reports whether the rule itself says where to look and when it is
// over; otherwise the backend's follower does the work.
func (f *Follow) Generic() bool { return f.fields.template("url") != nil }

// ReadsAnswer reports whether url may depend on the trigger's answer.
func (f *Follow) ReadsAnswer() bool {
	return strings.Contains(f.fields.template("url").text(), "response")
}

// Place returns the URL to poll. It is for once, after the trigger. nil means
// that the run is not followed. An error is an *ExprError.
func (f *Follow) Place(ctx context.Context, in any) (url *string, err error) {
	ev := evaluation{rule: f.rule, input: in}
	return ev.text(ctx, f.fields.template("url"))
}

// Project returns the project in which a pipeline of an Azure incoming webhook is
// looked for, nil where the rule leaves it open or returns null. An error is an *ExprError.
func (f *Follow) Project(ctx context.Context, in any) (project *string, err error) {
	ev := evaluation{rule: f.rule, input: in}
	return ev.text(ctx, f.fields.template("project"))
}

// Request makes one poll, without its URL and with a method, GET or POST. After
// a restart of the agent in has no "response". An error is an *ExprError:
// method failed or is neither GET nor POST, or a header cannot be sent.
func (f *Follow) Request(ctx context.Context, in any) (Request, []Warning, error) {
	ev := evaluation{rule: f.rule, input: in, strict: f.rule.strict}
	req, err := ev.request(ctx, f.fields)
	method := "GET"
	if req.Method != nil {
		method = strings.ToUpper(*req.Method)
	}
	if err == nil && method != "GET" && method != "POST" {
		m := f.fields.template("method")
		err = f.rule.exprError(m, errors.New("gave neither GET nor POST"))
	}
	req.Method = &method
	return req, ev.warnings, err
}

// Progress reads the answer of a poll. in has "poll" beside the others: an
// object of statusCode, headers, text and json. An error is an *ExprError: done
// failed or gave anything but true, false and null, or it is done and status
// failed or is neither SUCCESS nor FAILURE. Then nothing is known of the
// pipeline; the rest of the result is left out.
//
// The warnings say what else failed. What returns null is not known yet, and no
// reason for a warning.
func (f *Follow) Progress(ctx context.Context, in any) (p Progress, warnings []Warning, err error) {
	ev := evaluation{rule: f.rule, input: in}
	done, status := f.fields.template("done"), f.fields.template("status")
	over, err := ev.required(ctx, done)
	if err != nil {
		return Progress{}, nil, err
	}
	if _, isBool := over.(bool); over != nil && !isBool {
		return Progress{}, nil, f.rule.exprError(done, fmt.Errorf("gave %s, neither true nor false", kind(over)))
	}
	if p.Done = over == true; p.Done {
		v, err := ev.required(ctx, status)
		if err != nil {
			return Progress{}, nil, err
		}
		if status == nil {
			v = "SUCCESS"
		}
		if v != "SUCCESS" && v != "FAILURE" {
			return Progress{}, nil, f.rule.exprError(status, errors.New("gave neither SUCCESS nor FAILURE"))
		}
		p.Status = Text(v)
	}
	p.StatusLabel = strings.Join(ev.texts(ctx, f.fields.template("statusLabel")), " ")
	p.Summary = strings.Join(ev.texts(ctx, f.fields.template("summary")), " ")
	p.Log = ev.texts(ctx, f.fields.template("log"))
	p.Link = ev.texts(ctx, f.fields.template("link"))
	failed := slices.DeleteFunc(ev.warnings, func(w Warning) bool { return w.Err == nil })
	return p, failed, nil
}

// texts returns what t evaluates to as texts; null is none.
func (ev *evaluation) texts(ctx context.Context, t *node) (out []string) {
	v, _ := ev.eval(ctx, t) // a failure is a warning
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	for _, v := range list {
		if v != nil {
			out = append(out, Text(v))
		}
	}
	return out
}
