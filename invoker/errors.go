package invoker

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"port-agent/invoker/wire"
)

// maxExcerpt is how many characters of an answer an error quotes.
const maxExcerpt = 500

// StatusError is an answer by which the backend did not accept the request.
type StatusError struct {
	Endpoint   string // method and URL without query
	StatusCode int
	RetryAfter time.Duration // what the backend asked for, or 0
	Body       string        // the first 500 characters of the answer
	// Reason says why an answer is not taken for a success although its
	// status does not say so: a redirect that is not followed, or a 200
	// without the work having been taken on.
	Reason string

	limited bool // a limit of the backend was hit
}

func newStatusError(endpoint string, res *Response, reason, body string) *StatusError {
	after, limit := res.Limited()
	return &StatusError{Endpoint: endpoint, StatusCode: res.StatusCode, RetryAfter: after, Reason: reason, Body: body, limited: limit}
}

func (e *StatusError) Error() string {
	if e.Reason != "" {
		return e.Endpoint + " " + e.Reason
	}
	text := fmt.Sprintf("%s answered %d", e.Endpoint, e.StatusCode)
	if e.Body != "" {
		return text + ": " + e.Body
	}
	if name := http.StatusText(e.StatusCode); name != "" {
		return text + " " + name
	}
	return text
}

// unsent is a failure before any of the request has left. Nothing but a question
// was sent, which may be asked again unless the answer to it was final.
func unsent(what string, err error) error {
	status, answered := errors.AsType[*StatusError](err)
	return &wire.Error{Endpoint: what, Final: wire.Final(err) || answered && !status.retryable(true, nil), Err: err}
}

// scrub takes secrets out of a text.
func scrub(s string, secrets []string) string {
	for _, secret := range secrets {
		if secret != "" {
			s = strings.ReplaceAll(s, secret, redacted)
		}
	}
	return s
}
