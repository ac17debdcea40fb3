package wire

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"port-agent/invoker/wire/wiretest"
)

const stolen = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen"

// An answer belongs to its request: what a backend sends right behind it, in
// one or in a TLS record of its own, is never taken for the answer to the next.
func TestSecondAnswer(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	cfg := verified
	cfg.CADir = t.TempDir()
	write(t, filepath.Join(cfg.CADir, "ca.crt"), a.pem)
	pair := a.pair(t)
	for _, tc := range []struct {
		name, scheme string
		answer       []string // each a write of its own
	}{
		{"in one", "http", []string{okAnswer + stolen}},
		{"in one", "https", []string{okAnswer + stolen}},
		{"in a record of its own", "https", []string{okAnswer, stolen}},
	} {
		t.Run(tc.scheme+" "+tc.name, func(t *testing.T) {
			t.Parallel()
			address := rawServer(t, func(_ int, c net.Conn) {
				w := &together{Conn: c}
				c = w
				if tc.scheme == "https" {
					c = tls.Server(w, &tls.Config{Certificates: []tls.Certificate{pair}})
				}
				r := bufio.NewReader(c)
				for readRequest(r) == nil {
					for _, part := range tc.answer {
						_, _ = io.WriteString(c, part)
					}
					w.flush()
				}
			})
			c := newClient(t, cfg, nil)
			for n := range 300 {
				call := post(t, tc.scheme+"://"+address)
				call.NeedBody = true
				res, err := do(t, c, call)
				if err != nil || string(res.Body) != "ok" {
					t.Fatalf("%d: got %v, %v", n, res, err)
				}
			}
		})
	}
}

// together is a connection that sends what was written in one piece, when it is
// flushed or read from.
type together struct {
	net.Conn
	written []byte
}

func (c *together) Write(p []byte) (int, error) {
	c.written = append(c.written, p...)
	return len(p), nil
}

func (c *together) flush() {
	_, _ = c.Conn.Write(c.written)
	c.written = nil
}

func (c *together) Read(p []byte) (int, error) {
	c.flush()
	return c.Conn.Read(p)
}

// A server may say something on an idle connection, which is no answer, or
// close it, also below TLS, whose goodbye is data to the socket. Such a
// connection is not used again.
func TestWhileIdle(t *testing.T) {
	t.Parallel()
	pair := newAuthority(t).pair(t)
	for _, tc := range []struct {
		name, scheme string
		version      uint16
	}{{"plain", "http", 0}, {"TLS 1.2", "https", tls.VersionTLS12}, {"TLS 1.3", "https", tls.VersionTLS13}} {
		for _, closes := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s closes %t", tc.name, closes), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					const requests = 50
					idle := make(chan struct{})
					conns, seen := 0, 0
					var wg sync.WaitGroup
					c := newClient(t, verified, nil)
					c.transports[way{}] = &http.Transport{
						TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
						DialContext: func(context.Context, string, string) (net.Conn, error) {
							client, server := net.Pipe()
							conns++
							wg.Go(func() {
								if tc.scheme == "https" {
									server = tls.Server(server, &tls.Config{Certificates: []tls.Certificate{pair}, MaxVersion: tc.version})
								}
								defer server.Close()
								r := bufio.NewReader(server)
								for readRequest(r) == nil {
									seen++
									_, _ = io.WriteString(server, okAnswer)
									<-idle
									if closes {
										return
									}
									_, _ = io.WriteString(server, stolen)
								}
							})
							return newLink(client), nil
						},
					}
					for n := range requests {
						call := post(t, tc.scheme+"://backend.test")
						call.NeedBody = true
						res, err := do(t, c, call)
						if err != nil || string(res.Body) != "ok" {
							t.Fatalf("%d: got %v, %v", n, res, err)
						}
						idle <- struct{}{}
						synctest.Wait()
					}
					wg.Wait()
					if conns != requests || seen != requests {
						t.Errorf("got %d connections and %d requests, want %d of each", conns, seen, requests)
					}
				})
			})
		}
	}
}

