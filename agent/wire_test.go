package agent

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"port-agent/agent/event"
	"port-agent/invoker"
)

// newWire is a fixture whose requests go over loopback, by the real invoker.
func newWire(t *testing.T, mapping string, serve http.HandlerFunc, edit ...func(*Config)) (f *fixture, url string) {
	t.Helper()
	server := httptest.NewServer(serve)
	f = newFixture(t, mapping, edit...)
	f.Invoker = f.backend.Invoker
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return f, server.URL
}

const targetURL = "payload.action.invocationMethod.url"

func TestWireSendsWhatIsSigned(t *testing.T) {
	t.Parallel()
	type seen struct{ body, key string }
	got := make(chan seen, 1)
	f, url := newWire(t, builtIn, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		want := invoker.NewSigner(testSecret).V1(r.Header.Get("X-Port-Timestamp"), b)
		if got := r.Header.Get("X-Port-Signature"); got != want {
			t.Errorf("signature: got %q, want %q", got, want)
		}
		got <- seen{string(b), r.Header.Get("Idempotency-Key")}
		_, _ = io.WriteString(w, `{"n":12345678901234567890}`)
	})
	ev := runEvent(t, "r_1", targetURL, url, synchronized, true)
	m, err := event.Decode([]byte(string(ev.Record)))
	if err != nil {
		t.Fatal(err)
	}
	f.settle(t, ev)
	if got, want := <-got, (seen{string(m.Body), "r_1"}); got != want {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if got := string(marshal(t, f.port.report(t, "r_1").Response)); strings.TrimSpace(got) != `{"n":12345678901234567890}` {
		t.Errorf("response: got %s, want every digit", got)
	}
}

// A request that is in flight when the drain ends fails its run as
// interrupted: that the connection is cut by the agent itself makes its end
// no better known.
func TestWireDrainEndsInFlight(t *testing.T) {
	t.Parallel()
	arrived, over := make(chan struct{}), make(chan struct{})
	f, url := newWire(t, builtIn, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(arrived)
		<-over
	})
	f.graces.finish, f.graces.all = 300*time.Millisecond, time.Minute
	defer close(over)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	if err := f.Handle(ctx, runEvent(t, "r_1", targetURL, url)); err != nil {
		t.Fatal(err)
	}
	host := strings.TrimPrefix(url, "http://")
	want := "the agent stopped while the request to " + host + " was in flight; whether it was carried out is unknown"
	if got := f.port.report(t, "r_1"); got.Status != StatusFailure || got.Summary != want {
		t.Errorf("got %s %q, want FAILURE %q", got.Status, got.Summary, want)
	}
}

// A backend that nobody listens at has been sent nothing, however often it was
// tried: a drain leaves the event as if it had never been touched.
func TestWireDrainWhileRefused(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + listener.Addr().String()
	listener.Close() // nobody listens there now
	f, _ := newWire(t, builtIn, nil)
	ctx, cancel := context.WithCancelCause(t.Context())
	f.port.onLog = func(context.Context, string, []LogLine) error { // the first line tells of the retry
		cancel(errDrain)
		return nil
	}
	ev := runEvent(t, "r_1", targetURL, url)
	if err := f.Handle(ctx, ev); !errors.Is(err, errDrain) || ledgerOf(ev).marked() {
		t.Errorf("got %v, marked %t; want it left, not marked", err, ledgerOf(ev).marked())
	}
	if got := f.port.messages("r_1"); len(got) != 1 || !strings.Contains(got[0], "Attempt 1 failed: POST "+url+": connection refused.") {
		t.Errorf("run's log: got %q, want the attempt", got)
	}
}

// A connection that is lost after the request was read is not tried again.
func TestWireConnectionLost(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	f, url := newWire(t, builtIn, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler)
	})
	f.settle(t, runEvent(t, "r_1", targetURL, url))
	if got := f.port.report(t, "r_1"); got.Status != StatusFailure || !strings.Contains(got.Summary, "connection closed before the answer") {
		t.Errorf("got %s %q, want FAILURE that tells of the connection", got.Status, got.Summary)
	}
	if n := requests.Load(); n != 1 {
		t.Errorf("got %d requests, want 1", n)
	}
	if got := f.count(t, "invocations_total", "outcome", "failed", "reason", reasonLost); got != 1 {
		t.Errorf("counted as lost: %v, want 1", got)
	}
}
