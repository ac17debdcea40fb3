package explanation

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"port-agent/agent"
	"port-agent/cmd/terminal"
)

// WriteText prints the explanation for people.
func (v *View) WriteText(w io.Writer, coloured bool) error {
	s := &sheet{coloured: coloured}
	v.writeEvent(s)
	v.writeRules(s)
	v.writeRequest(s)
	v.writeReport(s)
	s.lines("warnings", terminal.Yellow, v.Details.Doubts...)
	if _, err := w.Write(s.Bytes()); err != nil {
		return fmt.Errorf("print explanation: %w", err)
	}
	return nil
}

func (v *View) writeEvent(s *sheet) {
	d := v.Details
	s.lines("event", terminal.Plain, d.Event)
	if d.ForAgent {
		s.lines("", terminal.Green, "for the agent")
	} else {
		s.lines("", terminal.Red, "not for the agent: the invocation method does not say agent: true")
	}
	switch d.Verified {
	case "unsigned":
		s.lines("", terminal.Faint, "Port does not sign changes")
	case "valid":
		s.lines("", terminal.Green, "signature valid")
	case "unchecked":
		s.lines("", terminal.Faint, "signature "+agent.ErrUnchecked.Error())
	default:
		s.lines("", terminal.Red, v.explanation.Signature.Error()+": the agent drops the event")
	}
}

func (v *View) writeRules(s *sheet) {
	file := cmp.Or(v.mapping.File, "built-in rule, no mapping file found")
	s.lines("mapping", terminal.Plain, fmt.Sprintf("%s, %s", file, terminal.Count(v.Details.Rules, "rule")))
	label := "rules"
	for _, r := range v.Considered {
		mark, colour := " ", terminal.Plain
		if r.Enabled {
			mark, colour = ">", terminal.Green
		}
		s.lines(label, colour, fmt.Sprintf("%s %s: %s", mark, v.mapping.Rules[r.Rule].Label(), r.Why))
		label = ""
	}
	switch {
	case v.Rule == nil && v.explanation.Err != nil:
		s.lines(label, terminal.Red, "none matches: under ON_NO_MATCH=fail the run fails")
	case v.Rule == nil:
		s.lines(label, terminal.Red, "no rule matches: the agent leaves the event alone and reports nothing to Port")
	}
}

func (v *View) writeRequest(s *sheet) {
	r, x := v.Request, v.explanation
	if r == nil {
		return
	}
	s.lines("backend", terminal.Plain, *v.Backend)
	target := "(no URL)"
	if r.URL != nil {
		target = *r.URL
	}
	s.lines("request", terminal.Bold, r.Method+" "+target)
	if x.Err != nil {
		s.lines("", terminal.Red, "not sent: "+v.conceal.text(x.Err.Error()))
	}
	var query, headers, body []string
	for _, k := range slices.Sorted(maps.Keys(r.Query)) {
		for _, value := range r.Query[k] {
			query = append(query, k+" = "+value)
		}
	}
	s.parts("query", query...)
	for _, k := range slices.Sorted(maps.Keys(r.Headers)) {
		headers = append(headers, k+": "+r.Headers[k])
	}
	if added := v.Details.Added; len(added) > 0 {
		headers = append(headers, "as in every request: "+strings.Join(added, ", "))
	}
	s.parts("headers", headers...)
	if x.Request != nil || x.Draft.HasBody { // else the body would have been the backend's
		for line := range strings.Lines(bodyText(r.Body)) {
			body = append(body, strings.TrimSuffix(line, "\n"))
		}
		s.parts("body", body...)
	}
}

// bodyText is a body for people: text as it is, anything else as JSON.
func bodyText(v any) string {
	if text, ok := v.(string); ok {
		return text
	}
	return printJSON(v, "  ")
}

// printJSON prints v as JSON, in one line where indent is empty.
func printJSON(v any, indent string) string {
	var b strings.Builder
	if err := encode(&b, v, indent); err != nil {
		return err.Error()
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func (v *View) writeReport(s *sheet) {
	d := v.Details
	if v.Report == nil {
		return
	}
	s.lines("report", d.mood, d.Heading)
	if d.Response != nil {
		s.parts("response", "the body of the answer")
	}
	v.Report.write(s)
	if d.Notice != "" {
		s.lines("", terminal.Faint, d.Notice)
	}
	if d.Followed != "" {
		s.lines("followed", terminal.Green, d.Followed)
	}
	if v.Poll != nil {
		s.lines("", terminal.Plain, "report to Port after the poll")
		v.Poll.write(s)
		s.parts("log", v.Poll.Log...)
	}
}

func (r *Report) write(s *sheet) {
	link, _ := r.Link.(string)
	if links, ok := r.Link.([]string); ok {
		link = strings.Join(links, " ")
	}
	for _, p := range []struct{ name, value string }{
		{"status", r.Status}, {"link", link}, {"summary", r.Summary}, {"run id", r.ExternalRunID}, {"label", r.StatusLabel},
	} {
		if p.value != "" {
			s.parts(p.name, p.value)
		}
	}
}
