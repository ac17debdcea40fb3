package port_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"port-agent/agent"
	"port-agent/agent/port"
	"port-agent/agent/port/porttest"
)

// web is the stand-in on a real socket, which counts the connections.
type web struct {
	*porttest.Server
	*port.Client
	opened atomic.Int64
	others atomic.Int64 // calls by another protocol than HTTP/2
}

// newWeb starts a stand-in that speaks HTTP/2, and gets its client a token.
func newWeb(t *testing.T, edit func(*httptest.Server)) *web {
	t.Helper()
	w := &web{Server: porttest.New(porttest.Config{Errorf: t.Errorf})}
	t.Cleanup(w.Server.Close)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			w.others.Add(1)
		}
		w.Handler().ServeHTTP(rw, r)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			w.opened.Add(1)
		}
	}
	server.EnableHTTP2 = true
	edit(server)
	server.StartTLS()
	t.Cleanup(server.Close)
	client, err := port.New(port.Config{ClientID: "client", ClientSecret: "secret", BaseURL: server.URL, Transport: server.Client().Transport},
		"port-agent/test", agent.NewMetrics(prometheus.NewRegistry(), "test"), zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	client.Patient()
	w.Client = client
	if _, err := client.Token(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

// report makes n calls at once.
func (w *web) report(t *testing.T, n int) {
	t.Helper()
	parallel(n, func(i int) {
		if err := w.Report(t.Context(), fmt.Sprintf("r_%d", i), agent.Report{Status: agent.StatusSuccess, Response: json.RawMessage(`{}`)}); err != nil {
			t.Error(err)
		}
	})
	if got := w.Ended(); got != n {
		t.Errorf("ended: got %d, want %d", got, n)
	}
	if got := w.others.Load(); got != 0 {
		t.Errorf("calls by another protocol: got %d, want 0", got)
	}
}

// together holds the reports that come to server until there are n.
func together(server *httptest.Server, n int64) {
	pass := port.Gate(n)
	next := server.Config.Handler
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPatch {
			pass()
		}
		next.ServeHTTP(w, r)
	})
}

// Port itself is reached by HTTP/2: a burst that finds no connection opens one.
func TestCallsShareAConnection(t *testing.T) {
	t.Parallel()
	const calls = 100
	w := newWeb(t, func(*httptest.Server) {})
	w.Client.Close() // what the token came by
	w.report(t, calls)
	if got := w.opened.Load(); got != 2 {
		t.Errorf("connections: got %d, want one for the token and one for the reports", got)
	}
}

// Calls that do not fit on a connection open the next one together.
func TestCallsBeyondAConnection(t *testing.T) {
	t.Parallel()
	const streams, calls = 100, 300 // fewer streams than 100 no server should offer (RFC 9113, section 6.5.2)
	w := newWeb(t, func(s *httptest.Server) {
		s.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: streams}
		together(s, calls)
	})
	w.Fault(porttest.RouteStatus, porttest.Fault{Times: 20, Refuse: true})
	w.report(t, calls)
	if got := w.opened.Load(); got != 3 {
		t.Errorf("connections: got %d, want 3", got)
	}
}
