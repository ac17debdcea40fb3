package port

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// Below the 60 s after which load balancers commonly close a connection.
	idleTimeout = 30 * time.Second
	// patience is how long a call waits while another one opens a connection,
	// before it tries for itself. It is longer than a handshake with a server at
	// the other end of the world.
	patience = 2 * time.Second
)

// pool keeps the connections of all calls open, and opens no more of them than
// the calls need.
//
// Port speaks HTTP/2, where a connection serves a hundred calls or more. But
// http.Transport opens one for every call that finds none with room at that
// moment: a burst of reports that finds none open makes as many TLS handshakes
// as it has calls, and one with more calls than fit on a connection makes one
// for each that does not. So calls look for a connection one after another, and
// what one of them opens serves the next. A connection of HTTP/1.1 serves one
// call at a time; as long as Port speaks that, nobody waits.
type pool struct {
	*http.Transport
	http1 atomic.Bool // by the last answer
	door  *door
}

// newPool is base with a pool of its own. Of a base that is not an
// *http.Transport nothing is known, and it is left as it is.
func newPool(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	t, ok := base.(*http.Transport)
	if !ok {
		return base
	}
	t = t.Clone()
	t.MaxIdleConns = maxConcurrent
	t.MaxIdleConnsPerHost = maxConcurrent
	t.IdleConnTimeout = idleTimeout
	// A connection whose other end is gone without a word is found out by a
	// ping, not by ten seconds of every call that is put on it.
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 5 * time.Second}
	return &pool{Transport: t, door: newDoor(patience)}
}

// RoundTrip makes a call.
func (p *pool) RoundTrip(req *http.Request) (*http.Response, error) {
	var res *http.Response
	var err error
	if p.http1.Load() {
		res, err = p.Transport.RoundTrip(req)
	} else {
		res, err = p.share(req)
	}
	if err == nil {
		if http1 := res.ProtoMajor < 2; http1 != p.http1.Load() {
			p.http1.Store(http1)
		}
	}
	return res, err
}

// share makes a call that looks for a connection when the door lets it. It is
// apart from RoundTrip so that calls without it need no deeper stack.
func (p *pool) share(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	inside, err := p.door.enter(ctx)
	if err != nil {
		return nil, err
	}
	if inside {
		leave := sync.OnceFunc(p.door.leave)
		defer leave()
		// A call that is repeated by the Transport gets a connection more than once.
		req = req.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
			GotConn: func(httptrace.GotConnInfo) { leave() },
		}))
	}
	return p.Transport.RoundTrip(req)
}

// door lets one in at a time. Who comes by while it is free goes ahead of those
// that wait: to wake each in turn would take longer than what they do inside.
type door struct {
	patience time.Duration
	taken    atomic.Bool
	left     chan struct{} // of capacity 1: somebody has left since a waiter looked
}

func newDoor(patience time.Duration) *door {
	return &door{patience: patience, left: make(chan struct{}, 1)}
}

// enter waits until it is let in. It gives false where that takes longer than
// the door's patience, and the cause of ctx's end.
func (d *door) enter(ctx context.Context) (inside bool, err error) {
	if d.taken.CompareAndSwap(false, true) {
		return true, nil
	}
	over := time.NewTimer(d.patience)
	defer over.Stop()
	for !d.taken.CompareAndSwap(false, true) {
		select {
		case <-d.left:
		case <-over.C:
			return false, nil
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
	return true, nil
}

func (d *door) leave() {
	d.taken.Store(false)
	select {
	case d.left <- struct{}{}:
	default:
	}
}
