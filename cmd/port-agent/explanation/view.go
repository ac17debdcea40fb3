package explanation

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"port-agent/agent"
	"port-agent/transform"
)

// View is an explanation as it is shown, without secrets unless ShowSecrets is set.
// Its JSON is what explain -json prints.
type View struct {
	Rule       *int         `json:"rule"` // nil: none matches, and so are the next two
	Name       *string      `json:"name"`
	Backend    *string      `json:"backend"`
	Considered []Considered `json:"considered"`
	Request    *Request     `json:"request"`
	Report     *Report      `json:"report"`         // nil: there is no answer to report
	Poll       *PollReport  `json:"poll,omitempty"` // nil: no poll was given, or it says nothing new
	Warnings   []string     `json:"warnings"`       // Details.Stopped and Details.Doubts

	Details *Details `json:"-"`

	mapping     *transform.Mapping
	explanation *agent.Explanation // nil: the record is no event
	conceal     concealer
}

// Dropped is the view of a record that is no event. Only Line and WriteJSON print
// it.
func Dropped(why error) *View {
	return &View{Considered: []Considered{}, Warnings: []string{why.Error()}, Details: &Details{Stopped: []string{why.Error()}}}
}

// Considered is the verdict on one rule.
type Considered struct {
	Rule    int    `json:"rule"`
	Enabled bool   `json:"enabled"`
	Why     string `json:"why"`
}

// Report is what is reported to Port, less the answer's body.
type Report struct {
	Status        string `json:"status,omitempty"`
	Link          any    `json:"link,omitempty"` // string or []string, not empty
	Summary       string `json:"summary,omitempty"`
	ExternalRunID string `json:"externalRunId,omitempty"`
	StatusLabel   string `json:"statusLabel,omitempty"`
}

// PollReport is what is reported to Port after a poll of a pipeline.
type PollReport struct {
	Report
	Log []string `json:"log,omitempty"` // lines of the run's log
}

// newView makes the View of an explanation.
func newView(x *agent.Explanation, m *transform.Mapping, c concealer) *View {
	v := &View{mapping: m, explanation: x, conceal: c, Considered: []Considered{}}
	v.Details = newDetails(x, m, c)
	for i, r := range x.Considered {
		v.Details.Names = append(v.Details.Names, r.Name)
		v.Considered = append(v.Considered, Considered{r.Rule, r.Enabled, c.text(why(r, m.Rules[i].Enabled(), x.Root, c))})
	}
	if x.Rule != nil {
		v.Rule, v.Name, v.Backend = &x.Rule.Index, &x.Rule.Name, &x.Backend
		v.Request, v.Details.Added = newRequest(x, c)
	}
	if x.Report != nil {
		v.Report = newReport(x.Report, c)
		v.Details.report(x, v.Report, c)
	}
	if x.Poll != nil {
		v.Poll = newPollReport(x.Poll, c)
	}
	v.addStopped(x)
	v.addDoubts(x, m)
	return v
}

// why says why a rule matches or not and, if not, which values its expression found
// in the event.
func why(r transform.Considered, expr string, event map[string]any, c concealer) string {
	if expr == "" {
		return r.Why
	}
	text := r.Why + ": " + expr
	if found := inputs(expr, event, c); found != "" && found != expr+" is null" && !r.Enabled {
		text += " (" + found + ")"
	}
	return text
}

// addStopped says why nothing is sent.
func (v *View) addStopped(x *agent.Explanation) {
	stopped := func(text string) { v.Details.Stopped = append(v.Details.Stopped, v.conceal.text(text)) }
	if !x.ForAgent {
		stopped("the event is not for the agent: its invocation method does not say agent: true")
	}
	if x.Signature != nil && !errors.Is(x.Signature, agent.ErrUnchecked) {
		stopped(x.Signature.Error() + ": the agent drops the event")
	}
	if x.Err != nil {
		stopped("nothing is sent: " + x.Err.Error())
	}
}

// addDoubts says what may differ where the agent runs, or has no effect.
func (v *View) addDoubts(x *agent.Explanation, m *transform.Mapping) {
	if x.Missing != nil {
		v.doubt(x.Missing.Error() + ": without it the run fails")
	}
	for _, place := range x.Encrypted {
		v.doubt(place + " is not decrypted")
	}
	if len(x.Encrypted) > 0 && x.Err == nil {
		v.doubt("PORT_CLIENT_SECRET is not set: with it, what is encrypted would be decrypted")
	}
	if x.Run == "" && x.Rule != nil && x.Rule.HasReport() {
		v.doubt("the event belongs to no run, so the rule's report has no effect")
	}
	for _, f := range m.Warnings {
		if x.Rule != nil && f.Rule == x.Rule.Index {
			f.File, f.Rule, f.Warning = "", -1, false
			v.doubt(f.Error())
		}
	}
	for _, w := range x.Warnings {
		text := w.Message
		if w.Expr != "" {
			text += ": " + w.Expr
		}
		v.doubt(text)
	}
}

func (v *View) doubt(text string) { v.Details.Doubts = append(v.Details.Doubts, v.conceal.text(text)) }

func newReport(r *agent.Report, c concealer) *Report {
	out := &Report{Status: r.Status, Summary: c.text(r.Summary), ExternalRunID: c.text(r.ExternalRunID), StatusLabel: c.text(r.StatusLabel)}
	switch link := r.Link.(type) { // the agent leaves out an empty one
	case string:
		out.Link = c.text(link)
	case []string:
		out.Link = c.named("", link...)
	}
	return out
}

// newPollReport shows the level of log lines that are more than information.
func newPollReport(r *agent.Report, c concealer) *PollReport {
	out := &PollReport{Report: *newReport(r, c)}
	for _, line := range r.Lines {
		text := line.Message
		if line.Level != agent.LevelInfo {
			text = line.Level + ": " + text
		}
		out.Log = append(out.Log, c.text(text))
	}
	return out
}

// WriteJSON prints the explanation for programs.
func (v *View) WriteJSON(w io.Writer) error {
	if err := encode(w, v, "  "); err != nil {
		return fmt.Errorf("print explanation: %w", err)
	}
	return nil
}

// encode prints v as JSON, in one line where indent is empty.
func encode(w io.Writer, v any, indent string) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	return enc.Encode(v)
}
