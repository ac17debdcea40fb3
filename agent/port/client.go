// Package port speaks Port's HTTP API: the access token, how a run goes, the
// claims of the polling source, Kafka's credentials.
//
// It is the agent's only way to Port and keeps Port's manners for all of it:
// one connection pool, one cached token, a limit on concurrent calls, a time
// limit on each, and silence while Port asks for fewer calls. It decides
// whether a refused call may be repeated and repeats it; what to tell Port is
// decided by its callers. It is imported by cmd and by agent/polling.
package port

import (
	"cmp"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"port-agent/agent"
	"port-agent/agent/redact"
)

const (
	// Calls under way, and connections for them. Port speaks HTTP/2, where a
	// connection serves a hundred calls; the bound on connections keeps a burst
	// that finds none open from opening one for each call. Over HTTP/1.1, through
	// a proxy that speaks nothing else, calls wait for each other: 256 connections
	// serve the 50 calls a second that Port allows while each takes five seconds.
	maxConcurrent  = 1024
	maxConnections = 256

	// Below the 60 s after which load balancers commonly close a connection.
	idleTimeout = 30 * time.Second

	// One attempt of a call. Port answers within a second; past ten something
	// is wrong with the way, and a new attempt serves the run better.
	callTimeout = 10 * time.Second
	// A run's log waits for nobody, and the run's status waits for its log.
	logTimeout = 5 * time.Second
)

// Client calls Port's API. It is safe for concurrent use, starts nothing in
// the background and keeps idle connections until Close.
type Client struct {
	cfg       Config
	base      string
	userAgent []string

	transport http.RoundTripper
	slots     chan struct{} // holds one element per call under way
	tokens    *tokens
	limit     limit
	apart     sync.Map // kinds of runs whose last line cannot carry their status
	metrics   *agent.Metrics
	log       zerolog.Logger
	retries   zerolog.Logger // sampled: an hour without Port is thousands of retries
}

var _ agent.Reporter = (*Client)(nil)

// New returns a client that has called nobody yet. userAgent is sent with
// every call.
func New(cfg Config, userAgent string, m *agent.Metrics, log zerolog.Logger) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("read port's settings: %w", err)
	}
	base, err := cfg.base()
	if err != nil {
		return nil, err
	}
	c := &Client{
		cfg: cfg, base: base, userAgent: []string{userAgent},
		transport: newTransport(cfg.Transport),
		slots:     make(chan struct{}, maxConcurrent),
		metrics:   m, log: log,
		retries: log.Sample(&zerolog.BurstSampler{Burst: 3, Period: 10 * time.Second}),
	}
	c.tokens = &tokens{fetch: c.fetchToken, hidden: cmp.Or(cfg.Redactor, redact.New())}
	for _, r := range routes {
		for _, code := range []string{"0", "200", "401", "429", "500"} {
			m.PortCalls.WithLabelValues(r.name, code) // other codes come as they occur
		}
	}
	return c, nil
}

// newTransport is base with a pool of its own. Of a base that is not an
// *http.Transport nothing is known, and it is left as it is.
func newTransport(base http.RoundTripper) http.RoundTripper {
	t, ok := cmp.Or(base, http.DefaultTransport).(*http.Transport)
	if !ok {
		return base
	}
	t = t.Clone()
	t.MaxIdleConns, t.MaxIdleConnsPerHost, t.MaxConnsPerHost = maxConnections, maxConnections, maxConnections
	t.IdleConnTimeout = idleTimeout
	// A connection whose other end is gone without a word is found out by a
	// ping, not by ten seconds of every call that is put on it.
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 5 * time.Second}
	return t
}

// Close drops the idle connections.
func (c *Client) Close() {
	if t, ok := c.transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// BaseURL is the address of the API, without a slash at its end.
func (c *Client) BaseURL() string { return c.base }
