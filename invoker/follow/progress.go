package follow

import (
	"strings"

	"port-agent/invoker"
)

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

	Over    bool   // the pipeline has ended, and Watch.Look is not called again
	Success bool   // where Over
	Summary string // not among Lines, where Over
}

// Line is one line for the run's log.
type Line struct {
	Warn bool
	Text string
}

// view is what one place looks like at one moment.
type view struct {
	name     string // of the pipeline, for lines and summary: "smoke-tests #42"
	label    string
	why      string   // what it waits for, behind the label in a line
	lines    []string // further lines, each written once
	warnings []string // the same, for what people should look at
	links    []string
	id       string
	place    string // where it is to be looked at from now on, if that has changed
	over     bool
	success  bool
	summary  string
}

// job is one place and what is known of it. Several jobs of one run end
// together.
type job struct {
	place   string
	seen    bool // an answer told of it
	last    view
	said    string        // the last line about the state, without its digits
	written map[Line]bool // further lines
	plain   bool          // Jenkins: there are no stages to ask for
	answers map[string]answer
}

// merge takes over what a look has brought, and returns the lines that are
// new. There is one for each change: numbers that count down, as in the text
// of a queue, are no change.
func (j *job) merge(v view) (lines []Line) {
	if v.place != "" {
		j.place = v.place
	}
	text := ""
	switch {
	case v.over:
		text = v.summary
	case v.name == "" || v.label == "": // a rule says itself which lines it wants
	case v.why != "":
		text = v.name + ": " + v.label + ": " + v.why
	default:
		text = v.name + ": " + v.label
	}
	text = invoker.OneLine(text, maxLine)
	if said := undigit(text); text != "" && said != j.said {
		j.said = said
		lines = append(lines, Line{Text: text})
	}
	for _, l := range v.lines {
		lines = j.once(lines, Line{Text: l})
	}
	for _, l := range v.warnings {
		lines = j.once(lines, Line{Warn: true, Text: l})
	}
	if len(v.links) == 0 {
		v.links = j.last.links
	}
	if v.id == "" {
		v.id = j.last.id
	}
	j.last = v
	return lines
}

// once adds a line that was not written before. Beyond maxLines none is.
func (j *job) once(lines []Line, l Line) []Line {
	l.Text = invoker.OneLine(l.Text, maxLine)
	if l.Text == "" || j.written[l] || len(j.written) >= maxLines {
		return lines
	}
	if j.written == nil {
		j.written = map[Line]bool{}
	}
	j.written[l] = true
	return append(lines, l)
}

func undigit(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r == '.' {
			return '0'
		}
		return r
	}, s)
}
