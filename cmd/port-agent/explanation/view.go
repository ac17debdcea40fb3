package explanation

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"port-agent/agent"
	"port-agent/transform"
)

// View is an explanation as it is shown, without secrets unless they are
// wanted. Its JSON is what explain -json prints.
type View struct {
	Rule       *int         `json:"rule"` // nil: none matches, and so are the next two
	Name       *string      `json:"name"`
	Backend    *string      `json:"backend"`
	Considered []Considered `json:"considered"`
	Request    *Request     `json:"request"`
	Report     *Report      `json:"report"`         // nil: there is no answer to report
	Poll       *PollReport  `json:"poll,omitempty"` // nil: no poll was given, or it told nothing
	Warnings   []string     `json:"warnings"`

	explanation *agent.Explanation // for what the text says beyond the JSON
	conceal     concealer
	file        string   // of the mapping, empty for the built-in rule
	rules       int      // in it
	names       []string // of the rules considered
	hidden      []string // names of the headers that every request has
	verdicts    int      // how many of the warnings are said elsewhere in the text
}

// Dropped is the view of a record that is no event.
func Dropped(why error) *View {
	return &View{Considered: []Considered{}, Warnings: []string{why.Error()}, verdicts: 1}
}

// Considered is the verdict on one rule.
type Considered struct {
	Rule    int    `json:"rule"`
	Enabled bool   `json:"enabled"`
	Why     string `json:"why"`
}

// Report is what is reported to Port.
type Report struct {
	Status        string `json:"status,omitempty"`
	Link          any    `json:"link,omitempty"`
	Summary       string `json:"summary,omitempty"`
	ExternalRunID string `json:"externalRunId,omitempty"`
	StatusLabel   string `json:"statusLabel,omitempty"`
}

// PollReport is what is reported to Port after a look at a pipeline.
type PollReport struct {
	Report
	Log []string `json:"log,omitempty"` // lines of the run's log
}

// newPollReport shows it; lines that are no news but a warning say so.
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

func (r *Report) empty() bool {
	return r.Status == "" && linkText(r.Link) == "" && r.Summary == "" && r.ExternalRunID == "" && r.StatusLabel == ""
}

// newView prepares an explanation for showing.
func newView(x *agent.Explanation, m *transform.Mapping, c concealer) *View {
	v := &View{explanation: x, conceal: c, file: m.File(), rules: m.Len(), Considered: []Considered{}, Warnings: []string{}}
	for i, r := range x.Considered {
		v.Considered = append(v.Considered, Considered{r.Rule, r.Enabled, c.text(why(r, m.Rules()[i].Enabled(), x.Root, c))})
		v.names = append(v.names, r.Name)
	}
	if x.Rule != nil {
		v.Rule, v.Name, v.Backend = &x.Rule.Index, &x.Rule.Name, &x.Backend
		v.Request, v.hidden = newRequest(x, c)
	}
	if x.Report != nil {
		v.Report = newReport(x.Report, c)
	}
	if x.Followed != nil && x.Followed.Report != nil {
		v.Poll = newPollReport(x.Followed.Report, c)
	}
	for _, w := range verdicts(x) {
		v.warn(c.text(w))
	}
	v.verdicts = len(v.Warnings)
	for _, w := range doubts(x) {
		v.warn(c.text(w))
	}
	for _, f := range m.Warnings() {
		if x.Rule != nil && f.Rule == x.Rule.Index {
			f.File, f.Rule, f.Warning = "", -1, false
			v.warn(c.text(f.String()))
		}
	}
	for _, w := range x.Warnings {
		v.warn(c.text(warningText(w)))
	}
	return v
}

// why says what decided about a rule and, of one that is not for the event,
// what its expression found there.
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

// Stopped says why the agent sends nothing; it is empty where it sends the
// request.
func (v *View) Stopped() []string { return v.Warnings[:v.verdicts] }

// Doubts are the warnings that do not stop the event.
func (v *View) Doubts() []string { return v.Warnings[v.verdicts:] }

func (v *View) warn(text string) { v.Warnings = append(v.Warnings, text) }

func warningText(w transform.Warning) string {
	if w.Expr == "" {
		return w.Message
	}
	return w.Message + ": " + w.Expr
}

// verdicts says why nothing comes of the event.
func verdicts(x *agent.Explanation) (out []string) {
	if !x.ForAgent {
		out = append(out, "the event is not for the agent: its invocation method does not say agent: true")
	}
	if x.Signature != nil && !errors.Is(x.Signature, agent.ErrUnchecked) {
		out = append(out, x.Signature.Error()+": the agent drops the event")
	}
	if x.Err != nil {
		out = append(out, "nothing is sent: "+x.Err.Error())
	}
	return out
}

// doubts says what may be otherwise where the agent runs, or goes nowhere.
func doubts(x *agent.Explanation) (out []string) {
	if x.Missing != nil {
		out = append(out, x.Missing.Error()+": without it the run fails")
	}
	for _, place := range x.Encrypted {
		out = append(out, place+" is not decrypted")
	}
	if len(x.Encrypted) > 0 && x.Err == nil {
		out = append(out, "PORT_CLIENT_SECRET is not set: with it, what is encrypted would be decrypted")
	}
	if x.Run == "" && x.Rule != nil && x.Rule.HasReport() {
		out = append(out, "the event belongs to no run, so the rule's report has no effect")
	}
	return out
}

// newReport shows what is reported to Port, less the answer's body.
func newReport(r *agent.Report, c concealer) *Report {
	out := &Report{Status: r.Status, Summary: c.text(r.Summary), ExternalRunID: c.text(r.ExternalRunID), StatusLabel: c.text(r.StatusLabel)}
	switch link := r.Link.(type) {
	case string:
		if link != "" {
			out.Link = c.text(link)
		}
	case []string:
		texts := make([]string, len(link))
		for i, l := range link {
			texts[i] = c.text(l)
		}
		if len(texts) > 0 {
			out.Link = texts
		}
	}
	return out
}

// WriteJSON prints the explanation for programs.
func (v *View) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("print explanation: %w", err)
	}
	return nil
}
