package wire

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http/httpguts"

	"port-agent/invoker/wire/wiretest"
)

// The bytes of a request are what its signature and its receiver expect.
func TestRequestOnTheWire(t *testing.T) {
	t.Parallel()
	const ours = "Accept: */*\r\nAccept-Encoding: gzip\r\n"
	for _, tc := range []struct {
		name string
		call Call
		path string
		want string // without Host
	}{
		{
			"a body", Call{Method: "POST", Header: http.Header{"X-B": {"2"}, "X-A": {"1", "one"}, "User-Agent": {"a"}}, Body: []byte("{}")},
			"/a%2Fb?c=d",
			"POST /a%2Fb?c=d HTTP/1.1\r\nUser-Agent: a\r\nContent-Length: 2\r\n" + ours + "X-A: 1\r\nX-A: one\r\nX-B: 2\r\n\r\n{}",
		},
		{
			"no body", Call{Method: "GET", Header: http.Header{"Accept-Encoding": {"br"}, "Accept": {"x/y"}, "User-Agent": {"a"}}}, "",
			"GET / HTTP/1.1\r\nUser-Agent: a\r\nAccept: x/y\r\nAccept-Encoding: br\r\n\r\n",
		},
		{
			"an empty body", Call{Method: "POST", Header: http.Header{"User-Agent": {"a"}}, Body: []byte{}}, "/",
			"POST / HTTP/1.1\r\nUser-Agent: a\r\nContent-Length: 0\r\n" + ours + "\r\n",
		},
		{
			"DELETE says that nothing follows", Call{Method: "DELETE", Header: http.Header{"User-Agent": {"a"}}}, "/",
			"DELETE / HTTP/1.1\r\nUser-Agent: a\r\nContent-Length: 0\r\n" + ours + "\r\n",
		},
		{
			"framing of the rule", Call{Method: "PUT", Header: http.Header{"Transfer-Encoding": {"chunked"}, "Content-Length": {"9"}, "User-Agent": {"a"}}}, "/",
			"PUT / HTTP/1.1\r\nUser-Agent: a\r\nContent-Length: 0\r\n" + ours + "\r\n",
		},
		{
			"names as the rule writes them",
			Call{
				Method: "GET", Header: http.Header{"X-Api-Key": {"k"}, "User-Agent": {"a"}, "Accept": {"x/y"}},
				Spelling: map[string]string{"X-Api-Key": "X-API-key", "User-Agent": "user-agent", "Accept": "ACCEPT"},
			}, "/",
			"GET / HTTP/1.1\r\nACCEPT: x/y\r\nAccept-Encoding: gzip\r\nX-API-key: k\r\nuser-agent: a\r\n\r\n",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			wire := make(chan string, 1)
			address := rawServer(t, func(_ int, c net.Conn) {
				buf := make([]byte, 4096)
				n, _ := c.Read(buf)
				wire <- string(buf[:n])
				_, _ = io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n")
			})
			c := newClient(t, verified, nil)
			var err error
			if tc.call.URL, err = url.Parse("http://" + address + tc.path); err != nil {
				t.Fatal(err)
			}
			res, _, err := c.exchange(t.Context(), &tc.call)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if got := strings.Replace(<-wire, "Host: "+address+"\r\n", "", 1); got != tc.want {
				t.Errorf("got\n%q, want\n%q", got, tc.want)
			}
		})
	}
}

// FuzzCall writes calls to whatever strangers may make of a URL and a header: a
// server reads one request, and this one.
func FuzzCall(f *testing.F) {
	f.Add("POST", "https://h/p?q", "X-A", "v", []byte("body"))
	f.Add("DELETE", "http://[::1]:0/a b#c", "Host", "x", []byte(nil))
	f.Add("GET", "http://u:p@h/\n", "Transfer-Encoding", "chunked", []byte("0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, method, raw, name, value string, body []byte) {
		u, err := ParseURL(raw)
		if err != nil || !slices.Contains([]string{"GET", "POST", "PUT", "PATCH", "DELETE"}, method) ||
			!httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			return // net/http refuses such a header
		}
		u.User = nil
		call := &Call{Method: method, URL: u, Body: body, Header: http.Header{http.CanonicalHeaderKey(name): {value}}}
		var wire bytes.Buffer
		if err := call.request(t.Context()).Write(&wire); err != nil {
			return // net/http refuses hosts that it cannot write
		}
		rest := bufio.NewReader(&wire)
		got, err := http.ReadRequest(rest)
		if err != nil {
			t.Fatalf("read %q: %v", u, err)
		}
		read, err := io.ReadAll(got.Body)
		if got.Method != method || got.RequestURI != u.RequestURI() || !bytes.Equal(read, body) || err != nil {
			t.Errorf("got %s %s %q, %v, want %s %s %q", got.Method, got.RequestURI, read, err, method, u.RequestURI(), body)
		}
		if n := rest.Buffered() + wire.Len(); n > 0 {
			t.Errorf("%d bytes follow the request to %q", n, u)
		}
	})
}

