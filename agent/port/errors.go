package port

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"port-agent/agent"
)

// ErrCredentials is wrapped by the error of every call when Port refuses the
// client id and secret.
var ErrCredentials = errors.New("port refused PORT_CLIENT_ID and PORT_CLIENT_SECRET")

// errNotJSON says that a 2xx answer is not Port's, most often the page of a
// proxy on the way.
var errNotJSON = errors.New("the answer is not json, so not port's")

// CallError is a call that Port did not accept.
type CallError struct {
	Route   string // "PATCH /v1/actions/runs/{id}"
	Status  int    // 0: no answer
	Code    string // Port's name for the error, such as run_exhausted
	TraceID string // X-Trace-Id, for Port's support
	Body    string // at most 500 characters of the answer
	Err     error  // why there is no answer, or why it is not one

	after    time.Duration // the least wait that Port asked for
	hasAfter bool
	hopeless bool // the call cannot be made, or its answer, though Port's, not be read
}

// Error reads "PATCH /v1/actions/runs/{id} answered 403: … (trace id …)".
func (e *CallError) Error() string {
	var b strings.Builder
	b.WriteString(e.Route)
	if e.Status != 0 {
		fmt.Fprintf(&b, " answered %d", e.Status)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if e.Body != "" {
		b.WriteString(": " + e.Body)
	}
	if e.TraceID != "" {
		fmt.Fprintf(&b, " (trace id %s)", e.TraceID)
	}
	return b.String()
}

// brief says of a refusal what a run's log can show.
func (e *CallError) brief() string {
	return fmt.Sprintf("Port answered %d: %s", e.Status, cmp.Or(e.Code, http.StatusText(e.Status)))
}

// Unwrap returns the transport's error, if that is what happened.
func (e *CallError) Unwrap() error { return e.Err }

// final reports whether Port has refused the call for good. A 401 refuses the
// token and never the call, which is made again with a new one; 407 is a
// proxy's word, not Port's.
func (e *CallError) final() bool {
	switch e.Status {
	case http.StatusUnauthorized, http.StatusProxyAuthRequired, http.StatusRequestTimeout,
		http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return e.hopeless || e.Status >= 400 && e.Status < 500
}

// Passing reports whether the call that gave err may succeed later without
// anybody's doing: Port was not reached, or was not well.
func Passing(err error) bool {
	e, ok := errors.AsType[*CallError](err)
	return ok && !e.final() && !errors.Is(err, ErrCredentials)
}

// ended reports whether the call was refused because its run has already
// ended. Port names that run_exhausted for action runs; for node runs it
// documents no name.
func (e *CallError) ended() bool {
	return e.Status == http.StatusUnprocessableEntity &&
		(strings.Contains(e.Code, "exhausted") || strings.Contains(strings.ToLower(e.Body), "already"))
}

// forGood wraps err, which holds the refusal, in what it means for a run.
func (e *CallError) forGood(err error) error {
	if e.ended() {
		return fmt.Errorf("%w: %w", agent.ErrRunEnded, err)
	}
	return fmt.Errorf("%w: %w", agent.ErrRejected, err)
}

// status is the status code in err, 0 where there is none.
func status(err error) int {
	if e, ok := errors.AsType[*CallError](err); ok {
		return e.Status
	}
	return 0
}
