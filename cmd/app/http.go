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

// serve serves health and metrics until stop is called.
func (a *App) serve() (stop func()) {
	mux := http.NewServeMux()
	// Only a process that does not answer is restarted: a restart does not help
	// against faults of Kafka or Port.
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

// Addr is the address of the server for health and metrics, empty if there is none.
func (a *App) Addr() string { return addr(a.listener) }

// StatusAddr is the address of the server for the status, empty if there is none.
func (a *App) StatusAddr() string { return addr(a.viewers) }

func addr(l net.Listener) string {
	if l == nil {
		return ""
	}
	return l.Addr().String()
}

// metricsHandler gathers metrics once for all requests at the same time. With a
// timeout, promhttp completes an answer in memory before it writes: a slow reader
// does not delay other scrapes.
func metricsHandler(from prometheus.Gatherer) http.Handler {
	return promhttp.HandlerFor(from, promhttp.HandlerOpts{CoalesceGather: true, Timeout: 5 * time.Second})
}

// limits are the limits of a listener that others in the cluster can reach.
type limits struct {
	read, write, idle time.Duration
	connections       int // all at once; more wait to be accepted
	perAddress        int // of them from one address; more are closed, so that one caller cannot keep out the kubelet's probes
}

var defaultLimits = limits{read: 5 * time.Second, write: 10 * time.Second, idle: time.Minute, connections: 64, perAddress: 16}

// serveBounded serves handler on l within limits until stop is called. Without a
// listener it serves nothing.
func serveBounded(l net.Listener, handler http.Handler, most limits, log zerolog.Logger) (stop func()) {
	if l == nil {
		return func() {}
	}
	each := &addressLimit{most: most.perAddress, open: make(map[string]int)}
	server := &http.Server{Handler: handler, ReadTimeout: most.read, WriteTimeout: most.write, IdleTimeout: most.idle,
		MaxHeaderBytes: 8 << 10, ConnState: each.changed}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(netutil.LimitListener(l, most.connections)); !errors.Is(err, http.ErrServerClosed) {
			log.Error().Err(err).Msg("health server failed")
		}
	}()
	return func() {
		_ = server.Close() // nobody needs the last answer
		<-done
	}
}

// addressLimit closes new connections from an address that has too many.
type addressLimit struct {
	most int

	mu   sync.Mutex
	open map[string]int // by address
}

// changed is for http.Server.ConnState. The server reports the end of a connection
// that is closed here like that of any other.
func (l *addressLimit) changed(c net.Conn, state http.ConnState) {
	host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
	l.mu.Lock()
	defer l.mu.Unlock()
	switch state {
	case http.StateNew:
		if l.open[host]++; l.open[host] > l.most {
			_ = c.Close()
		}
	case http.StateClosed:
		if l.open[host]--; l.open[host] == 0 {
			delete(l.open, host)
		}
	}
}
