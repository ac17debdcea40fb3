package follow

import "strings"

// Progress is the news of one look. What has not changed since the look
// before is empty, so a Progress without news is the zero value.
type Progress struct {
	Label         string   // what the pipeline is doing: "Running: Deploy"
	Lines         []Line   // for the run's log
	Links         []string // pages of the builds: all of them, once one is new
	ExternalRunID string
	// Moved is the handle to write to the run's log from now on, or the zero
	// Handle.
	Moved Handle

	Over    bool // the pipeline has ended, and Watch.Look is not called again
	Success bool // where Over
	Summary string
}

// Line is one line for the run's log.
type Line struct {
	Warn bool
	Text string
}

// News reports whether p holds anything to tell.
func (p *Progress) News() bool {
	return p.Label != "" || len(p.Lines) > 0 || len(p.Links) > 0 || p.ExternalRunID != "" || !p.Moved.IsZero() || p.Over || p.Summary != ""
}

// view is what one place looks like at one moment.
type view struct {
	name    string // of the pipeline, for lines and summary: "smoke-tests #42"
	label   string
	why     string   // what it waits for, behind the label in a line
	lines   []string // further lines, each written once
	link    string
	id      string
	place   string // where it is to be looked at from now on, if that has changed
	over    bool
	success bool
	warn    string // a line for people, at the end
	summary string // once over
}

// job is one place and what is known of it. Several jobs of one run end
// together.
type job struct {
	place   string
	seen    bool // an answer told of it
	last    view
	said    string            // the last line, without its digits
	plain   bool              // Jenkins: there are no stages to ask for
	answers map[string]answer // GitHub: what a URL answered last
}

// merge takes over what a look has brought, and returns the lines that are
// new. Lines are one per change: numbers in the text of a queue that count
// down are not a change.
func (j *job) merge(v view) (lines []Line) {
	if v.place != "" && v.place != j.place {
		j.place = v.place
	}
	text := v.label
	if v.why != "" {
		text += ": " + v.why
	}
	if v.over {
		text = v.summary
	}
	if v.name != "" && !v.over && text != "" {
		text = v.name + ": " + text
	}
	text = oneLine(text, maxLine)
	if said := undigit(text); text != "" && said != j.said {
		j.said = said
		lines = append(lines, Line{Text: text})
	}
	for _, l := range v.lines {
		lines = append(lines, Line{Text: oneLine(l, maxLine)})
	}
	if v.warn != "" {
		lines = append(lines, Line{Warn: true, Text: oneLine(v.warn, maxLine)})
	}
	if v.link == "" {
		v.link = j.last.link
	}
	if v.id == "" {
		v.id = j.last.id
	}
	j.last = v
	return lines
}

func undigit(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r == '.' {
			return '0'
		}
		return r
	}, s)
}