// What a server says in an answer decides whether the connection is used for
// the next request.
func TestReuse(t *testing.T) {
	t.Parallel()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = io.WriteString(z, "ok")
	z.Close()
	for _, tc := range []struct {
		name, answer string
		header       http.Header
		close        bool // the server closes behind the answer
		want         int  // connections for two requests
		status       int
		body         string
	}{
		{name: "a length", answer: okAnswer, want: 1, status: 200, body: "ok"},
		{name: "chunks", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", want: 1, status: 200, body: "ok"},
		{name: "no content", answer: "HTTP/1.1 204 No Content\r\n\r\n", want: 1, status: 204},
		{name: "nothing", answer: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", want: 1, status: 200},
		{
			name:   "announced before",
			answer: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + okAnswer, want: 1, status: 200, body: "ok",
		},
		{
			name: "packed", want: 1, status: 200, body: "ok",
			answer: fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: GZIP\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", packed.Len(), packed.String()),
		},
		{
			name: "packed on request", header: http.Header{"Accept-Encoding": {"gzip"}}, want: 1, status: 200, body: "ok",
			answer: fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", packed.Len(), packed.String()),
		},
		{name: "a farewell", answer: "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", want: 2, status: 200, body: "ok"},
		{name: "our farewell", answer: okAnswer, header: http.Header{"Connection": {"close"}}, want: 2, status: 200, body: "ok"},
		{name: "HTTP/1.0", answer: "HTTP/1.0 200 OK\r\n\r\nok", close: true, want: 2, status: 200, body: "ok"},
		{name: "more than an answer", answer: okAnswer + "HTTP/1.1 200 OK\r\n\r\n", want: 2, status: 200, body: "ok"},
		{
			name: "too long to be read", want: 2, status: 200, body: strings.Repeat("x", maxAnswer),
			answer: fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", 2*maxAnswer, strings.Repeat("x", 2*maxAnswer)),
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var conns atomic.Int64
			address := rawServer(t, func(_ int, c net.Conn) {
				conns.Add(1)
				r := bufio.NewReader(c)
				for readRequest(r) == nil {
					_, _ = io.WriteString(c, tc.answer)
					if tc.close {
						return
					}
				}
			})
			c := newClient(t, verified, nil)
			call := post(t, "http://"+address)
			call.Header = tc.header
			for range 2 {
				res, err := do(t, c, call)
				if err != nil {
					t.Fatal(err)
				}
				if res.StatusCode != tc.status || string(res.Body) != tc.body {
					t.Errorf("got %d %.100q, want %d %.100q", res.StatusCode, res.Body, tc.status, tc.body)
				}
			}
			if got := int(conns.Load()); got != tc.want {
				t.Errorf("got %d connections, want %d", got, tc.want)
			}
		})
	}
}

// empty is a POST without a body.
func empty(t testing.TB, raw string) *Call {
	t.Helper()
	call := post(t, raw)
	call.Body = nil
	return call
}

// deadConn fails to write once it is dead.
type deadConn struct {
	net.Conn
	dead *atomic.Bool
}

func (c deadConn) Write(p []byte) (int, error) {
	if c.dead.Load() {
		return 0, errors.New("write: broken pipe")
	}
	return c.Conn.Write(p)
}

// An idle connection that turns out to be dead before anything was written is
// no attempt at all; a new one that does is.
func TestDeadConnection(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		call func(t testing.TB, raw string) *Call
	}{{"with a body", post}, {"without a body", empty}, {"GET", get}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := wiretest.New(t, nil)
			c := newClient(t, verified, nil)
			var first, later atomic.Bool
			var dials atomic.Int64
			call := tc.call(t, s.URL)
			c.transport(call, false).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := c.dial(ctx, network, address)
				dead := &later
				if dials.Add(1) == 1 {
					dead = &first
				}
				if l, ok := conn.(*link); ok {
					l.Conn = deadConn{l.Conn, dead}
				}
				return conn, err
			}
			for range 2 {
				if _, err := do(t, c, call); err != nil {
					t.Fatal(err)
				}
			}
			first.Store(true)
			if _, err := do(t, c, call); err != nil {
				t.Fatal(err)
			}
			later.Store(true)
			_, err := do(t, c, call)
			if want := call.Method + " " + s.URL + ": write: broken pipe"; err == nil || err.Error() != want || fault(t, err).Sent {
				t.Errorf("got %v, sent %t, want %s", err, fault(t, err).Sent, want)
			}
			if got := dials.Load(); got != 3 {
				t.Errorf("got %d connections, want 3", got)
			}
			if got := len(s.Exchanges()); got != 3 {
				t.Errorf("got %d requests, want 3", got)
			}
		})
	}
}

