// Package porttest is a stand-in for Port's API that keeps state: tokens that
// expire, runs that end, claims that someone may already hold. What it
// accepts and refuses follows Port's public API reference; its faults are
// made on demand.
//
// It is for tests, the sandbox and benchmarks, and is never linked into the
// product.
package porttest

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"
)

// Config is what the stand-in knows from the start. The zero value works.
type Config struct {
	ClientID     string // "client" where empty
	ClientSecret string // "secret" where empty
	OrgID        string // "org" where empty

	TokenLife    time.Duration     // three hours where zero; Port speaks in whole seconds, less than one is allowed here
	ClaimLife    time.Duration     // how long a claim holds, 90 s where zero
	Kafka        *KafkaCredentials // nil: no topic provisioned
	KnownOnly    bool              // answer 404 for a run that was not added; else it begins with its first call
	NoHistory    bool              // keep counts and the runs' ends, no calls, logs and bodies: for benchmarks
	RateLimit    int               // calls per RateWindow, told in every answer; 15,000 where zero, none where negative
	RateWindow   time.Duration     // 5 minutes where zero
	TokenLimit   int               // token calls per RateWindow; 100 where zero, none where negative
	ResetSeconds bool              // x-ratelimit-reset in seconds from now, not in epoch seconds

	// Errorf is told of each call that Port's schema or its limit of 1 MiB
	// refuses: such a call is a fault of who makes it, and tests pass their own
	// Errorf. Nil: it is ignored.
	Errorf func(format string, args ...any)
}

// KafkaCredentials are handed out at /v1/kafka-credentials.
type KafkaCredentials struct {
	Brokers  []string `json:"brokers"`
	Username string   `json:"username"`
	Password string   `json:"password"`
}

// Server is the stand-in. All methods are safe for concurrent use.
type Server struct {
	cfg     Config
	mux     *http.ServeMux
	http    *httptest.Server
	stopped chan struct{} // lets go of calls that hang
	stop    sync.Once

	mu       sync.Mutex
	tokens   map[string]time.Time // by value, when it expires
	runs     map[string]*Run
	order    []string // of the runs, as they became known
	ended    int      // runs, those forgotten since included
	pending  []*pending
	counts   map[string]int
	faults   map[string][]*Fault
	delay    time.Duration
	streamer string
	window   window
	asked    window // token calls
	waiters  int
	changed  chan struct{} // closed and replaced when a run changes, while someone waits
}

// NewServer starts a stand-in on a free port of 127.0.0.1.
func NewServer(cfg Config) *Server {
	s := New(cfg)
	s.http = httptest.NewServer(s.Handler())
	return s
}

// New returns a stand-in that listens nowhere; see Handler.
func New(cfg Config) *Server {
	def(&cfg.ClientID, "client")
	def(&cfg.ClientSecret, "secret")
	def(&cfg.OrgID, "org")
	def(&cfg.TokenLife, 3*time.Hour)
	def(&cfg.ClaimLife, 90*time.Second)
	def(&cfg.RateWindow, 5*time.Minute)
	def(&cfg.RateLimit, 15_000)
	def(&cfg.TokenLimit, 100)
	s := &Server{
		cfg: cfg, mux: http.NewServeMux(), stopped: make(chan struct{}),
		tokens: make(map[string]time.Time), runs: make(map[string]*Run),
		counts: make(map[string]int), faults: make(map[string][]*Fault),
		changed: make(chan struct{}),
	}
	s.routes()
	return s
}

func def[T comparable](value *T, otherwise T) {
	var zero T
	if *value == zero {
		*value = otherwise
	}
}

// SetKafka changes what is handed out at /v1/kafka-credentials.
func (s *Server) SetKafka(c KafkaCredentials) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cfg.Kafka = &c
}

// SetRateLimit changes how many calls are taken per RateWindow; none is refused
// where limit is negative.
func (s *Server) SetRateLimit(limit int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cfg.RateLimit = limit
}

// URL is the base URL to configure, without a slash at its end.
func (s *Server) URL() string { return s.http.URL }

// Handler is the API itself.
func (s *Server) Handler() http.Handler { return s.mux }

// Close ends the calls that hang, drops all connections and stops listening.
func (s *Server) Close() {
	s.stop.Do(func() { close(s.stopped) })
	if s.http != nil {
		s.http.CloseClientConnections()
		s.http.Close()
	}
}

// ExpireTokens makes every token that was given out useless.
func (s *Server) ExpireTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}

// Streamer is what the organisation's streamer was last set to.
func (s *Server) Streamer() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.streamer
}

// Calls counts the calls by route, such as "PATCH /v1/actions/runs/{id}",
// refused ones included.
func (s *Server) Calls() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := make(map[string]int, len(s.counts))
	for route, n := range s.counts {
		counts[route] = n
	}
	return counts
}

// Count is how many calls of one route were made.
func (s *Server) Count(route string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[route]
}

// Wait returns a run as soon as done says so of it, or an error when ctx ends
// first. done must not call the server.
func (s *Server) Wait(ctx context.Context, run string, done func(Run) bool) (Run, error) {
	var got Run
	err := s.WaitUntil(ctx, func() bool {
		r, ok := s.runs[run]
		if ok {
			got = r.clone()
		}
		return ok && done(got)
	})
	return got, err
}

// WaitEnded returns once n runs have ended.
func (s *Server) WaitEnded(ctx context.Context, n int) error {
	return s.WaitUntil(ctx, func() bool { return s.ended >= n })
}

// Ended counts the runs that have ended, those forgotten since included.
func (s *Server) Ended() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// WaitUntil returns once done, which is called while the state is locked,
// says so. done must not call the server.
func (s *Server) WaitUntil(ctx context.Context, done func() bool) error {
	s.mu.Lock()
	s.waiters++
	defer func() { s.waiters--; s.mu.Unlock() }()
	for !done() {
		changed := s.changed
		s.mu.Unlock()
		var err error
		select {
		case <-changed:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		s.mu.Lock()
		if err != nil {
			return err
		}
	}
	return nil
}

// touch wakes those who wait. The caller holds the lock.
func (s *Server) touch() {
	if s.waiters > 0 {
		close(s.changed)
		s.changed = make(chan struct{})
	}
}

func newToken() string { return "token-" + rand.Text() }
