package app

import (
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"
	"golang.org/x/net/netutil"
)

// serve answers health and metrics until the function that it returns is
// called.
func (a *App) serve() (stop func()) {
	if a.listener == nil {
		return func() {}
	}
	mux := http.NewServeMux()
	// A restart helps a process that does not answer, and no other: what is
	// wrong with Kafka or with Port is still wrong after it.
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "alive") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if ready, why := a.Ready(); !ready {
			answer(w, http.StatusServiceUnavailable, why)
			return
		}
		answer(w, http.StatusOK, "ready")
	})
	mux.Handle("GET /metrics", metricsHandler(a.registry))
	return serveBounded(a.listener, mux, defaultLimits, a.log)
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n"))
}

// Addr is the address of the server for health and metrics, empty where it is
// switched off.
func (a *App) Addr() string { return addr(a.listener) }

// StatusAddr is the address of the server for the status, empty where it is
// switched off.
func (a *App) StatusAddr() string { return addr(a.viewers) }

func addr(l net.Listener) string {
	if l == nil {
		return ""
	}
	return l.Addr().String()
}

// metricsHandler gathers metrics once for all who ask at the same time. Answers
// are complete in memory before they are written, so that a slow reader delays
// nobody else's scrape.
func metricsHandler(from prometheus.Gatherer) http.Handler {
	return promhttp.HandlerFor(from, promhttp.HandlerOpts{CoalesceGather: true, Timeout: 5 * time.Second})
}

// limits bound what callers can take of a listener that others in the cluster
// reach.
type limits struct {
	read, write, idle time.Duration
	connections       int // all at once; more wait to be accepted
	perAddress        int // of them from one address; more are closed, so that one caller cannot keep out the kubelet's probes
}

var defaultLimits = limits{read: 5 * time.Second, write: 10 * time.Second, idle: time.Minute, connections: 64, perAddress: 16}

// serveBounded serves handler on l within limits until the function that it
// returns is called.
func serveBounded(l net.Listener, handler http.Handler, most limits, log zerolog.Logger) (stop func()) {
	server := &http.Server{Handler: handler, ReadTimeout: most.read, WriteTimeout: most.write, IdleTimeout: most.idle, MaxHeaderBytes: 8 << 10}
	l = &addressLimit{Listener: netutil.LimitListener(l, most.connections), most: most.perAddress, open: make(map[string]int)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error().Err(err).Msg("health server failed")
		}
	}()
	return func() {
		_ = server.Close() // nobody needs the last answer
		<-done
	}
}

// addressLimit closes connections from an address that has as many as it may.
type addressLimit struct {
	net.Listener
	most int

	mu   sync.Mutex
	open map[string]int // by address
}

func (l *addressLimit) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
		if l.enter(host) {
			return &limitedConn{Conn: c, leave: sync.OnceFunc(func() { l.leave(host) })}, nil
		}
		_ = c.Close()
	}
}

func (l *addressLimit) enter(host string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[host] >= l.most {
		return false
	}
	l.open[host]++
	return true
}

func (l *addressLimit) leave(host string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[host]--; l.open[host] == 0 {
		delete(l.open, host)
	}
}

type limitedConn struct {
	net.Conn
	leave func()
}

func (c *limitedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
