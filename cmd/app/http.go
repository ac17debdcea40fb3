package app

import (
	"errors"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
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
	mux.Handle("GET /metrics", promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(a.listener); !errors.Is(err, http.ErrServerClosed) {
			a.log.Error().Err(err).Msg("health server failed")
		}
	}()
	return func() {
		_ = server.Close() // nobody needs the last answer
		<-done
	}
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n"))
}
