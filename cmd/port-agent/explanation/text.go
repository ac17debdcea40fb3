package explanation

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"port-agent/agent"
)

// WriteText prints the explanation for people.
func (v *View) WriteText(w io.Writer, coloured bool) error {
	s := &sheet{coloured: coloured}
	v.writeEvent(s)
	v.writeRules(s)
	v.writeRequest(s)
	v.writeReport(s)
	label := "warnings"
	for _, warning := range v.Doubts() {
		s.line(label, yellow, warning)
		label = ""
	}
	if _, err := w.Write(s.Bytes()); err != nil {
		return fmt.Errorf("print explanation: %w", err)
	}
	return nil
}

func (v *View) writeEvent(s *sheet) {
	x := v.explanation
	s.line("event", "", v.conceal.text(about(x)))
	if x.ForAgent {
		s.line("", green, "for the agent")
	} else {
		s.line("", red, "not for the agent: the invocation method does not say agent: true")
	}
	switch {
	case x.ChangeLog:
		s.line("", faint, "Port does not sign changes")
	case x.Signature == nil:
		s.line("", green, "signature valid")
	case errors.Is(x.Signature, agent.ErrUnchecked):
		s.line("", faint, "signature "+x.Signature.Error())
	default:
		s.line("", red, x.Signature.Error()+": the agent drops the event")
	}
}

// about says which event it is.
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
	add := func(format string, args ...any) {
		for _, a := range args {
			if a == "" {
				return
			}
		}
		parts = append(parts, fmt.Sprintf(format, args...))
	}
	add("action %s", textAt(x.Root, "action"))
	add("blueprint %s", textAt(x.Root, "context", "blueprint"))
	add("entity %s", textAt(x.Root, "context", "entity"))
	add("by %s", textAt(x.Root, "trigger", "by", "user", "email"))
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

func (v *View) writeRules(s *sheet) {
	file := v.file
	if file == "" {
		file = "built-in rule, no mapping file found"
	}
	s.line("mapping", "", fmt.Sprintf("%s, %s", file, Count(v.rules, "rule")))
	label := "rules"
	for i, r := range v.Considered {
		mark, colour := " ", ""
		if r.Enabled {
			mark, colour = ">", green
		}
		s.line(label, colour, mark+" "+v.RuleLine(i))
		label = ""
	}
	switch {
	case v.Rule == nil && v.explanation.Err != nil:
		s.line(label, red, "none matches: under ON_NO_MATCH=fail the run fails")
	case v.Rule == nil:
		s.line(label, red, "no rule matches: the agent leaves the event alone and reports nothing to Port")
	}
}

// RuleLine describes the i-th rule in Considered: its label, the verdict and why.
func (v *View) RuleLine(i int) string {
	r, name := v.Considered[i], ""
	if v.names[i] != "" {
		name = fmt.Sprintf(" %q", v.names[i])
	}
	return fmt.Sprintf("%d%s: %s", r.Rule, name, r.Why)
}

func (v *View) writeRequest(s *sheet) {
	r := v.Request
	if r == nil {
		return
	}
	s.line("backend", "", *v.Backend)
	target := "(no URL)"
	if r.URL != nil {
		target = *r.URL
	}
	s.line("request", bold, r.Method+" "+target)
	if err := v.explanation.Err; err != nil {
		s.line("", red, "not sent: "+v.conceal.text(err.Error()))
	}
	name := "query"
	for _, k := range slices.Sorted(maps.Keys(r.Query)) {
		for _, value := range r.Query[k] {
			s.part(name, "", k+" = "+value)
			name = ""
		}
	}
	name = "headers"
	for _, k := range slices.Sorted(maps.Keys(r.Headers)) {
		s.part(name, "", k+": "+r.Headers[k])
		name = ""
	}
	if len(v.hidden) > 0 {
		s.part(name, faint, "as in every request: "+strings.Join(v.hidden, ", "))
	}
	if x := v.explanation; x.Request == nil && !x.Draft.HasBody {
		return // the body would have been the backend's
	}
	name = "body"
	for line := range strings.Lines(bodyText(r.Body)) {
		s.part(name, "", strings.TrimSuffix(line, "\n"))
		name = ""
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
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	if err := enc.Encode(v); err != nil {
		return err.Error()
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func (v *View) writeReport(s *sheet) {
	r, x := v.Report, v.explanation
	if r == nil {
		return
	}
	text, colour := heading(x)
	s.line("report", colour, text)
	if x.Report.Response != nil {
		s.part("response", "", "the body of the answer")
	}
	r.write(s)
	if silence := v.silence(); silence != "" {
		s.line("", faint, silence)
	}
	if f := x.Followed; f != nil && f.Place != "" {
		s.line("followed", green, v.conceal.text(f.Place))
	}
	if v.Poll == nil {
		return
	}
	s.line("", "", "report to Port after the poll")
	v.Poll.write(s)
	name := "log"
	for _, line := range v.Poll.Log {
		s.part(name, "", line)
		name = ""
	}
}

func (r *Report) write(s *sheet) {
	parts := []struct{ name, value string }{
		{"status", r.Status}, {"link", linkText(r.Link)}, {"summary", r.Summary}, {"run id", r.ExternalRunID}, {"label", r.StatusLabel},
	}
	for _, p := range parts {
		if p.value != "" {
			s.part(p.name, "", p.value)
		}
	}
}

func linkText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []string:
		return strings.Join(v, " ")
	}
	return ""
}
