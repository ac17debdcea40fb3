package invoker

import (
	"bytes"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"port-agent/invoker/wire"
)

// Retryable reports whether another attempt may be made after err, and the
// least time to wait before it, 0 where the backend asked for none. Statuses
// are those that the rule wants repeated whatever they are. It decides by
// what happened alone: whether there is time left, and whether the context
// has ended, is the caller's to see.
func Retryable(err error, req *Request, statuses []int) (retry bool, after time.Duration) {
	again := req != nil && req.Idempotent()
	status, answered := errors.AsType[*StatusError](err)
	if answered {
		after = status.RetryAfter
	}
	if failed, ok := errors.AsType[*wire.Error](err); ok { // before status: it may come from a question that a wire.Error is about
		return !failed.Final && (!failed.Sent || again), after
	}
	return answered && status.retryable(again, statuses), after
}

// gateway reports whether the answer is that of a gateway which cannot say what
// the backend has done.
func (e *StatusError) gateway() bool {
	return e.StatusCode == http.StatusBadGateway || e.StatusCode == http.StatusGatewayTimeout
}

func (e *StatusError) retryable(idempotent bool, statuses []int) bool {
	switch e.StatusCode {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return e.Reason == ""
	}
	asked := e.StatusCode >= 400 && slices.Contains(statuses, e.StatusCode)
	return e.Reason == "" && (e.limited || asked || idempotent && e.gateway())
}

// Sent reports whether bytes of the request may have left before err. Where
// they have not, the event still counts as not started.
func Sent(err error) bool {
	if failed, ok := errors.AsType[*wire.Error](err); ok {
		return failed.Sent
	}
	_, ok := errors.AsType[*StatusError](err)
	return ok
}

// Uncertain reports whether it is unknown after err if the backend has done
// the work: the connection was lost or timed out after the request was sent,
// or a gateway answered 502 or 504. Only a rule that says so makes another
// attempt of a request that is not idempotent then.
func Uncertain(err error) bool {
	if failed, ok := errors.AsType[*wire.Error](err); ok {
		return failed.Sent && !failed.Final
	}
	status, ok := errors.AsType[*StatusError](err)
	return ok && status.gateway()
}

// Limited reports whether an answer says that a limit of requests is used up,
// and when to come back, which other answers may say too; 0: it does not say.
// A 403 may mean a limit or a missing right:
// https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api.
func (r *Response) Limited() (after time.Duration, limit bool) {
	none := func(name string) bool { return strings.TrimSpace(r.Header.Get(name)) == "0" }
	switch r.StatusCode {
	case http.StatusTooManyRequests:
		limit = true
	case http.StatusForbidden:
		limit = r.Header.Get("Retry-After") != "" || none("X-RateLimit-Remaining") || none("RateLimit-Remaining") ||
			bytes.Contains(bytes.ToLower(r.Body[:min(len(r.Body), 4<<10)]), []byte("rate limit"))
	}
	return retryAfter(r.Header, limit), limit
}

// retryAfter is how long an answer asks to wait: by Retry-After, else until its
// rate limit begins anew. That counts where the limit is what the answer is about.
func retryAfter(h http.Header, limit bool) time.Duration {
	d, asked := wire.RetryAfter(h)
	for _, name := range []string{"RateLimit-Reset", "X-RateLimit-Reset"} {
		if limit && !asked {
			d, asked = wire.UntilReset(h, name)
		}
	}
	return d
}
