package playground

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"unicode/utf16"

	"port-agent/agent/event"
	"port-agent/cmd/app"
	"port-agent/cmd/port-agent/cases"
	"port-agent/cmd/port-agent/explanation"
	"port-agent/transform"
)

// mappingName stands for the mapping in messages.
const mappingName = "invocations.json"

// question is what the page sends to be explained.
type question struct {
	state
	JQ string `json:"jq"`
}

// verdict is what the page shows.
type verdict struct {
	Findings []finding         `json:"findings"`
	Faults   map[string]string `json:"faults"` // by what they are in: event, response, poll, env
	JQ       *tried            `json:"jq,omitempty"`

	View    *explanation.View    `json:"view"` // nil: the mapping or the event cannot be used
	Details *explanation.Details `json:"details"`
}

// finding is a transform.Finding at its place in the text; from and to count
// UTF-16 units, as JavaScript does.
type finding struct {
	From    int    `json:"from"`
	To      int    `json:"to"`
	Line    int    `json:"line"` // 0: it is about the file as a whole
	Column  int    `json:"column"`
	Warning bool   `json:"warning"`
	Where   string `json:"where"` // rule and field
	Message string `json:"message"`
	Hint    string `json:"hint"`
}

// tried is the result of the line "try jq".
type tried struct {
	Value any    `json:"value"`
	Error string `json:"error"`
}

// explain evaluates what the page shows.
func explain(ctx context.Context, in question) (*verdict, error) {
	out := &verdict{Findings: []finding{}, Faults: map[string]string{}}
	environ := cases.Environ(in.Env)
	cfg, err := app.OfflineFrom(environ)
	if err != nil {
		out.Faults["env"] = err.Error()
		return out, nil
	}
	m, findings := transform.Parse(mappingName, []byte(in.Mapping), cfg.Transform, environ)
	out.Findings = place(in.Mapping, findings)
	view(ctx, out, m, &explanation.Explainer{Config: cfg, Environ: environ, ShowSecrets: true}, in.state)
	if in.JQ != "" {
		out.JQ = try(ctx, cfg.Transform, environ, in.JQ, in.Event)
	}
	return out, ctx.Err()
}

// view fills in the explanation of the event, or why there is none.
func view(ctx context.Context, out *verdict, m *transform.Mapping, e *explanation.Explainer, in state) {
	failed := func(where string, err error) bool {
		if err != nil {
			out.Faults[where] = err.Error()
		}
		return err != nil
	}
	answer, err := explanation.ParseAnswer("the answer", []byte(in.Response))
	failed("response", err)
	polls, err := explanation.ParsePolls("the poll", []byte(in.Poll))
	failed("poll", err)
	if _, err := event.Decode([]byte(in.Event)); failed("event", err) || m == nil {
		return
	}
	if v, err := e.Explain(ctx, m, []byte(in.Event), answer, polls...); !failed("event", err) {
		out.View, out.Details = v, v.Details
	}
}

// place converts findings, whose offsets count bytes of text.
func place(text string, findings []transform.Finding) []finding {
	out := make([]finding, len(findings))
	for i, f := range findings {
		where := transform.Finding{Rule: f.Rule, Name: f.Name, Field: f.Field}.Error()
		out[i] = finding{units(text, f.Start), units(text, f.End), f.Line, f.Column, f.Warning, strings.TrimSuffix(where, ": "), f.Message, f.Hint}
	}
	return out
}

// units counts the UTF-16 units before a byte offset.
func units(text string, offset int) int {
	return len(utf16.Encode([]rune(text[:min(max(offset, 0), len(text))])))
}

// try evaluates an expression on the event as the body of a rule that has
// nothing else.
func try(ctx context.Context, cfg transform.Config, environ []string, expr, record string) *tried {
	rule, err := json.Marshal([]map[string]string{{"body": expr}})
	if err != nil {
		return &tried{Error: err.Error()}
	}
	m, findings := transform.Parse("", rule, cfg, environ)
	for _, f := range findings {
		if !f.Warning {
			return &tried{Error: transform.Finding{Rule: -1, Message: f.Message, Hint: f.Hint}.Error()}
		}
	}
	msg, err := event.Decode([]byte(record))
	if err != nil {
		return &tried{Error: err.Error()}
	}
	req, warnings, err := m.Rules[0].Request(ctx, msg.Root)
	switch {
	case err != nil:
		return &tried{Error: err.Error()}
	case len(warnings) > 0 && warnings[0].Err != nil:
		return &tried{Error: warnings[0].Message}
	}
	return &tried{Value: req.Body}
}

// entry makes a case of a state.
func entry(ctx context.Context, in namedState) (cases.Entry, error) {
	out, err := explain(ctx, question{state: in.state})
	if err != nil {
		return cases.Entry{}, err
	}
	for _, where := range slices.Sorted(maps.Keys(out.Faults)) {
		return cases.Entry{}, errors.New(out.Faults[where])
	}
	if out.View == nil {
		return cases.Entry{}, errors.New("the mapping has errors: correct them first")
	}
	return cases.Entry{Name: in.Name, Event: raw(in.Event), Env: in.Env, Response: raw(in.Response), Poll: raw(in.Poll), Outcome: cases.NewOutcome(out.View)}, nil
}

// raw is a text as JSON; empty text is no JSON at all.
func raw(text string) json.RawMessage { return json.RawMessage(strings.TrimSpace(text)) }
