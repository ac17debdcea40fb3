package invoker

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
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// The bytes of a request are what its signature and its receiver expect.
func TestRequestOnTheWire(t *testing.T) {
	t.Parallel()
	const ours = "Accept: */*\r\nAccept-Encoding: gzip\r\n"
	for _, tc := range []struct {
		name string
		hop  hop
		path string
		want string // without Host
	}{
		{
			"a body", hop{method: "POST", header: http.Header{"X-B": {"2"}, "X-A": {"1", "one"}, "User-Agent": {"a"}}, body: []byte("{}")},
			"/a%2Fb?c=d",
			"POST /a%2Fb?c=d HTTP/1.1\r\nUser-Agent: a\r\nContent-Length: 2\r\n" + ours + "X-A: 1\r\nX-A: one\r\nX-B: 2\r\n\r\n{}",
		},
		{
			"no body", hop{method: "GET", header: http.Header{"Accept-Encoding": {"br"}, "Accept": {"x/y"}, "User-Agent": {"a"}}}, "",
			"GET / HTTP/1.1\r\nUser-Agent: a\r\nAccept: x/y\r\nAccept-Encoding: br\r\n\r\n",
		},
		{
			"an empty body", hop{method: "POST", header: http.Header{"User-Agent": {"a"}}, body: []byte{}}, "/",
			"POST / HTTP/1.1\r\nUser-Agent: a\r\nContent-Length: 0\r\n" + ours + "\r\n",
		},
		{
			"DELETE says that nothing follows", hop{method: "DELETE", header: http.Header{"User-Agent": {"a"}}}, "/",
			"DELETE / HTTP/1.1\r\nUser-Agent: a\r\nContent-Length: 0\r\n" + ours + "\r\n",
		},
		{
			"framing of the rule", hop{method: "PUT", header: http.Header{"Transfer-Encoding": {"chunked"}, "Content-Length": {"9"}, "User-Agent": {"a"}}}, "/",
			"PUT / HTTP/1.1\r\nUser-Agent: a\r\nContent-Length: 0\r\n" + ours + "\r\n",
		},
		{
			"names as the rule writes them",
			hop{
				method: "GET", header: http.Header{"X-Api-Key": {"k"}, "User-Agent": {"a"}, "Accept": {"x/y"}},
				spelling: map[string]string{"X-Api-Key": "X-API-key", "User-Agent": "user-agent", "Accept": "ACCEPT"},
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
			i := newInvoker(t, testConfig(), testDeps())
			var err error
			if tc.hop.url, err = url.Parse("http://" + address + tc.path); err != nil {
				t.Fatal(err)
			}
			res, _, err := i.exchange(t.Context(), &tc.hop)
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

func TestHeaderCheck(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, value, want string }{
		{"X-A", "ü", ""},
		{"X A", "1", `header name "X A" is not valid`},
		{"X-A", "1\r\nX-B: 2", "header X-A holds a line break"},
		{"X-A", "1\x00", "header X-A holds a control character"},
	} {
		if err := checkHeader(tc.name, tc.value); (err == nil) != (tc.want == "") || err != nil && err.Error() != tc.want {
			t.Errorf("%s %q: got %v, want %q", tc.name, tc.value, err, tc.want)
		}
	}
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
		rule         map[string]string
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
			name: "packed on request", rule: map[string]string{"Accept-Encoding": "gzip"}, want: 1, status: 200, body: "ok",
			answer: fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", packed.Len(), packed.String()),
		},
		{name: "a farewell", answer: "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", want: 2, status: 200, body: "ok"},
		{name: "our farewell", answer: okAnswer, rule: map[string]string{"Connection": "close"}, want: 2, status: 200, body: "ok"},
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
			i := newInvoker(t, testConfig(), testDeps())
			target := hook(t, "http://"+address)
			target.Rule.Headers = tc.rule
			for range 2 {
				res, err := i.Do(t.Context(), build(t, i, target))
				if status := (*StatusError)(nil); err != nil && !errors.As(err, &status) {
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
		rule Override
	}{{"with a body", Override{}}, {"without a body", Override{HasBody: true}}, {"GET", Override{HasBody: true, Method: ptr("GET")}}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := newStandIn(t, nil)
			i := newInvoker(t, testConfig(), testDeps())
			var first, later atomic.Bool
			var dials atomic.Int64
			i.transport("127.0.0.1", false).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				c, err := i.dial(ctx, network, address)
				dead := &later
				if dials.Add(1) == 1 {
					dead = &first
				}
				if l, ok := c.(*link); ok {
					l.Conn = deadConn{l.Conn, dead}
				}
				return c, err
			}
			target := hook(t, s.URL)
			target.Rule = tc.rule
			req := build(t, i, target)
			for range 2 {
				if _, err := i.Do(t.Context(), req); err != nil {
					t.Fatal(err)
				}
			}
			first.Store(true)
			if _, err := i.Do(t.Context(), req); err != nil {
				t.Fatal(err)
			}
			later.Store(true)
			_, err := i.Do(t.Context(), req)
			if want := req.Method + " " + s.URL + ": write: broken pipe"; err == nil || err.Error() != want || Sent(err) {
				t.Errorf("got %v, sent %t, want %s", err, Sent(err), want)
			}
			if got := dials.Load(); got != 3 {
				t.Errorf("got %d connections, want 3", got)
			}
			if got := len(s.exchanges()); got != 3 {
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
	i := newInvoker(t, testConfig(), testDeps())
	target := hook(t, "http://"+address)
	target.Rule.HasBody, target.Rule.Body = true, strings.Repeat("x", 16<<20)
	target.Rule.Headers = map[string]string{"Content-Type": "text/plain"}
	_, err := i.Do(t.Context(), build(t, i, target))
	if want := "POST http://" + address + " answered 413: large"; err == nil || err.Error() != want || !Sent(err) {
		t.Errorf("got %v, sent %t, want %s", err, Sent(err), want)
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
			i := newInvoker(t, testConfig(), testDeps())
			_, err := i.Do(t.Context(), build(t, i, hook(t, "http://"+address)))
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
			i := newInvoker(t, testConfig(), testDeps())
			target := hook(t, tc.scheme+"://"+address)
			if tc.large {
				target.Rule.HasBody, target.Rule.Body = true, strings.Repeat("x", 32<<20)
				target.Rule.Headers = map[string]string{"Content-Type": "text/plain"}
			}
			target.NeedBody = true
			_, err := i.Do(ctx, build(t, i, target))
			close(ended)
			if want := "POST " + tc.scheme + "://" + address + ": " + tc.want; err == nil || err.Error() != want || Sent(err) != tc.sent {
				t.Errorf("got %v, sent %t, want %s, %t", err, Sent(err), want, tc.sent)
			}
		})
	}
}
