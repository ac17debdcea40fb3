package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"unicode"
)

// maxFault is how many characters of a fault an error shows.
const maxFault = 500

// Error is a call that brought no answer.
type Error struct {
	Endpoint string // what was tried: method and URL without query, or a question that comes before the call
	Sent     bool   // bytes of the request may have left
	Final    bool   // another attempt would end the same way
	Err      error  // says in a few words what went wrong
}

func (e *Error) Error() string { return e.Endpoint + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

func newError(endpoint string, sent bool, err error) *Error {
	return &Error{Endpoint: endpoint, Sent: sent && !refusedByPeer(err), Final: Final(err), Err: &worded{plain(err), err}}
}

// Final reports whether another call would end like the one that has failed with
// err: its error says so, or a certificate is not trusted, a target is refused or
// the server has refused the handshake.
func Final(err error) bool {
	said, called := errors.AsType[*Error](err)
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	return called && said.Final || untrusted || refusedByPeer(err) || errors.Is(err, errRefused)
}

// worded is an error in words of its own for what has led to it.
type worded struct {
	text string
	err  error
}

func (e *worded) Error() string { return e.text }
func (e *worded) Unwrap() error { return e.err }

// plain says in a few words what went wrong on the network. It quotes neither
// URLs nor headers, as the error texts of net/http sometimes do.
func plain(err error) string {
	if own, ok := errors.AsType[*worded](err); ok {
		return own.text
	}
	if untrusted, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "certificate not trusted: " + OneLine(untrusted.Err.Error(), maxFault)
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
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), strings.HasSuffix(err.Error(), "server closed idle connection"): // net/http has no value for it
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
	text = OneLine(strings.TrimPrefix(text, "HTTP/1.x transport connection broken: "), maxFault)
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

// refusedByPeer reports whether the server ended the TLS handshake because of
// the certificate that the agent showed or did not show. In TLS 1.3 that is
// seen only after the request has been written, but a server that refuses the
// handshake never reads it.
func refusedByPeer(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "remote error" && slices.ContainsFunc(certificateAlerts, func(a tls.AlertError) bool { return a.Error() == op.Err.Error() })
}

// certificateAlerts are those of RFC 8446, section 6.2, that speak of the
// client's certificate. The errors that crypto/tls returns are of a type of
// its own, with the same texts.
var certificateAlerts = []tls.AlertError{42, 43, 44, 45, 46, 48, 49, 116}