// The limit of an attempt is one of pauses: a backend that goes on talking is
// listened to for ten times as long.
func TestTime(t *testing.T) {
	t.Parallel()
	const limit = time.Second // hides the usual one
	for _, tc := range []struct {
		name   string
		header time.Duration // before the header
		pauses []time.Duration
		needed bool
		want   string // error; "": accepted
		body   string
		took   time.Duration
	}{
		{name: "late header", header: 2 * limit, want: "timed out after 1s", took: limit},
		{name: "just in time", header: limit - time.Millisecond, needed: true, pauses: []time.Duration{limit - time.Millisecond}, body: ".", took: 2*limit - 2*time.Millisecond},
		{name: "slow body", pauses: []time.Duration{800 * time.Millisecond, 800 * time.Millisecond, 800 * time.Millisecond}, needed: true, body: "...", took: 2400 * time.Millisecond},
		{name: "a pause too long", pauses: []time.Duration{0, 2 * limit}, needed: true, want: "the answer (200) broke off: nothing came for 1s", took: limit},
		{name: "a body without end", pauses: many(40, limit/2), needed: true, want: "the answer (200) broke off: took longer than 10s in all", took: 10 * limit},
		{name: "a body nobody needs", pauses: many(40, limit/2), body: ".", took: limit},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newClient(t, verified, nil)
				client, server := net.Pipe()
				c.transports[way{}] = &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return newLink(client), nil }}
				var wg sync.WaitGroup
				defer wg.Wait()
				wg.Go(func() {
					defer server.Close()
					_ = readRequest(bufio.NewReader(server))
					time.Sleep(tc.header)
					_, _ = io.WriteString(server, "HTTP/1.1 200 OK\r\n\r\n")
					for _, d := range tc.pauses {
						time.Sleep(d)
						if _, err := io.WriteString(server, "."); err != nil {
							return
						}
					}
				})
				call := post(t, "http://backend.test/")
				call.NeedBody, call.SkipBody = tc.needed, !tc.needed
				answered := 0
				call.OnAnswer = func() { answered++ }
				start := time.Now()
				ctx, clock := NewClock(t.Context(), limit)
				defer clock.Stop()
				res, err := c.Do(ctx, clock, call)
				took := time.Since(start)
				if want := "POST http://backend.test/: " + tc.want; tc.want != "" && (err == nil || err.Error() != want) || tc.want == "" && err != nil {
					t.Fatalf("got %v, want %s", err, want)
				}
				if tc.want == "" && !strings.HasPrefix(string(res.Body), tc.body) {
					t.Errorf("body %q", res.Body)
				}
				if took != tc.took {
					t.Errorf("took %v, want %v", took, tc.took)
				}
				if want := 1; tc.header < limit && answered != want || tc.header > limit && answered != 0 {
					t.Errorf("OnAnswer was called %d times", answered)
				}
				c.Close()
				client.Close()
			})
		})
	}
}

func many(n int, d time.Duration) []time.Duration {
	all := make([]time.Duration, n)
	for k := range all {
		all[k] = d
	}
	return all
}

// A PUT that was answered 200 is not sent again because its body broke off; a
// GET, which is made for the body, is.
func TestBrokenBodyIsNoReasonToRepeat(t *testing.T) {
	t.Parallel()
	address := rawServer(t, func(_ int, c net.Conn) {
		_ = readRequest(bufio.NewReader(c))
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nbegin")
	})
	c := newClient(t, verified, nil)
	for method, final := range map[string]bool{"GET": false, "PUT": true, "DELETE": true, "POST": true} {
		call := post(t, "http://"+address)
		call.Method, call.NeedBody = method, true
		_, err := do(t, c, call)
		if e := fault(t, err); e.Final != final || !e.Sent {
			t.Errorf("%s: got %v, final %t, sent %t, want %t, true", method, err, e.Final, e.Sent, final)
		}
	}
}

