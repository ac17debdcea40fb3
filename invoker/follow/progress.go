package follow

import (
	"cmp"
	"slices"
	"strings"

	"port-agent/invoker/follow/ci"
	"port-agent/invoker/wire"
)

// Progress is the news of one look. What has not changed since the look
// before is empty, so a Progress without news is the zero value.
type Progress struct {
	Label         string    // what the pipeline is doing: "Running: Deploy"
	Lines         []ci.Line // for the run's log
	Links         []string  // pages of the builds: all of them, once one is new
	ExternalRunID string
	// Moved is the handle to write to the run's log from now on, or the zero
	// Handle.
	Moved Handle

	Over    bool   // the pipeline has ended, and Watch.Look is not called again
	Success bool   // where Over
	Summary string // not among Lines, where Over
}

// job is one pipeline and what was told of it. Several of one run end together.
type job struct {
	ci.Job
	last    ci.View
	said    string           // the last line about the state, without its digits
	written map[ci.Line]bool // further lines
}

const (
	// maxLines bounds the further lines of one job.
	maxLines = 200
	// maxLine bounds what a backend's text takes of a line or summary, in
	// characters.
	maxLine = 500
)

// merge takes over what a look has brought, and returns the lines that are
// new. There is one for each change: numbers that count down, as in the text
// of a queue, are no change.
func (j *job) merge(v ci.View) (lines []ci.Line) {
	v.Summary = wire.OneLine(v.Summary, 2*maxLine)
	text := ""
	if v.Over {
		text = v.Summary
	} else if v.Name != "" && v.Label != "" { // a rule says itself which lines it wants
		text = join([]string{v.Name, v.Label, v.Why}, ": ")
	}
	text = wire.OneLine(text, maxLine)
	if said := undigit(text); text != "" && said != j.said {
		j.said = said
		lines = append(lines, ci.Line{Text: text})
	}
	for _, l := range v.Lines { // each is written once
		l.Text = wire.OneLine(l.Text, maxLine)
		if l.Text == "" || j.written[l] || len(j.written) >= maxLines {
			continue
		}
		j.written[l] = true
		lines = append(lines, l)
	}
	if v.Links = filled(v.Links); len(v.Links) == 0 {
		v.Links = j.last.Links
	}
	v.ID = cmp.Or(v.ID, j.last.ID)
	j.last, j.Seen = v, true
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

// filled drops empty texts.
func filled(list []string) []string {
	return slices.DeleteFunc(list, func(s string) bool { return s == "" })
}

func join(list []string, sep string) string { return strings.Join(filled(list), sep) }
