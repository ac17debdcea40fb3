package follow

import (
	"errors"
	"fmt"
	"time"
)

// Kind says what an error of looking means. None of them is the pipeline's
// result.
type Kind int

const (
	// Busy: not reached, 408, 429, 5xx, or a rate limit. The pipeline counts
	// as still running; look again later, RetryAfter at the earliest.
	Busy Kind = iota
	// Missing: 404 of what was never seen. It may not be there yet, or not be
	// visible to the credential.
	Missing
	// Deleted: 404 of what was seen before.
	Deleted
	// Refused: 401, 403, a login page, an answer that cannot be read, an
	// expression that fails.
	Refused
	// Hopeless: no later look can go better, as with a place that is not the
	// credential's.
	Hopeless
)

func (k Kind) String() string {
	return [...]string{"busy", "missing", "deleted", "refused", "hopeless"}[k]
}

// Error is a look that brought no knowledge of the pipeline.
type Error struct {
	Kind       Kind
	RetryAfter time.Duration // what the backend asked for; 0: nothing
	Hint       string        // which setting and which right to look at; may be empty
	Err        error
}

// Error is one line, for the run's log. It holds no credential.
func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Err.Error()
	}
	return e.Err.Error() + "; " + e.Hint
}

func (e *Error) Unwrap() error { return e.Err }

var errPlace = errors.New("the URL to poll is not an http or https URL without user info")

// unfound says that no pipeline holds the id of a run.
func unfound(hint, format string, args ...any) *Error {
	return &Error{Kind: Missing, Hint: hint, Err: fmt.Errorf(format, args...)}
}

func refused(hint, format string, args ...any) *Error {
	return &Error{Kind: Refused, Hint: hint, Err: fmt.Errorf(format, args...)}
}
