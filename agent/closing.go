package agent

import (
	"slices"
	"strings"

	"port-agent/invoker/follow"
)

// The last line that the agent writes to a run's log says how the invocation
// ended and which status Port is told next. A partition's next owner finds
// there what to tell Port where the agent stopped between the two.
//
//	Invocation ended (SUCCESS): POST https://ci.internal/hook answered 200 in 0.3 s (rule 2)
const closingPrefix = "Invocation ended ("

// statusOpen stands in the line where the run goes on and its backend ends it.
const statusOpen = "IN_PROGRESS"

// closing makes the line. status may be empty: the run goes on.
func closing(status, detail string) string {
	if status == "" {
		status = statusOpen
	}
	return closingPrefix + status + "): " + detail
}

// past is what a run's log says of the work on it.
type past struct {
	following follow.Handle // the pipeline that is followed; zero: none
	// closed tells that an invocation has ended, and how. status is empty where the
	// run goes on.
	closed         bool
	status, detail string
}

// readLog reads the messages of a run's log. The last line that says something
// counts: a closing line behind that of a pipeline ends the following.
func readLog(messages []string) (p past) {
	for _, line := range linesOf(messages) {
		if h, ok := follow.ParseHandle(line); ok {
			p.following = h
			continue
		}
		rest, closes := strings.CutPrefix(strings.TrimSpace(line), closingPrefix)
		if status, detail, whole := strings.Cut(rest, "): "); closes && whole {
			p = past{closed: true, status: status, detail: detail}
		}
	}
	if p.status == statusOpen {
		p.status = ""
	}
	return p
}

func linesOf(messages []string) (lines []string) {
	for _, m := range messages {
		for line := range strings.Lines(m) {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return lines
}

// owner ends the lines of a run's log which say that its request is under way,
// where the run was claimed: only the agent of that name can take it up again.
func owner(instance string) string { return " (agent " + instance + ")" }

// Unfinished reports whether the log of a claimed run that has not ended says
// that an agent stopped in the middle of it: while its pipeline was followed,
// before Port was told of its end, or while its request was under way and
// instance had sent it.
func Unfinished(messages []string, instance string) bool {
	p := readLog(messages)
	switch {
	case !p.following.IsZero():
		return true
	case p.closed:
		return p.status != ""
	}
	return slices.ContainsFunc(linesOf(messages), func(line string) bool { return strings.HasSuffix(line, owner(instance)) })
}
