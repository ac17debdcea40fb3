package wire

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"port-agent/invoker/wire/wiretest"
)

// rawServer hands each connection to serve, numbered from 0.
func rawServer(t *testing.T, serve func(n int, c net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { defer c.Close(); serve(n, c) })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String()
}

// readRequest reads one whole request from a connection.
func readRequest(r *bufio.Reader) error {
	req, err := http.ReadRequest(r)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, req.Body)
	return err
}

const okAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// The connection is closed after a second request on it was read: the
// backend may have done the work.
func TestNothingIsSentTwice(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		edit func(call *Call)
	}{
		{"with a body", func(*Call) {}},
		{"without a body", func(call *Call) { call.Body = nil }},
		{"an empty body", func(call *Call) { call.Body = []byte{} }},
		{"with a key", func(call *Call) { call.Body, call.Header["Idempotency-Key"] = nil, []string{"k"} }},
		{"with the other key", func(call *Call) { call.Body, call.Header["X-Idempotency-Key"] = nil, []string{"k"} }},
		{"PUT", func(call *Call) { call.Method, call.Body = "PUT", nil }},
		{"GET", func(call *Call) { call.Method, call.Body = "GET", nil }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int64
			address := rawServer(t, func(_ int, c net.Conn) {
				r := bufio.NewReader(c)
				for readRequest(r) == nil {
					if requests.Add(1) >= 2 {
						return
					}
					_, _ = io.WriteString(c, okAnswer)
				}
			})
			c := newClient(t, verified, nil)
			call := post(t, "http://"+address)
			tc.edit(call)
			if _, err := do(t, c, call); err != nil {
				t.Fatal(err)
			}
			_, err := do(t, c, call)
			want := call.Method + " http://" + address + ": connection closed before the answer was complete"
			if err == nil || err.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
			if e := fault(t, err); !e.Sent || e.Final {
				t.Errorf("got sent %t, final %t, want true, false", e.Sent, e.Final)
			}
			if got := requests.Load(); got != 2 {
				t.Errorf("got %d requests, want 2", got)
			}
		})
	}
}

// net/http hands a connection on before it returns an answer without a body.
// What the next request does there does not change what is known of this one.
func TestAnswerWithoutABodyIsNotAskedForTwice(t *testing.T) {
	t.Parallel()
	const callers, each = 16, 400
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }))
	t.Cleanup(server.Close)
	c := newClient(t, verified, nil)
	var all sync.WaitGroup
	for range callers {
		call := empty(t, server.URL)
		all.Go(func() {
			for range each {
				if _, err := do(t, c, call); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	if got := requests.Load(); got != callers*each {
		t.Errorf("the server got %d requests, want %d", got, callers*each)
	}
}

func TestSent(t *testing.T) {
	t.Parallel()
	closedPort := func(t *testing.T) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return l.Addr().String()
	}
	for _, tc := range []struct {
		name     string
		url      func(t *testing.T) string
		wantSent bool
		timeout  time.Duration
		wantErr  string
	}{
		{
			name:    "refused",
			url:     func(t *testing.T) string { return "http://" + closedPort(t) },
			wantErr: "connection refused",
		},
		{
			name: "no TLS there",
			url: func(t *testing.T) string {
				return "https://" + rawServer(t, func(_ int, c net.Conn) { _, _ = io.WriteString(c, okAnswer) })
			},
			wantErr: "tls: first record does not look like a TLS handshake",
		},
		{
			name: "hangs after the request",
			url: func(t *testing.T) string {
				return wiretest.New(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }).URL
			},
			wantSent: true,
			timeout:  300 * time.Millisecond,
			wantErr:  "timed out after 300ms",
		},
		{
			name: "closes after the request",
			url: func(t *testing.T) string {
				return "http://" + rawServer(t, func(_ int, c net.Conn) { _ = readRequest(bufio.NewReader(c)) })
			},
			wantSent: true,
			wantErr:  "connection closed before the answer was complete",
		},
		{
			name: "breaks off",
			url: func(t *testing.T) string {
				return "http://" + rawServer(t, func(_ int, c net.Conn) {
					_ = readRequest(bufio.NewReader(c))
					_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nok")
				})
			},
			wantSent: true,
			wantErr:  "the answer (200) broke off: connection closed before the answer was complete",
		},
		{
			name: "trickles for ever",
			url: func(t *testing.T) string {
				return wiretest.New(t, func(w http.ResponseWriter, r *http.Request) {
					_, _ = io.WriteString(w, "begin")
					w.(http.Flusher).Flush()
					<-r.Context().Done()
				}).URL
			},
			wantSent: true,
			timeout:  2 * time.Second, // enough for the answer to begin
			wantErr:  "the answer (200) broke off: nothing came for 2s",
		},
		{
			name: "not HTTP",
			url: func(t *testing.T) string {
				return "http://" + rawServer(t, func(_ int, c net.Conn) {
					_ = readRequest(bufio.NewReader(c))
					_, _ = io.WriteString(c, "SSH-2.0-x\r\n")
				})
			},
			wantSent: true,
			wantErr:  `malformed HTTP response "SSH-2.0-x"`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, verified, nil)
			base := tc.url(t)
			call := post(t, base+"/p?token=query-canary")
			call.NeedBody = true
			ctx, clock := NewClock(t.Context(), cmp.Or(tc.timeout, limit))
			defer clock.Stop()
			_, err := c.Do(ctx, clock, call)
			if want := "POST " + base + "/p: " + tc.wantErr; err == nil || err.Error() != want {
				t.Fatalf("got %v, want %s", err, want)
			}
			if answered := strings.Contains(tc.wantErr, "(200)"); fault(t, err).Final != answered {
				t.Errorf("final: got %t, want %t", !answered, answered)
			}
			if got := fault(t, err).Sent; got != tc.wantSent {
				t.Errorf("sent: got %t, want %t", got, tc.wantSent)
			}
		})
	}
}

