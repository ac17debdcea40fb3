package wire

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// MaxWait bounds a wait that the header of an answer asks for.
const MaxWait = 24 * time.Hour

// RetryAfter returns how long an answer asks to wait by Retry-After, which gives
// seconds or a date (RFC 9110, section 10.2.3): from 0 to MaxWait. Asked is false
// where there is none that can be read.
func RetryAfter(h http.Header) (wait time.Duration, asked bool) {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if s, err := strconv.ParseFloat(text, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		return seconds(s), true
	}
	at, err := http.ParseTime(text)
	return seconds(at.Sub(serverNow(h)).Seconds()), err == nil
}

// UntilReset returns when a rate limit begins anew, from 0 to MaxWait, by the
// header of a name. GitHub, GitLab and Azure DevOps give it in seconds since
// 1970, the drafts of the IETF in seconds from now, and Port's documentation in
// both ways: their sizes tell them apart.
func UntilReset(h http.Header, name string) (wait time.Duration, ok bool) {
	s, err := strconv.ParseFloat(strings.TrimSpace(h.Get(name)), 64)
	if s >= 1e8 { // three years
		s -= float64(serverNow(h).Unix())
	}
	return seconds(s), err == nil
}

// serverNow is the time by the server's clock, on which its dates are meant.
func serverNow(h http.Header) time.Time {
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		return date
	}
	return time.Now()
}

func seconds(s float64) time.Duration {
	if !(s > 0) { // nor is NaN
		return 0
	}
	return time.Duration(min(s, MaxWait.Seconds()) * float64(time.Second))
}
