package transform

import (
	"context"
	"errors"
	"fmt"
	"regexp"
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

	rule                   *Rule
	url, method, project   *expr
	headers, body          *template
	done, status           *expr
	link                   *template
	label, summary, logged *expr
}

// Follow gives the rule's follow; nil where the rule says nothing.
func (r *Rule) Follow() *Follow { return r.follow }

// Generic reports whether the rule itself says where to look and when it is
// over; otherwise the backend's follower does the work.
func (f *Follow) Generic() bool { return f.url != nil }

// FollowRequest is one poll.
type FollowRequest struct {
	Method  string // GET or POST
	Headers map[string]string
	Body    any
	HasBody bool // with a nil Body: no body is sent
}

// Progress is what a poll found.
type Progress struct {
	Done   bool
	Status string // SUCCESS or FAILURE where Done, else ""
	// What is empty or nil is not known.
	StatusLabel, Summary string
	Link                 any // text or a list of texts
	Log                  []string
}

// Place gives the URL to poll. It is for once, after the trigger. nil means
// that the run is not followed. An error is an *ExprError.
func (f *Follow) Place(ctx context.Context, in any) (url *string, err error) {
	ev := evaluation{rule: f.rule, input: in}
	return ev.text(ctx, f.url)
}

// Project gives where a pipeline of an Azure incoming webhook is looked for,
// nil where the rule leaves it open or gives null. An error is an *ExprError.
func (f *Follow) Project(ctx context.Context, in any) (project *string, err error) {
	ev := evaluation{rule: f.rule, input: in}
	return ev.text(ctx, f.project)
}

// Request makes one poll. After a restart of the agent in has no "response".
// An error is an *ExprError: method failed or is neither GET nor POST, or a
// header cannot be sent.
func (f *Follow) Request(ctx context.Context, in any) (req FollowRequest, warnings []Warning, err error) {
	ev := evaluation{rule: f.rule, input: in, strict: f.rule.strict}
	defer func() { warnings = ev.warnings }()
	req.Method = "GET"
	method, err := ev.text(ctx, f.method)
	if err != nil {
		return FollowRequest{}, nil, err
	}
	if method != nil {
		req.Method = strings.ToUpper(*method)
	}
	if req.Method != "GET" && req.Method != "POST" {
		return FollowRequest{}, nil, f.rule.exprError(f.method, errors.New("gave neither GET nor POST"))
	}
	if req.Headers, err = ev.headers(ctx, f.headers); err != nil {
		return FollowRequest{}, nil, err
	}
	if f.body != nil {
		req.HasBody = true
		if req.Body, err = f.body.eval(ctx, &ev); err != nil {
			return FollowRequest{}, nil, err
		}
	}
	return req, nil, nil
}

// Progress reads the answer of a poll. in has "poll" beside the others: an
// object of statusCode, headers, text and json. An error is an *ExprError: done
// failed or gave anything but true, false and null, or it is done and status
// failed or is neither SUCCESS nor FAILURE. Then nothing is known of the
// pipeline; the rest of the result is left out.
//
// The warnings tell what else failed. What gives null is not known yet, and no
// reason for a warning.
func (f *Follow) Progress(ctx context.Context, in any) (p Progress, warnings []Warning, err error) {
	v, err := f.done.eval(ctx, in)
	if err != nil {
		return Progress{}, nil, f.rule.exprError(f.done, err)
	}
	switch v := v.(type) {
	case nil:
	case bool:
		p.Done = v
	default:
		return Progress{}, nil, f.rule.exprError(f.done, fmt.Errorf("gave %s, neither true nor false", kind(v)))
	}
	if p.Done {
		if p.Status, err = f.outcome(ctx, in); err != nil {
			return Progress{}, nil, err
		}
	}
	ev := evaluation{rule: f.rule, input: in}
	p.StatusLabel = strings.Join(ev.texts(ctx, f.label), " ")
	p.Summary = strings.Join(ev.texts(ctx, f.summary), " ")
	p.Log = ev.texts(ctx, f.logged)
	if f.link != nil {
		p.Link, _ = f.link.eval(ctx, &ev) // a failure is a warning
	}
	failed := slices.DeleteFunc(ev.warnings, func(w Warning) bool { return w.Err == nil })
	return p, failed, nil
}

func (f *Follow) outcome(ctx context.Context, in any) (string, error) {
	if f.status == nil {
		return "SUCCESS", nil
	}
	v, err := f.status.eval(ctx, in)
	if err != nil {
		return "", f.rule.exprError(f.status, err)
	}
	if v != "SUCCESS" && v != "FAILURE" {
		return "", f.rule.exprError(f.status, errors.New("gave neither SUCCESS nor FAILURE"))
	}
	return v.(string), nil
}

