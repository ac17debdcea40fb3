package follow

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"port-agent/invoker"
)

const (
	// maxJobs is how many jobs of one run are followed.
	maxJobs = 20
	// maxLines bounds the lines of one job that come from a rule's log.
	maxLines = 200
	// maxLine bounds what a backend's text takes of a line or summary, in
	// characters.
	maxLine = 500
)

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

// ending says how a pipeline ended:
//
//	smoke-tests #42 failed after 3 min 10 s in stage Deploy: script returned exit code 1
func ending(name, verb string, took time.Duration, where, why string) string {
	s := name + " " + verb
	if took > 0 {
		s += " after " + inWords(took)
	}
	if where != "" {
		s += " in " + where
	}
	if why != "" {
		s += ": " + why
	}
	return invoker.OneLine(s, 2*maxLine)
}

// good reports whether an end state counts as success: by the rule's list
// where there is one, else by the backend's.
func good(w *Watch, state string, usual ...string) bool {
	if len(w.success) > 0 {
		usual = w.success
	}
	return slices.ContainsFunc(usual, func(s string) bool { return strings.EqualFold(s, state) })
}

// step is a part of a pipeline, for display only.
type step struct {
	running string // its name while it runs
	waits   string // the label while it waits for a person
	failed  string // where it has failed: "stage Deploy, job rollout"
	why     string // it has
}

// labelOf names what runs, or what is waited for.
func labelOf(steps []step) string {
	var running []string
	for _, s := range steps {
		if s.waits != "" {
			return s.waits
		}
		if s.running != "" && !slices.Contains(running, s.running) {
			running = append(running, s.running)
		}
	}
	if len(running) == 0 {
		return "Running"
	}
	return "Running: " + strings.Join(running, ", ")
}

// failureOf is the first failure.
func failureOf(steps []step) (where, why string) {
	for _, s := range steps {
		if s.failed != "" {
			return s.failed, s.why
		}
	}
	return "", ""
}

// known is the label of a state. A state that is not known is shown as it is.
func known(labels map[string]string, state string) string {
	return cmp.Or(labels[state], state)
}

// verb says how a pipeline ended. A state that is not known is shown as it is.
func verb(verbs map[string]string, state string) string {
	return cmp.Or(verbs[state], "ended as "+strings.ReplaceAll(state, "_", " "))
}
