package ci

import (
	"fmt"
	"time"
)

// Kind says what an error means; errors.Is finds it. None of them is the result of
// a pipeline. Of two, the higher one matters more.
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
	// Hopeless: another look ends the same way, for example at a place outside of
	// the credential's base.
	Hopeless
	// None: the request started no pipeline, or none that can be followed, for
	// example because no credential is set.
	None
)

func (k Kind) Error() string {
	return [...]string{"busy", "missing", "deleted", "refused", "hopeless", "none"}[k]
}

// Error says why nothing is known of a pipeline.
type Error struct {
	Kind       Kind
	RetryAfter time.Duration // what the system asked for; 0: nothing
	Hint       string        // the setting and the right to check; may be empty
	Err        error
}

// Errorf makes an Error, its Err as fmt.Errorf does.
func Errorf(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Err: fmt.Errorf(format, args...)}
}

func (e *Error) hint(hint string) *Error {
	e.Hint = hint
	return e
}

// Error is one line, for people. It holds no credential.
func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Err.Error()
	}
	return e.Err.Error() + "; " + e.Hint
}

// Is reports whether target is the kind of e.
func (e *Error) Is(target error) bool { return target == e.Kind }

func (e *Error) Unwrap() error { return e.Err }
