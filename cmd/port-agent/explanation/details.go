package explanation

import (
	"bytes"
	"encoding/json"
	"errors"

	"port-agent/agent"
)

// Details is what the text of an explanation says beyond its JSON.
type Details struct {
	Event    string   `json:"event"` // which one it is
	ForAgent bool     `json:"forAgent"`
	Verified string   `json:"verified"` // "valid", "unsigned", "unchecked" or "wrong"
	Names    []string `json:"names"`    // of the rules considered
	Rules    int      `json:"rules"`    // in the mapping
	Stopped  []string `json:"stopped"`  // why nothing is sent
	Doubts   []string `json:"doubts"`

	Added  []string `json:"added"`  // headers that every request has
	Signed []string `json:"signed"` // those of them that each attempt gets anew

	Heading  string `json:"heading"`  // how the answer is taken; empty without one
	Good     bool   `json:"good"`     // it is taken for a success
	Response any    `json:"response"` // what Port is told of the answer; nil: nothing
	Notice   string `json:"notice"`   // why Port is told nothing
	Followed string `json:"followed"` // where the pipeline is looked at; empty: it is not
}

// Details returns them.
func (v *View) Details() *Details {
	x := v.explanation
	d := &Details{Event: v.conceal.text(about(x)), ForAgent: x.ForAgent, Names: v.names, Rules: v.rules, Stopped: v.Stopped(), Doubts: v.Doubts(),
		Added: v.hidden, Signed: []string{}}
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
	if v.Report != nil {
		d.Heading, _ = heading(x)
		d.Good = x.Err == nil && x.Refused == nil
		d.Response = v.response()
		d.Notice = v.silence()
		if x.Followed != nil {
			d.Followed = v.conceal.text(x.Followed.Place)
		}
	}
	return d
}

func (v *View) response() any {
	dec := json.NewDecoder(bytes.NewReader(v.explanation.Report.Response))
	dec.UseNumber()
	var response any
	if dec.Decode(&response) != nil {
		return nil // there is none
	}
	return v.conceal.value(response)
}

// heading tells how the agent takes an answer, and in which colour.
func heading(x *agent.Explanation) (text, colour string) {
	switch {
	case x.Err != nil:
		return "the run fails before anything is sent", red
	case x.Retried:
		return "the agent tries again; if the last answer is this one, the run fails", yellow
	case x.Refused != nil:
		return "the backend does not accept", red
	}
	return "the backend accepts", green
}

// silence says why nothing is reported to Port; it is empty where there is something.
func (v *View) silence() string {
	switch {
	case v.explanation.Report.Response != nil || !v.Report.empty():
		return ""
	case v.explanation.Run == "":
		return "no report to Port: the event belongs to no run"
	}
	return "no report to Port yet: the backend ends the run"
}
