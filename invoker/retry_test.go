package invoker

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"port-agent/invoker/wire"
	"port-agent/invoker/wire/wiretest"
)

// Every status from 100 to 599, for a method that may be repeated and for one
// that may not.
func TestRetryableStatuses(t *testing.T) {
	t.Parallel()
	post, put := &Request{Call: wire.Call{Method: http.MethodPost}}, &Request{Call: wire.Call{Method: http.MethodPut}}
	for status := 100; status < 600; status++ {
		var wantPost, wantPut bool
		switch status {
		case 429, 503:
			wantPost, wantPut = true, true
		case 502, 504:
			wantPut = true
		}
		err := fmt.Errorf("invoke: %w", &StatusError{StatusCode: status})
		if got, _ := Retryable(err, post, nil); got != wantPost {
			t.Errorf("POST %d: got %t, want %t", status, got, wantPost)
		}
		if got, _ := Retryable(err, put, nil); got != wantPut {
			t.Errorf("PUT %d: got %t, want %t", status, got, wantPut)
		}
		if got, _ := Retryable(err, post, []int{status}); got != (status >= 400) {
			t.Errorf("POST %d as the rule wants: got %t, want %t", status, got, status >= 400)
		}
		if got, want := Uncertain(err), status == 502 || status == 504; got != want {
			t.Errorf("%d uncertain: got %t, want %t", status, got, want)
		}
		if !Sent(err) {
			t.Errorf("%d: not sent", status)
		}
	}
}

func TestRetryableTransport(t *testing.T) {
	t.Parallel()
	post, get := &Request{Call: wire.Call{Method: http.MethodPost}}, &Request{Call: wire.Call{Method: http.MethodGet}}
	for _, tc := range []struct {
		sent, final                bool
		wantPost, wantGet, unknown bool
	}{
		{false, false, true, true, false},
		{true, false, false, true, true},
		{false, true, false, false, false},
		{true, true, false, false, false},
	} {
		err := &wire.Error{Sent: tc.sent, Final: tc.final, Err: http.ErrHandlerTimeout}
		if got, _ := Retryable(err, post, []int{502}); got != tc.wantPost {
			t.Errorf("%+v: POST: got %t", tc, got)
		}
		if got, _ := Retryable(err, get, nil); got != tc.wantGet {
			t.Errorf("%+v: GET: got %t", tc, got)
		}
		if got := Uncertain(err); got != tc.unknown {
			t.Errorf("%+v: uncertain: got %t", tc, got)
		}
	}
	refused := &net.OpError{Op: "remote error", Err: tls.AlertError(116)} // certificate required
	if got, _ := Retryable(unsent("get a token", fmt.Errorf("call Port: %w", refused)), post, nil); got {
		t.Error("a token call whose handshake is refused: got true, want false")
	}
	if got, _ := Retryable(http.ErrBodyNotAllowed, nil, nil); got {
		t.Error("an error of somebody else: got true, want false")
	}
}

func TestRetryAfterOfAnswer(t *testing.T) {
	t.Parallel()
	s := wiretest.New(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "12")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	i := newInvoker(t, testConfig(), testDeps())
	req := build(t, i, hook(t, s.URL))
	_, err := i.Do(t.Context(), req)
	if retry, after := Retryable(err, req, nil); !retry || after != 12*time.Second {
		t.Errorf("got %t, %v, want true, 12s", retry, after)
	}
}

// What servers send when they limit is a limit, whatever its form.
func TestRateLimits(t *testing.T) {
	t.Parallel()
	const epoch = "at " // before a number of seconds from now, which is sent as the second since 1970
	for _, tc := range []struct {
		name   string
		status int
		header map[string]string
		limit  bool
		after  time.Duration // at most, and two thirds at least; 0: none asked for
	}{
		{"GitHub's primary limit", 403, map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": epoch + "60"}, true, time.Minute},
		{"GitHub's secondary limit", 403, map[string]string{"Retry-After": "60", "X-RateLimit-Remaining": "4999"}, true, time.Minute},
		{"GitLab", 429, map[string]string{"RateLimit-Remaining": "0", "RateLimit-Reset": epoch + "30"}, true, 30 * time.Second},
		{"GitLab with both", 429, map[string]string{"Retry-After": "5", "RateLimit-Reset": epoch + "30"}, true, 5 * time.Second},
		{"Azure DevOps", 429, map[string]string{"X-RateLimit-Reset": epoch + "20", "X-RateLimit-Remaining": "0"}, true, 20 * time.Second},
		{"the draft of the IETF", 429, map[string]string{"RateLimit-Reset": "17"}, true, 17 * time.Second},
		{"a reset long ago", 429, map[string]string{"RateLimit-Reset": epoch + "-3600"}, true, 0},
		{"a reset without sense", 429, map[string]string{"RateLimit-Reset": "soon"}, true, 0},
		{"a reset at the end of time", 429, map[string]string{"RateLimit-Reset": "1e300"}, true, wire.MaxWait},
		{"a right that lacks", 403, map[string]string{"X-RateLimit-Remaining": "4999", "X-RateLimit-Reset": epoch + "60"}, false, 0},
		{"another refusal", 404, map[string]string{"X-RateLimit-Remaining": "0"}, false, 0},
		{"a pause of a server that says its limits always", 503, map[string]string{"RateLimit-Remaining": "99", "RateLimit-Reset": epoch + "60"}, true, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := wiretest.New(t, func(w http.ResponseWriter, _ *http.Request) {
				for k, v := range tc.header {
					if n, ok := strings.CutPrefix(v, epoch); ok {
						d, _ := strconv.Atoi(n)
						v = strconv.FormatInt(time.Now().Unix()+int64(d), 10)
					}
					w.Header().Set(k, v)
				}
				w.WriteHeader(tc.status)
			})
			i := newInvoker(t, testConfig(), testDeps())
			req := build(t, i, hook(t, s.URL))
			_, err := i.Do(t.Context(), req)
			retry, after := Retryable(err, req, nil)
			if retry != tc.limit || after > tc.after || after < tc.after*2/3 {
				t.Errorf("got retryable %t after %v, want %t after %v", retry, after, tc.limit, tc.after)
			}
		})
	}
}
