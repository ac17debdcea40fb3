package agent

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// Reporter tells Port how a run goes. It is implemented by agent/port. All
// methods may be called from many goroutines at once; the agent itself keeps
// the calls for one run in order.
type Reporter interface {
	// Log appends lines to the log of a run in one call. It is best effort:
	// one attempt, and none at all while Port asks for fewer calls.
	Log(ctx context.Context, run string, lines []LogLine) error
	// Report sends the response of a run and then the rest of rep, its status
	// last. Each call is repeated until Port accepts it, refuses it for good (an
	// error that wraps ErrRejected), says that the run has ended (ErrRunEnded) or
	// ctx ends. A Report of Lines alone is a line of the log that must not be lost.
	Report(ctx context.Context, run string, rep Report) error
	// Progress tells news of a run that goes on, in one call: Lines with the
	// StatusLabel where there are lines and no Link, which people look for first,
	// else all other fields. The call is made once, and not at all while Port asks
	// for fewer calls. It returns what Port has not been told: news for which there
	// was no room in that call, and all of it after an error that may pass. The
	// caller adds later news to that and tries again. An error that wraps
	// ErrRunEnded or ErrRejected does not pass.
	Progress(ctx context.Context, run string, news Report) (left Report, err error)
	// Lookup asks Port how a run stands, repeated in the same way.
	Lookup(ctx context.Context, run string) (RunState, error)
}

// ErrRejected is wrapped by a Reporter's error when Port has refused a call
// for good: to repeat it would not help, and the event is settled.
var ErrRejected = errors.New("refused by port")

// ErrRunEnded is wrapped by a Reporter's error when the run had ended before:
// someone else, or an earlier call whose answer was lost, has ended it.
var ErrRunEnded = errors.New("the run has ended")

// Levels of a run's log, as Port names them.
const (
	LevelInfo  = "INFO"
	LevelWarn  = "WARN"
	LevelError = "ERROR"
)

// LogLine is one line of a run's log.
type LogLine struct {
	Level   string // LevelInfo, LevelWarn or LevelError
	Message string
}

// Statuses of an action run that has ended.
const (
	StatusSuccess = "SUCCESS"
	StatusFailure = "FAILURE"
)

// Report is what is reported to Port about a run. Empty fields are not sent.
type Report struct {
	Status        string // StatusSuccess, StatusFailure, or empty while the run goes on
	Link          any    // string or []string
	Summary       string
	ExternalRunID string
	StatusLabel   string

	// Response is the backend's answer as JSON, an object, a list or text, which
	// goes before the rest; nil where there is none.
	Response   json.RawMessage
	StatusCode int // of that answer, 0 where there was none

	// Lines go to the run's log with the report, and as reliably. Of an action run
	// the last one and Status are one call, so that a run that has ended also
	// says how.
	Lines []LogLine
	// Kind is what runs have in common for which Port may refuse to be told line
	// and status in one call, such as "WEBHOOK, synchronized". They are told in
	// two from then on.
	Kind string
}

// Empty reports whether there is nothing to tell.
func (r Report) Empty() bool {
	return r.Status == "" && r.Link == nil && r.Summary == "" && r.ExternalRunID == "" && r.StatusLabel == "" &&
		r.Response == nil && len(r.Lines) == 0
}

// RunState is how a run stands at Port.
type RunState struct {
	Status string   // as Port names it
	Ended  bool     // no further status is accepted
	Links  []string // on its page
	// Created is when the run was made, zero where Port does not say.
	Created time.Time
	Logs    []string // messages of its log, the oldest first, as far as Port gives them; none of a run that has ended
}

// IsNodeRun reports whether id names a workflow node run; every other id
// names an action run.
func IsNodeRun(id string) bool { return strings.HasPrefix(id, "wfnr_") }
