package invoker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
	"unicode"
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

// TransportError is an attempt that brought no answer.
type TransportError struct {
	Endpoint string // what was tried: method and URL without query, or a question that comes before it
	Sent     bool   // bytes of the request may have left
	Final    bool   // another attempt would end the same way
	Err      error
}

func (e *TransportError) Error() string { return e.Endpoint + ": " + plain(e.Err) }
func (e *TransportError) Unwrap() error { return e.Err }

// lookupError is a failure to find out what the request needs. Nothing but a
// question was sent, which may be asked again.
func lookupError(what string, err error) error {
	status, answered := errors.AsType[*StatusError](err)
	refused := answered && !status.retryable(true, nil)
	return &TransportError{Endpoint: what, Final: final(err) || refused, Err: &worded{err.Error(), err}}
}

// worded is an error in words of its own for what has led to it.
type worded struct {
	text string
	err  error
}

func (e *worded) Error() string { return e.text }
func (e *worded) Unwrap() error { return e.err }

func (*worded) plain()         {}
func (*TransportError) plain() {}

func timedOut(format string, d time.Duration) error {
	return &worded{fmt.Sprintf(format, d), context.DeadlineExceeded}
}

// ownError is an error that says itself, in a few words, what went wrong.
type ownError interface {
	error
	plain()
}

// plain says in a few words what went wrong on the network. It quotes neither
// URLs nor headers, as the error texts of net/http sometimes do.
func plain(err error) string {
	if own, ok := errors.AsType[ownError](err); ok {
		return OneLine(own.Error(), maxExcerpt)
	}
	if untrusted, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "certificate not trusted: " + OneLine(untrusted.Err.Error(), maxExcerpt)
	}
	if refusedByPeer(err) {
		return "the server refused the client certificate, or asked for one: " + network(err)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && (op.Op == "proxyconnect" || strings.HasPrefix(op.Op, "socks")) {
		return "proxy: " + network(op.Err)
	}
	return network(err)
}

// network names the innermost fault.
func network(err error) string {
	dns, isDNS := errors.AsType[*net.DNSError](err)
	errno, isErrno := errors.AsType[syscall.Errno](err)
	switch {
	case isDNS && dns.IsNotFound:
		return "no such host"
	case isDNS && dns.IsTimeout:
		return "name resolution timed out"
	case isDNS:
		return "name resolution failed"
	case err == context.DeadlineExceeded:
		return "timed out"
	case isTimeout(err):
		return "connecting timed out after " + dialTimeout.String()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), strings.HasSuffix(err.Error(), errClosedIdle):
		return "connection closed before the answer was complete"
	case isErrno:
		return errno.Error()
	}
	for op, ok := errors.AsType[*net.OpError](err); ok && op.Err != nil; op, ok = errors.AsType[*net.OpError](err) {
		err = op.Err
	}
	if strings.Contains(err.Error(), "response headers exceeded") {
		return fmt.Sprintf("the header of the answer is longer than %d KiB", maxAnswerHeader>>10)
	}
	text := strings.TrimPrefix(err.Error(), "net/http: ")
	text = OneLine(strings.TrimPrefix(text, "HTTP/1.x transport connection broken: "), maxExcerpt)
	for _, sign := range legacySigns {
		if strings.Contains(text, sign) {
			return text + "; if the server is an old one, name it in TLS_LEGACY_HOSTS"
		}
	}
	return text
}

// legacySigns is what crypto/tls says of servers that allowLegacy is for.
var legacySigns = []string{
	"tls: protocol version not supported", "tls: server selected unsupported protocol version", "tls: handshake failure", "tls: no renegotiation",
}

// errClosedIdle is what net/http says of a connection that the server closed
// while a request was put on it. It exports no value for it.
const errClosedIdle = "http: server closed idle connection"

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// OneLine is what a log or a page shows of a text that a backend or a user
// gave: at most n characters on one line, valid as UTF-8, without control
// characters and direction marks. Where it was cut it ends in …
func OneLine(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), unicode.IsControl(r):
			return ' '
		case !unicode.IsPrint(r) && r != '\u200c' && r != '\u200d': // joiners make letters and emoji, they turn nothing around
			return -1
		}
		return r
	}, s)
	runes := []rune(strings.Join(strings.Fields(s), " "))
	if len(runes) > n {
		return strings.TrimRight(string(runes[:n]), " ") + "…"
	}
	return string(runes)
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
