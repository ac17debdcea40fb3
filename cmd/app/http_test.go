package app

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// bounded serves handler on a port of its own within limits that a test can
// wait for.
func bounded(t *testing.T, handler http.Handler, most limits) (l *tellingListener, addr string) {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l = &tellingListener{Listener: inner, closed: make(chan struct{}, 1000)}
	t.Cleanup(serveBounded(l, handler, most, zerolog.Nop()))
	return l, inner.Addr().String()
}

var alive = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "alive") })

func dial(t *testing.T, addr, send string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := io.WriteString(c, send); err != nil && !errors.Is(err, net.ErrClosed) {
		t.Logf("write: %v", err) // the other end may have closed it
	}
	return c
}

// A neighbour, or several, open 300 connections and end the header of none. No
// more are held than the limits say, those end with the read timeout, and then
// there is room again.
func TestUnfinishedHeadersAreBounded(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name       string
		perAddress int
		most       int32
	}{
		{"one address", defaultLimits.perAddress, int32(defaultLimits.perAddress) + 1}, // and the one that is about to be closed
		{"many addresses", 300, int32(defaultLimits.connections)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			most := defaultLimits
			most.read, most.perAddress = 300*time.Millisecond, tc.perAddress
			l, addr := bounded(t, alive, most)
			var conns []net.Conn
			for range 300 {
				conns = append(conns, dial(t, addr, "GET /livez HTTP/1.1\r\nHost: agent\r\nX-Padding: "))
			}
			for i, c := range conns {
				_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
				if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
					t.Fatalf("connection %d is still open", i)
				}
			}
			if got := l.most.Load(); got > tc.most {
				t.Errorf("%d connections were open at once, want %d at most", got, tc.most)
			}
			checkAlive(t, addr)
		})
	}
}

func checkAlive(t *testing.T, addr string) {
	t.Helper()
	client := http.Client{Timeout: 10 * time.Second, Transport: new(http.Transport)}
	defer client.CloseIdleConnections()
	res, err := client.Get("http://" + addr + "/livez")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err != nil || string(body) != "alive\n" {
		t.Errorf("got %q, %v, want alive", body, err)
	}
}

func TestLargeHeaderIsRefused(t *testing.T) {
	t.Parallel()
	_, addr := bounded(t, alive, defaultLimits)
	c := dial(t, addr, "GET /livez HTTP/1.1\r\nHost: agent\r\nX-Padding: "+strings.Repeat("x", 16<<10)+"\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got, want := res.StatusCode, http.StatusRequestHeaderFieldsTooLarge; got != want {
		t.Errorf("got %d, want %d", got, want)
	}
}

// manyMetrics take 200 KB, more than the sockets of bounded keep: to gather them
// takes next to no time, also on a machine that is busy.
const manyMetrics = 20

// slow is a collector of many metrics that counts how often it is asked at once.
type slow struct {
	desc      *prometheus.Desc
	now, most atomic.Int32
}

func (s *slow) Describe(c chan<- *prometheus.Desc) { c <- s.desc }

func (s *slow) Collect(c chan<- prometheus.Metric) {
	raise(&s.most, s.now.Add(1))
	defer s.now.Add(-1)
	for i := range manyMetrics {
		c <- prometheus.MustNewConstMetric(s.desc, prometheus.GaugeValue, float64(i), strings.Repeat(string(rune('a'+i)), 10<<10))
	}
}

// Neighbours ask for metrics and read nothing. Metrics are gathered once at a
// time, another scrape gets its answer meanwhile, and the connections end with
// the write timeout.
func TestSlowReadersOfMetricsAreBounded(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	many := &slow{desc: prometheus.NewDesc("many", "Many metrics.", []string{"label"}, nil)}
	registry.MustRegister(many)
	most := defaultLimits
	most.write, most.read, most.idle = 5*time.Second, time.Second, time.Second
	l, addr := bounded(t, metricsHandler(registry), most)
	var conns []net.Conn
	for range 4 {
		c := dial(t, addr, "GET /metrics HTTP/1.1\r\nHost: agent\r\n\r\n")
		_ = c.(*net.TCPConn).SetReadBuffer(4096)
		conns = append(conns, c)
	}
	client := http.Client{Timeout: 30 * time.Second, Transport: new(http.Transport)}
	defer client.CloseIdleConnections()
	res, err := client.Get("http://" + addr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if want := manyMetrics; err != nil || bytes.Count(body, []byte("\nmany{")) != want {
		t.Errorf("got %d metrics, %v, want %d", bytes.Count(body, []byte("\nmany{")), err, want)
	}
	if got := many.most.Load(); got != 1 {
		t.Errorf("metrics were gathered %d times at once, want 1", got)
	}
	for range conns {
		select {
		case <-l.closed:
		case <-time.After(30 * time.Second):
			t.Fatal("a connection is still open")
		}
	}
}

// tellingListener tells closed of each connection that the server has closed,
// and counts how many were open at once.
type tellingListener struct {
	net.Listener
	closed    chan struct{}
	now, most atomic.Int32
}

func (l *tellingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	_ = c.(*net.TCPConn).SetWriteBuffer(8 << 10)
	raise(&l.most, l.now.Add(1))
	return tellingConn{c, sync.OnceFunc(func() {
		l.now.Add(-1)
		l.closed <- struct{}{}
	})}, nil
}

// raise makes v n where it is less.
func raise(v *atomic.Int32, n int32) {
	for old := v.Load(); n > old && !v.CompareAndSwap(old, n); old = v.Load() {
	}
}

type tellingConn struct {
	net.Conn
	tell func()
}

func (c tellingConn) Close() error {
	c.tell()
	return c.Conn.Close()
}

// One address may hold so many connections; another one has its own.
func TestConnectionsPerAddress(t *testing.T) {
	t.Parallel()
	l := &addressLimit{most: 2, open: make(map[string]int)}
	for _, step := range []struct {
		host  string
		state http.ConnState
		want  bool // the connection stays open
	}{
		{"10.0.0.1", http.StateNew, true}, {"10.0.0.1", http.StateNew, true}, {"10.0.0.1", http.StateNew, false}, {"10.0.0.1", http.StateClosed, true},
		{"10.0.0.2", http.StateNew, true}, {"10.0.0.2", http.StateActive, true},
		{"10.0.0.1", http.StateClosed, true}, {"10.0.0.1", http.StateNew, true}, {"10.0.0.1", http.StateNew, false}, {"10.0.0.1", http.StateClosed, true},
		{"10.0.0.1", http.StateClosed, true}, {"10.0.0.1", http.StateClosed, true}, {"10.0.0.2", http.StateClosed, true},
	} {
		c := &connFrom{host: step.host}
		if l.changed(c, step.state); c.closed == step.want {
			t.Errorf("%s, %v: closed %t, want %t", step.host, step.state, c.closed, !step.want)
		}
	}
	if len(l.open) != 0 {
		t.Errorf("%v left", l.open)
	}
}

// connFrom is a connection from an address.
type connFrom struct {
	net.Conn
	host   string
	closed bool
}

func (c *connFrom) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(c.host), Port: 4711} }

func (c *connFrom) Close() error {
	c.closed = true
	return nil
}
