package explanation

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"port-agent/agent"
	"port-agent/cmd/terminal"
	"port-agent/transform"
)

// Details is what the text of an explanation and the playground say beyond its JSON.
type Details struct {
	Event    string   `json:"event"` // its kind, run, action and user
	ForAgent bool     `json:"forAgent"`
	Verified string   `json:"verified"` // "valid", "unsigned", "unchecked" or "wrong"
	Names    []string `json:"names"`    // of the rules considered
	Rules    int      `json:"rules"`    // in the mapping
	Stopped  []string `json:"stopped"`  // why nothing is sent; empty: the request is sent
	Doubts   []string `json:"doubts"`   // warnings that stop nothing

	Added  []string `json:"added"`  // headers that every request has
	Signed []string `json:"signed"` // those of them that are made for each attempt

	Heading  string `json:"heading"`  // whether the backend accepts; empty without an answer
	Good     bool   `json:"good"`     // the answer is a success
	Response any    `json:"response"` // the answer as reported to Port; nil: none
	Notice   string `json:"notice"`   // why nothing is reported to Port
	Followed string `json:"followed"` // the pipeline's URL; empty: it is not followed

	mood terminal.Colour // of Heading
}

func newDetails(x *agent.Explanation, m *transform.Mapping, c concealer) *Details {
	d := &Details{Event: c.text(about(x)), ForAgent: x.ForAgent, Rules: len(m.Rules), Stopped: []string{}, Doubts: []string{}, Signed: []string{}}
	switch {
	case x.ChangeLog:
		d.Verified = "unsigned"
	case x.Signature == nil:
		d.Verified = "valid"
	case errors.Is(x.Signature, agent.ErrUnchecked):
		d.Verified = "unchecked"
	default:
		d.Verified = "wrong"
	}
	if x.Request != nil {
		d.Signed = proofs[x.Request.Backend]
	}
	return d
}

// report fills in what there is to say about the answer and about told, the report
// to Port.
func (d *Details) report(x *agent.Explanation, told *Report, c concealer) {
	switch {
	case x.Err != nil:
		d.Heading, d.mood = "the run fails before anything is sent", terminal.Red
	case x.Retried:
		d.Heading, d.mood = "the agent tries again; if the last answer is this one, the run fails", terminal.Yellow
	case x.Refused != nil:
		d.Heading, d.mood = "the backend does not accept", terminal.Red
	default:
		d.Heading, d.mood, d.Good = "the backend accepts", terminal.Green, true
	}
	dec := json.NewDecoder(bytes.NewReader(x.Report.Response))
	dec.UseNumber()
	if dec.Decode(&d.Response) == nil { // else there is none
		d.Response = c.value(d.Response)
	}
	if d.Response == nil && *told == (Report{}) {
		d.Notice = "no report to Port yet: the backend ends the run"
		if x.Run == "" {
			d.Notice = "no report to Port: the event belongs to no run"
		}
	}
	d.Followed = c.text(x.Pipeline)
}

// about names the event.
func about(x *agent.Explanation) string {
	kind := "action run " + x.Run
	switch {
	case x.ChangeLog:
		kind = "change of the catalog"
	case x.Run == "":
		kind = "event without a run"
	case agent.IsNodeRun(x.Run):
		kind = "workflow node run " + x.Run
	}
	parts := []string{kind}
	add := func(before string, path ...string) {
		if text := textAt(x.Root, path...); text != "" {
			parts = append(parts, before+" "+text)
		}
	}
	add("action", "action")
	add("blueprint", "context", "blueprint")
	add("entity", "context", "entity")
	add("by", "trigger", "by", "user", "email")
	if x.Sync {
		parts = append(parts, "synchronous")
	}
	return strings.Join(parts, ", ")
}

// textAt returns the text at a path, "" where there is none.
func textAt(v any, path ...string) string {
	for _, name := range path {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	s, _ := v.(string)
	return s
}
