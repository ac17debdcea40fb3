package invoker

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// poolOf is a pool whose connections lead to a server in the same bubble. It
// counts those that are open.
func poolOf(open *atomic.Int64) *pool {
	return newPool(func(context.Context, *url.URL, *url.URL) (net.Conn, error) {
		client, server := net.Pipe()
		open.Add(1)
		go func() {
			defer open.Add(-1)
			defer server.Close()
			r := bufio.NewReader(server)
			for readRequest(r) == nil {
				_, _ = io.WriteString(server, okAnswer)
			}
		}()
		return client, nil
	})
}

// ask sends a request to a host; finish reads the rest of its answer.
func ask(t *testing.T, p *pool, host string) (finish func()) {
	t.Helper()
	h := &hop{method: http.MethodGet, url: &url.URL{Scheme: "http", Host: host, Path: "/"}}
	res, sent, err := p.send(t.Context(), h, nil)
	if err != nil || !sent {
		t.Fatalf("got %v, sent %t", err, sent)
	}
	return func() {
		if body, err := io.ReadAll(res.Body); err != nil || string(body) != "ok" {
			t.Errorf("got %q, %v", body, err)
		}
		res.Body.Close()
	}
}

func TestPool(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var open atomic.Int64
		p := poolOf(&open)
		check := func(when string, want int64) {
			t.Helper()
			synctest.Wait()
			if got := open.Load(); got != want {
				t.Errorf("%s: got %d connections, want %d", when, got, want)
			}
		}
		first, second := ask(t, p, "a.test"), ask(t, p, "a.test")
		ask(t, p, "b.test")()
		check("three at once", 3)
		first()
		second()
		for range 3 {
			ask(t, p, "a.test")()
		}
		check("one after the other", 3)

		time.Sleep(idleTimeout - time.Second)
		ask(t, p, "a.test")() // keeps one of them fresh
		time.Sleep(2 * time.Second)
		check("two idle for too long", 1)
		time.Sleep(idleTimeout + time.Second)
		check("all idle for too long", 0)
		if p.timer != nil || len(p.idle) != 0 {
			t.Errorf("left behind: timer %v, %d hosts", p.timer, len(p.idle))
		}

		late := ask(t, p, "a.test")
		ask(t, p, "b.test")()
		p.close()
		check("closed", 1)
		late()
		check("ended after the close", 0)
		ask(t, p, "a.test")()
		check("asked after the close", 0)
	})
}

// A connection that was not closed in time, because the machine slept, is not
// used either.
func TestPoolLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var open atomic.Int64
		p := poolOf(&open)
		ask(t, p, "a.test")()
		p.timer.Stop()
		time.Sleep(idleTimeout)
		if c := p.take(server{"http", "a.test"}); c != nil {
			t.Error("got a connection that was idle for too long")
		}
		synctest.Wait()
		if got := open.Load(); got != 0 {
			t.Errorf("got %d connections, want none", got)
		}
	})
}

func TestPoolLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var open atomic.Int64
		p := poolOf(&open)
		var all []func()
		for range maxIdle + 1 {
			all = append(all, ask(t, p, "a.test"))
		}
		for _, finish := range all {
			finish()
		}
		synctest.Wait()
		if got := open.Load(); got != maxIdle {
			t.Errorf("got %d idle connections, want %d", got, maxIdle)
		}
		p.close()
	})
}
