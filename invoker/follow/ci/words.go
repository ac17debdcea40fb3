package ci

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// end is what a system's word for the end of a pipeline means.
type end struct {
	verb      string // shown; empty: "ended as" and the word
	good      bool   // it counts as success, unless the rule names those that do
	partsTell bool   // the parts of the pipeline say where it happened, and why
}

// over fills in that a pipeline has ended in a state, after took, which is 0
// where it is not known. An end that is not known is a failure.
func (v *View) over(j *Job, ends map[string]end, state string, took time.Duration, ask func() *parts) {
	e, known := ends[state]
	v.Over, v.Success = true, e.good
	if len(j.Success) > 0 {
		v.Success = slices.ContainsFunc(j.Success, func(s string) bool { return strings.EqualFold(s, state) })
	}
	v.Summary = v.Name + " " + cmp.Or(e.verb, "ended as "+strings.ReplaceAll(state, "_", " "))
	if took > 0 {
		v.Summary += " after " + inWords(took)
	}
	if known && !e.partsTell {
		return
	}
	p := ask()
	if p.where != "" {
		v.Summary += " in " + p.where
	}
	if p.why != "" {
		v.Summary += ": " + p.why
	}
}

// inWords is a duration as people say it: 3 min 10 s.
func inWords(d time.Duration) string {
	d = d.Round(time.Second)
	h, m, s := int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60
	switch {
	case h > 0:
		return fmt.Sprintf("%d h %d min", h, m)
	case m > 0:
		return fmt.Sprintf("%d min %d s", m, s)
	}
	return fmt.Sprintf("%d s", s)
}

// between is the time from one moment to another, 0 where either is not known.
func between(from, to time.Time) time.Duration {
	if from.IsZero() || to.IsZero() {
		return 0
	}
	return to.Sub(from)
}

// parts is what the stages, jobs or tasks of a pipeline tell, for display only.
type parts struct {
	waits      string // the label while one waits for a person
	running    []string
	where, why string // of the first failure: "stage Deploy, job rollout"
}

func (p *parts) runs(name string) {
	if name != "" && !slices.Contains(p.running, name) {
		p.running = append(p.running, name)
	}
}

func (p *parts) failed(where, why string) {
	if p.where == "" {
		p.where, p.why = where, why
	}
}

// label names what is waited for, or what runs.
func (p *parts) label() string {
	if p.waits != "" || len(p.running) == 0 {
		return cmp.Or(p.waits, "Running")
	}
	return "Running: " + strings.Join(p.running, ", ")
}

// names reports whether texts hold the id of a run, and not as a part of a longer
// one.
func names(run string, texts ...string) bool {
	id := regexp.MustCompile(`\b` + regexp.QuoteMeta(run) + `\b`)
	return slices.ContainsFunc(texts, id.MatchString)
}