// A server that has no use for a large request may say so and close, long
// before it has read it.
func TestEarlyAnswer(t *testing.T) {
	t.Parallel()
	address := rawServer(t, func(_ int, c net.Conn) {
		_, _ = io.ReadFull(c, make([]byte, 1<<10))
		_, _ = io.WriteString(c, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\n\r\nlarge")
	})
	c := newClient(t, verified, nil)
	call := post(t, "http://"+address)
	call.Body = make([]byte, 16<<20)
	res, err := do(t, c, call)
	if err != nil || res.StatusCode != http.StatusRequestEntityTooLarge || string(res.Body) != "large" {
		t.Errorf("got %+v, %v", res, err)
	}
}

func TestAnswerHeaderLimit(t *testing.T) {
	t.Parallel()
	for name, line := range map[string]string{
		"one answer": "X-Long: " + strings.Repeat("x", 1000) + "\r\n",
		"many":       "HTTP/1.1 100 Continue\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := rawServer(t, func(_ int, c net.Conn) {
				_ = readRequest(bufio.NewReader(c))
				if name == "one answer" {
					_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n")
				}
				for {
					if _, err := io.WriteString(c, line); err != nil {
						return
					}
				}
			})
			c := newClient(t, verified, nil)
			_, err := do(t, c, post(t, "http://"+address))
			if want := "POST http://" + address + ": the header of the answer is longer than 256 KiB"; err == nil || err.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
}

// An attempt that is called off ends at once, in whatever it is waiting for.
func TestCanceledUnderWay(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, scheme string
		say          string
		large        bool
		sent         bool
		want         string
	}{
		{name: "in the handshake", scheme: "https", want: "called off"},
		{name: "while writing", scheme: "http", large: true, sent: true, want: "called off"},
		{name: "before the answer", scheme: "http", sent: true, want: "called off"},
		{name: "in the header", scheme: "http", say: "HTTP/1.1 200 OK\r\nX-", sent: true, want: "called off"},
		{name: "in the body", scheme: "http", say: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", sent: true, want: "the answer (200) broke off: called off"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(t.Context())
			ended := make(chan struct{})
			address := rawServer(t, func(_ int, c net.Conn) {
				_, _ = c.Read(make([]byte, 16))
				_, _ = io.WriteString(c, tc.say)
				time.AfterFunc(50*time.Millisecond, func() { cancel(errors.New("called off")) })
				<-ended // a connection that the server closes is another failure
			})
			c := newClient(t, verified, nil)
			call := post(t, tc.scheme+"://"+address)
			if tc.large {
				call.Body = make([]byte, 32<<20)
			}
			call.NeedBody = true
			ctx, clock := NewClock(ctx, limit)
			defer clock.Stop()
			_, err := c.Do(ctx, clock, call)
			close(ended)
			if want := "POST " + tc.scheme + "://" + address + ": " + tc.want; err == nil || err.Error() != want || fault(t, err).Sent != tc.sent {
				t.Errorf("got %v, sent %t, want %s, %t", err, fault(t, err).Sent, want, tc.sent)
			}
		})
	}
}
