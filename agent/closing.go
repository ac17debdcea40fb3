package agent

import (
	"slices"
	"strings"
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

// findClosing looks for the last such line in the messages of a run's log.
func findClosing(messages []string) (status, detail string, found bool) {
	for _, line := range linesOf(messages) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), closingPrefix)
		if !ok {
			continue
		}
		if s, d, ok := strings.Cut(rest, "): "); ok {
			status, detail, found = s, d, true
		}
	}
	if status == statusOpen {
		status = ""
	}
	return status, detail, found
}

// owner ends the lines of a run's log which say that its request is under way,
// where the run was claimed: only the agent of that name can take it up again.
func owner(instance string) string { return " (agent " + instance + ")" }

// Unfinished reports whether the log of a claimed run that has not ended says
// that an agent stopped in the middle of it: while its pipeline was followed,
// before Port was told of its end, or while its request was under way and
// instance had sent it.
func Unfinished(messages []string, instance string) bool {
	if !followedBefore(messages).IsZero() {
		return true
	}
	if status, _, found := findClosing(messages); found {
		return status != ""
	}
	return slices.ContainsFunc(linesOf(messages), func(line string) bool { return strings.HasSuffix(line, owner(instance)) })
}