// What happens to a body after a 2xx is a failure only where it is needed.
func TestBrokenBody(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"too short":  "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nbegin",
		"short part": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nbegin",
		"bad part":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\nzz\r\n",
		"bad gzip":   "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nbegin",
		"half a gzip": "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n" +
			pack(t, "begin")[:14],
		"status 500": "HTTP/1.1 500 No\r\nContent-Length: 20\r\n\r\nbegin",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := rawServer(t, func(_ int, c net.Conn) {
				_ = readRequest(bufio.NewReader(c))
				_, _ = io.WriteString(c, answer)
			})
			for _, needed := range []bool{false, true} {
				c := newClient(t, verified, nil) // with a connection of its own: the server closes without a word
				call := post(t, "http://"+address)
				call.NeedBody = needed
				res, err := do(t, c, call)
				switch {
				case name == "status 500":
					if err != nil || string(res.Body) != "begin" || !res.Broken {
						t.Errorf("needed %t: got %+v, %v", needed, res, err)
					}
				case needed && (err == nil || !strings.Contains(err.Error(), "the answer (200) broke off")):
					t.Errorf("needed: got %v", err)
				case !needed && (err != nil || !res.Broken || res.Truncated):
					t.Errorf("not needed: got %+v, %v", res, err)
				}
				if res != nil && strings.Contains(res.Text(), "cut at") {
					t.Errorf("text %q", res.Text())
				}
				if res != nil && strings.HasPrefix(string(res.Body), "begin") && res.Text() != "begin… [the connection broke off]" {
					t.Errorf("text %q", res.Text())
				}
			}
		})
	}
}

func pack(t testing.TB, s string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, s)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Servers pack answers with gzip whether they were asked to or not. What the
// agent never asks for stays as it came.
func TestContentEncoding(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ encoding, body, want string }{
		{"gzip", pack(t, "ok"), "ok"},
		{"X-GZIP", pack(t, "ok"), "ok"},
		{"deflate", "\x4b\xcf\x06\x00", "\x4b\xcf\x06\x00"},
		{"gzip", pack(t, "o") + pack(t, "k"), "ok"},
		{"gzip", "", ""},
		{"deflate", "", ""},
		{"identity", "ok", "ok"},
		{"br", "\x0b\x00\x80ok\x03", "\x0b\x00\x80ok\x03"},
	} {
		for _, asked := range []string{"", "gzip", "identity"} {
			t.Run(fmt.Sprintf("%s %q asked %q", tc.encoding, tc.body, asked), func(t *testing.T) {
				t.Parallel()
				s := wiretest.New(t, func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Encoding", tc.encoding)
					_, _ = io.WriteString(w, tc.body)
				})
				c := newClient(t, verified, nil)
				call := post(t, s.URL)
				call.NeedBody = true
				if asked != "" {
					call.Header["Accept-Encoding"] = []string{asked}
				}
				res, err := do(t, c, call)
				if err != nil || string(res.Body) != tc.want {
					t.Fatalf("got %v, %v", res, err)
				}
			})
		}
	}
}

// An answer is cut at 32 KiB where there is no room for more, and only then.
func TestReserveForAnswer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		size    int
		chunked bool
		room    bool
		asked   int // -1: not at all
		length  int
		cut     bool
	}{
		{"small", 100, false, false, -1, 100, false},
		{"just what is free", freeAnswer, false, false, -1, freeAnswer, false},
		{"just what is free, of unknown length", freeAnswer, true, false, maxAnswer - freeAnswer, freeAnswer, false},
		{"larger, room", 100_000, false, true, 100_000 - freeAnswer, 100_000, false},
		{"larger, of unknown length, room", 100_000, true, true, maxAnswer - freeAnswer, 100_000, false},
		{"larger, no room", 100_000, false, false, 100_000 - freeAnswer, freeAnswer, true},
		{"more than is read", 2 << 20, false, true, maxAnswer - freeAnswer, maxAnswer, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			res := &http.Response{StatusCode: 200, Header: http.Header{}, ContentLength: int64(tt.size), Body: io.NopCloser(bytes.NewReader(make([]byte, tt.size)))}
			if tt.chunked {
				res.ContentLength = -1
			}
			asked := -1
			body, more, err := readBody(res, func(n int) bool { asked = n; return tt.room }, func() {})
			if err != nil || asked != tt.asked || len(body) != tt.length || more != tt.cut {
				t.Errorf("asked for %d, got %d bytes, cut %t (%v); want %d, %d, %t", asked, len(body), more, err, tt.asked, tt.length, tt.cut)
			}
		})
	}
}