func TestNoSuchHost(t *testing.T) {
	t.Parallel()
	c := newClient(t, verified, nil)
	c.dialer.Resolver = resolver(t, nil)
	_, err := do(t, c, post(t, "http://nowhere.test/hook"))
	if want := "POST http://nowhere.test/hook: no such host"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if fault(t, err).Sent {
		t.Error("sent: got true, want false")
	}
}

func TestCanceled(t *testing.T) {
	t.Parallel()
	s := wiretest.New(t, nil)
	c := newClient(t, verified, nil)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("the agent was stopped"))
	ctx, clock := NewClock(ctx, limit)
	defer clock.Stop()
	_, err := c.Do(ctx, clock, post(t, s.URL))
	if want := "POST " + s.URL + ": the agent was stopped"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if fault(t, err).Sent || len(s.Exchanges()) != 0 {
		t.Error("a request was sent")
	}
}

func TestBodyLimit(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		size    int
		chunked bool
		gzipped bool
		want    int
	}{
		{"at the limit", maxAnswer, false, false, maxAnswer},
		{"one more", maxAnswer + 1, false, false, maxAnswer},
		{"chunked", 3 * maxAnswer, true, false, maxAnswer},
		{"unpacked", 3 * maxAnswer, false, true, maxAnswer},
		{"small", 10, false, false, 10},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := wiretest.New(t, func(w http.ResponseWriter, _ *http.Request) {
				if tc.chunked {
					w.(http.Flusher).Flush()
				}
				if tc.gzipped {
					w.Header().Set("Content-Encoding", "gzip")
					z := gzip.NewWriter(w)
					defer z.Close()
					_, _ = io.WriteString(z, strings.Repeat("x", tc.size))
					return
				}
				_, _ = io.WriteString(w, strings.Repeat("x", tc.size))
			})
			c := newClient(t, verified, nil)
			res, err := do(t, c, post(t, s.URL))
			if err != nil {
				t.Fatal(err)
			}
			if len(res.Body) != tc.want || res.Truncated != (tc.size > tc.want) {
				t.Errorf("got %d bytes, truncated %t, want %d", len(res.Body), res.Truncated, tc.want)
			}
		})
	}
}

// An answer that turns the connection into something else has no body to wait
// for.
func TestSwitchingProtocols(t *testing.T) {
	t.Parallel()
	address := rawServer(t, func(_ int, c net.Conn) {
		r := bufio.NewReader(c)
		_ = readRequest(r)
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
		_, _ = r.ReadByte()
	})
	c := newClient(t, verified, nil)
	res, err := do(t, c, post(t, "http://"+address+"/hook"))
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols || len(res.Body) != 0 {
		t.Errorf("got %+v, %v", res, err)
	}
}
