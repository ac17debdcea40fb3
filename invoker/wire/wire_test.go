package wire

import (
	"bytes"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

func env(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := vars[name]; return v, ok }
}

func newClient(t testing.TB, cfg Config, vars map[string]string, listeners ...net.Listener) *Client {
	t.Helper()
	c, err := New(cfg, env(vars), listeners...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// verified is the Config that most tests use.
var verified = Config{VerifySSL: true}

// post is a call with a body.
func post(t testing.TB, raw string) *Call {
	t.Helper()
	u, err := ParseURL(raw)
	if err != nil {
		t.Fatal(err)
	}
	return &Call{Method: http.MethodPost, URL: u, Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(`{"a":1}`)}
}

func get(t testing.TB, raw string) *Call {
	t.Helper()
	call := post(t, raw)
	call.Method, call.Body = http.MethodGet, nil
	return call
}

// limit is the time of a call that is not about time.
const limit = 10 * time.Second

func do(t testing.TB, c *Client, call *Call) (*Response, error) {
	t.Helper()
	ctx, clock := NewClock(t.Context(), limit)
	defer clock.Stop()
	return c.Do(ctx, clock, call)
}

// fault is the *Error that err is.
func fault(t testing.TB, err error) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *Error", err)
	}
	return e
}

// exchange is one request as a stand-in has seen it.
type exchange struct {
	method, uri, host string
	header            http.Header
	body              []byte
}

// standIn is a server that records its requests and answers what it is told.
type standIn struct {
	*httptest.Server
	mu   sync.Mutex
	seen []exchange
}

// newStandIn answers with handle, or with an empty 200 where it is nil.
func newStandIn(t testing.TB, handle http.HandlerFunc) *standIn {
	t.Helper()
	s := new(standIn)
	s.Server = httptest.NewServer(s.record(handle))
	t.Cleanup(s.Close)
	return s
}

func (s *standIn) record(handle http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.seen = append(s.seen, exchange{r.Method, r.RequestURI, r.Host, r.Header.Clone(), body})
		s.mu.Unlock()
		if handle != nil {
			r.Body = io.NopCloser(bytes.NewReader(body))
			handle(w, r)
		}
	}
}

func (s *standIn) exchanges() []exchange {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]exchange(nil), s.seen...)
}

func (s *standIn) only(t testing.TB) exchange {
	t.Helper()
	seen := s.exchanges()
	if len(seen) != 1 {
		t.Fatalf("got %d requests, want 1", len(seen))
	}
	return seen[0]
}

// checkSecrets fails the test where a text holds one of the canaries.
func checkSecrets(t testing.TB, what, text string) {
	t.Helper()
	if strings.Contains(text, "-canary") {
		t.Errorf("%s holds a secret: %s", what, text)
	}
}

// TestMain silences the standard logger, as the agent does: net/http quotes
// there what the servers of these tests send unasked.
func TestMain(m *testing.M) {
	log.SetOutput(io.Discard)
	os.Exit(m.Run())
}
