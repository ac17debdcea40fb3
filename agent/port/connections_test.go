package port_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"port-agent/agent"
	"port-agent/agent/port"
	"port-agent/agent/port/porttest"
)

// Bursts open no more connections than calls may be under way, and the next
// burst finds them open, whichever HTTP Port speaks.
func TestConnectionsAreFewAndKept(t *testing.T) {
	t.Parallel()
	for _, http2 := range []bool{true, false} {
		t.Run(fmt.Sprintf("http2 %t", http2), func(t *testing.T) {
			t.Parallel()
			const calls, most = 600, 256
			stand := porttest.New(porttest.Config{Errorf: t.Errorf})
			t.Cleanup(stand.Close)
			var opened, other atomic.Int64
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if (r.ProtoMajor == 2) != http2 {
					other.Add(1)
				}
				stand.Handler().ServeHTTP(w, r)
			}))
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				if state == http.StateNew {
					opened.Add(1)
				}
			}
			server.EnableHTTP2 = http2
			server.StartTLS()
			t.Cleanup(server.Close)
			client, err := port.New(port.Config{ClientID: "client", ClientSecret: "secret", BaseURL: server.URL, Transport: server.Client().Transport},
				"port-agent/test", agent.NewMetrics(prometheus.NewRegistry(), "test"), zerolog.Nop())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(client.Close)
			burst := func(name string) {
				parallel(calls, func(i int) {
					if err := client.Report(t.Context(), fmt.Sprintf("r_%s%d", name, i), agent.Report{Response: json.RawMessage(`{}`)}); err != nil {
						t.Error(err)
					}
				})
			}
			burst("a")
			burst("b")
			// A dial that another connection forestalls is counted here as well. Without
			// a bound each burst opens one connection for each call, or more.
			limit := int64(2 * most)
			if http2 {
				limit = 3 * most
			}
			if got := opened.Load(); got > limit {
				t.Errorf("connections: got %d for two bursts of %d calls, want %d at most", got, calls, limit)
			}
			if got := other.Load(); got != 0 {
				t.Errorf("calls by another protocol: got %d, want 0", got)
			}
		})
	}
}

// Header and body of a small call leave in one write.
func TestSmallCallIsOneWrite(t *testing.T) {
	t.Parallel()
	stand := porttest.New(porttest.Config{Errorf: t.Errorf})
	t.Cleanup(stand.Close)
	server := httptest.NewServer(stand.Handler())
	t.Cleanup(server.Close)
	var writes atomic.Int64
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		return &countedConn{c, &writes}, err
	}}
	client, err := port.New(port.Config{ClientID: "client", ClientSecret: "secret", BaseURL: server.URL, Transport: transport},
		"port-agent/test", agent.NewMetrics(prometheus.NewRegistry(), "test"), zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	for _, tt := range []struct {
		name     string
		response int
		want     int64
	}{
		{"with a token before it", 10, 2},
		{"small", 1000, 1},
	} {
		writes.Store(0)
		response, _ := json.Marshal(strings.Repeat("x", tt.response))
		if err := client.Report(t.Context(), "r_1", agent.Report{Response: response}); err != nil {
			t.Fatal(err)
		}
		if got := writes.Load(); got != tt.want {
			t.Errorf("%s: got %d writes, want %d", tt.name, got, tt.want)
		}
	}
}

// countedConn counts what is written to it.
type countedConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c *countedConn) Write(b []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(b)
}
