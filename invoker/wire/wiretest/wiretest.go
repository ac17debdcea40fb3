// Package wiretest is a stand-in for the servers that calls of package wire go to.
// Tests alone import it.
package wiretest

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
)

// Exchange is one request as a StandIn has seen it.
type Exchange struct {
	Method, URI, Host string
	Header            http.Header
	Body              []byte
}

// StandIn is a server that records its requests and answers what it is told. Its
// methods may be called from many goroutines at once.
type StandIn struct {
	*httptest.Server
	mu   sync.Mutex
	seen []Exchange
}

// New starts a StandIn that answers with handle, or with an empty 200 where it is
// nil. It is closed at the end of the test.
func New(t testing.TB, handle http.HandlerFunc) *StandIn {
	t.Helper()
	s := new(StandIn)
	s.Server = httptest.NewServer(s.Record(handle))
	t.Cleanup(s.Close)
	return s
}

// Record returns a handler that records a request before handle, which may be nil,
// answers it.
func (s *StandIn) Record(handle http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.seen = append(s.seen, Exchange{r.Method, r.RequestURI, r.Host, r.Header.Clone(), body})
		s.mu.Unlock()
		if handle != nil {
			r.Body = io.NopCloser(bytes.NewReader(body))
			handle(w, r)
		}
	}
}

// Exchanges returns the requests so far.
func (s *StandIn) Exchanges() []Exchange {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

// Only returns the one request that there was, and fails the test if there were
// none or more.
func (s *StandIn) Only(t testing.TB) Exchange {
	t.Helper()
	seen := s.Exchanges()
	if len(seen) != 1 {
		t.Fatalf("got %d requests, want 1", len(seen))
	}
	return seen[0]
}
