package follow

import (
	"regexp"
	"strings"

	"port-agent/invoker/follow/ci"
)

// Handle says where the pipeline of a run is to be looked at. Its String goes
// into the run's log, where the next owner of the run finds it. It has at most
// ci.MaxJobs places of 4,096 bytes each, and no credential.
type Handle struct {
	// Backend is jenkins, gitlab, github, azure_devops or rule.
	Backend string
	// Places are absolute URLs without user info, one for each job that was
	// triggered; only Jenkins triggers several at once.
	Places []string
	// seal vouches for the place of a rule. The rule's own headers are sent
	// there, so a line that somebody else has written must not name it.
	seal string
}

var handleLine = regexp.MustCompile(`^Following (\S+)((?: \S+)+?)(?: \(seal (\S+)\))?$`)

// IsZero reports whether h names no place.
func (h Handle) IsZero() bool { return len(h.Places) == 0 }

// String is the line of the run's log:
//
//	Following jenkins https://ci.corp.example/queue/item/4711/
func (h Handle) String() string {
	s := "Following " + h.Backend + " " + strings.Join(h.Places, " ")
	if h.seal != "" {
		s += " (seal " + h.seal + ")"
	}
	return s
}

// ParseHandle reads a line that String has made. Whether the places may be
// looked at is for Resume to decide.
func ParseHandle(line string) (Handle, bool) {
	m := handleLine.FindStringSubmatch(strings.TrimSpace(line))
	if m == nil {
		return Handle{}, false
	}
	h := Handle{Backend: m[1], Places: strings.Fields(m[2]), seal: m[3]}
	if len(h.Places) > ci.MaxJobs {
		return Handle{}, false
	}
	for _, place := range h.Places {
		if _, err := ci.ParsePlace(place); err != nil {
			return Handle{}, false
		}
	}
	return h, true
}