// texts gives what e evaluates to as texts; null is none.
func (ev *evaluation) texts(ctx context.Context, e *expr) (out []string) {
	if e == nil {
		return nil
	}
	v, _ := ev.value(ctx, e) // a failure is a warning
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

var followFields = []field{
	{"url", jqSchema, "jq on .body, .request and .response, evaluated once after the trigger: the URL to poll. null: the run is not followed. Without it the backend's own follower works.", followExpr(func(f *Follow, e *expr) { f.url = e })},
	{"method", jqSchema, "GET (the default) or POST, of each poll.", followExpr(func(f *Follow, e *expr) { f.method = e })},
	{"headers", objectSchema, "Headers of each poll.", func(p *ruleParser, v any, at place) { p.rule.follow.headers = p.object(v, at, false) }},
	{"body", templateSchema, "Body of each poll.", func(p *ruleParser, v any, at place) { p.rule.follow.body = p.template(v, at) }},
	{"done", jqSchema, "jq on .poll (statusCode, headers, text, json), .body, .request and .response: true is over.", followExpr(func(f *Follow, e *expr) { f.done = e })},
	{"status", jqSchema, "SUCCESS (the default) or FAILURE, read when done.", followExpr(func(f *Follow, e *expr) { f.status = e })},
	{"statusLabel", jqSchema, "Text beside the status, sent when it changes.", followExpr(func(f *Follow, e *expr) { f.label = e })},
	{"summary", jqSchema, "Text on the run's page, sent when it changes.", followExpr(func(f *Follow, e *expr) { f.summary = e })},
	{"link", templateSchema, "One http(s) link or a list of them, sent when it changes.", func(p *ruleParser, v any, at place) { p.rule.follow.link = p.template(v, at) }},
	{"log", jqSchema, "Text or a list of texts; each line is written once.", followExpr(func(f *Follow, e *expr) { f.logged = e })},
	{"interval", secondsSchema, "Seconds between two polls.", func(p *ruleParser, v any, at place) { p.rule.follow.Interval = p.seconds(v, at, 24*time.Hour) }},
	{"timeout", weekSchema, "Seconds after which the run fails as still running. Without it FOLLOW_TIMEOUT_SECONDS.", func(p *ruleParser, v any, at place) { p.rule.follow.Timeout = p.seconds(v, at, 7*24*time.Hour) }},
	{"success", `{"type": "array", "minItems": 1, "items": {"type": "string"}}`, `End states that the backend's own follower takes for success, such as ["SUCCESS", "UNSTABLE"].`, (*ruleParser).success},
	{"project", jqSchema, "Azure incoming webhook: the project in which the build is looked for.", followExpr(func(f *Follow, e *expr) { f.project = e })},
}

func followExpr(set func(*Follow, *expr)) func(*ruleParser, any, place) {
	return func(p *ruleParser, v any, at place) { set(p.rule.follow, p.jq(v, at)) }
}

func (p *ruleParser) success(v any, at place) {
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		p.fail(at, "is no list of end states", `write it like ["SUCCESS", "UNSTABLE"]`)
		return
	}
	for i, v := range list {
		s, ok := v.(string)
		if !ok || s == "" {
			p.fail(at.item(i), "is "+kind(v)+", not an end state", "")
			continue
		}
		p.rule.follow.Success = append(p.rule.follow.Success, s)
	}
}

func (p *ruleParser) follow(v any, at place) {
	p.rule.follow = &Follow{rule: p.rule}
	switch v := v.(type) {
	case bool:
		p.rule.follow.Off = !v
	case map[string]any:
		p.members(v, at, followFields)
		p.checkFollow(v, at)
	default:
		p.rule.follow = nil
		p.fail(at, "is "+kind(v)+", neither a boolean nor an object", "")
	}
}

var (
	followGeneric = []string{"method", "headers", "body", "done", "status", "statusLabel", "summary", "link", "log"}
	followBuiltIn = []string{"success", "project"}
	readsResponse = regexp.MustCompile(`\.\s*"?response\b`)
)

// checkFollow looks at what the members of follow mean for one another.
func (p *ruleParser) checkFollow(m map[string]any, at place) {
	f := p.rule.follow
	p.web(f.url)
	f.link.each(p.web)
	p.oneOf(f.method, "GET", "POST")
	p.oneOf(f.status, "SUCCESS", "FAILURE")
	p.sendable(f.headers)
	if m["url"] != nil && m["done"] == nil {
		p.fail(at, "has url, but no done: the run would never end", `"done" is jq on .poll that gives true when it is over`)
	}
	unused, why := followGeneric, "is ignored without url: the backend's own follower works"
	if m["url"] != nil {
		unused, why = followBuiltIn, "is ignored beside url"
	}
	for _, name := range unused {
		if m[name] != nil {
			p.warn(at.key(name), why, "")
		}
	}
	for _, t := range []*template{p.rule.follow.headers, p.rule.follow.body} {
		t.each(func(e *expr) {
			if readsResponse.MatchString(e.text) {
				p.warn(e.place, ".response is gone after a restart of the agent: it is null in the polls after that", "read it in url, or take it from .body or env")
			}
		})
	}
}
