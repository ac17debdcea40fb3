package port

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Patient makes calls wait for each other's connections however slow the
// machine is.
func (c *Client) Patient() { c.transport.(*pool).door.patience = time.Hour }

// Gate gives what holds its callers until there are n of them.
func Gate(n int64) (pass func()) {
	var here atomic.Int64
	all := make(chan struct{})
	return func() {
		if here.Add(1) == n {
			close(all)
		}
		<-all
	}
}

// Over HTTP/1.1 no call waits for another's handshake.
func TestPoolOverHTTP1(t *testing.T) {
	t.Parallel()
	const calls = 50
	var known atomic.Bool // the first call has been answered
	handshake, handler := Gate(calls-1), Gate(calls)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if known.Load() {
			handler()
		}
	}))
	server.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		if known.Load() {
			handshake()
		}
		return nil, nil
	}}
	server.StartTLS()
	t.Cleanup(server.Close)
	p := newPool(server.Client().Transport).(*pool)
	t.Cleanup(p.CloseIdleConnections)
	p.door.patience = time.Hour
	call := func() {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
		if err != nil {
			t.Error(err)
			return
		}
		res, err := p.RoundTrip(req)
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
	call()
	known.Store(true)
	var all sync.WaitGroup
	for range calls {
		all.Go(call)
	}
	all.Wait()
}

// visitor is one enter of a test.
type visitor struct {
	end    chan entry // of capacity 1
	cancel context.CancelCauseFunc
}

// entry is how an enter ended.
type entry struct {
	done   bool
	inside bool
	err    error
}

// visit begins an enter.
func visit(t *testing.T, d *door) *visitor {
	ctx, cancel := context.WithCancelCause(t.Context())
	v := &visitor{end: make(chan entry, 1), cancel: cancel}
	go func() {
		inside, err := d.enter(ctx)
		v.end <- entry{true, inside, err}
	}()
	synctest.Wait()
	return v
}

// now lets an enter come as far as it can, and tells how it ended if it has.
func (v *visitor) now() entry {
	synctest.Wait()
	select {
	case e := <-v.end:
		return e
	default:
		return entry{}
	}
}

func TestDoor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		let, waits, out := entry{done: true, inside: true}, entry{}, entry{done: true}
		d := newDoor(patience)
		if got := visit(t, d).now(); got != let {
			t.Fatalf("with nobody inside: got %+v, want %+v", got, let)
		}
		for _, leave := range []bool{false, true} {
			v := visit(t, d)
			if got := v.now(); got != waits {
				t.Fatalf("beside another: got %+v, want %+v", got, waits)
			}
			want := out
			if leave {
				d.leave()
				want = let
			} else {
				time.Sleep(patience) // on the bubble's clock
			}
			if got := v.now(); got != want {
				t.Errorf("left %t: got %+v, want %+v", leave, got, want)
			}
		}
		v := visit(t, d)
		stop := errors.New("stop")
		v.cancel(stop)
		if got, want := v.now(), (entry{done: true, err: stop}); got != want {
			t.Errorf("given up: got %+v, want %+v", got, want)
		}
		d.leave()
		if got := visit(t, d).now(); got != let {
			t.Errorf("after all have left: got %+v, want %+v", got, let)
		}
	})
}

// Everybody is let in in the end, one at a time.
func TestDoorRace(t *testing.T) {
	t.Parallel()
	d := newDoor(time.Hour)
	entered := 0 // the race detector tells of two at a time
	done := make(chan bool)
	for range 16 {
		go func() {
			for range 500 {
				if inside, err := d.enter(t.Context()); !inside || err != nil {
					t.Errorf("inside %t, %v", inside, err)
					break
				}
				entered++
				d.leave()
			}
			done <- true
		}()
	}
	for range 16 {
		<-done
	}
	if entered != 16*500 {
		t.Errorf("entered %d times, want %d: two were inside at once", entered, 16*500)
	}
}
