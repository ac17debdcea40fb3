package porttest

import (
	"bytes"
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Fault is what goes wrong with a call. Exactly one of Status, Refuse, Hang,
// HTML and LoseAnswer is set; Delay may come with any of them or alone.
type Fault struct {
	Times int    // how many calls it spoils; 0: all, until ClearFaults
	If    string // only calls whose body holds it

	Status     int         // answered instead of doing anything, with Header and Body
	Header     http.Header // such as Retry-After
	Body       string      // {"ok":false,"error":"fault"} where empty
	Refuse     bool        // close the connection without a word
	Hang       bool        // answer nothing until the caller or the server gives up
	HTML       bool        // a proxy's page with status 200
	LoseAnswer bool        // do the work, then close the connection
	Delay      time.Duration
}

// All is the route of a fault that meets every call.
const All = "*"

// Fault spoils calls of a route, named as in Calls, or of All. Faults of one
// route are used up in the order in which they were added.
func (s *Server) Fault(route string, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[route] = append(s.faults[route], &f)
}

// ClearFaults ends all faults, those that hang calls at this moment excepted.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.faults)
}

// Delay makes every answer take d longer.
func (s *Server) Delay(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delay = d
}

// fault takes the next fault for a call of a route. The caller holds the lock.
func (s *Server) fault(route string, body []byte) *Fault {
	for _, key := range [...]string{route, All} {
		queue := s.faults[key]
		i := slices.IndexFunc(queue, func(f *Fault) bool { return bytes.Contains(body, []byte(f.If)) })
		if i < 0 {
			continue
		}
		f := queue[i]
		if f.Times == 1 {
			s.faults[key] = slices.Delete(queue, i, i+1)
		}
		if f.Times > 0 {
			f.Times--
		}
		return f
	}
	return nil
}

// spoils reports whether the call gets something else than its answer.
func (f *Fault) spoils() bool { return f.Refuse || f.Hang || f.HTML || f.Status != 0 }

// status is what the caller gets to see, 0 where that is nothing.
func (f *Fault) status() int {
	if f.HTML {
		return http.StatusOK
	}
	return f.Status
}

// spoil makes f happen.
func (s *Server) spoil(w http.ResponseWriter, r *http.Request, f *Fault) {
	switch {
	case f.Refuse:
		panic(http.ErrAbortHandler)
	case f.Hang:
		select {
		case <-r.Context().Done():
		case <-s.stopped:
		}
		panic(http.ErrAbortHandler)
	case f.HTML:
		w.Header().Set("Content-Type", "text/html")
		answerText(w, http.StatusOK, "<!doctype html>\n<html><body>Please log in to the proxy</body></html>")
	default:
		for name, values := range f.Header {
			w.Header()[http.CanonicalHeaderKey(name)] = values
		}
		w.Header().Set("X-Trace-Id", "trace-of-a-fault")
		answerText(w, f.Status, cmp.Or(f.Body, `{"ok":false,"error":"fault"}`))
	}
}

// pause waits for d, the caller or Close, whichever is first.
func (s *Server) pause(r *http.Request, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.Context().Done():
	case <-s.stopped:
	}
}

// window counts calls for the rate limit.
type window struct {
	ends  time.Time
	calls int
}

// take counts a call. It reports whether it is still within the limit, and
// tells the caller how things stand as Port does.
func (w *window) take(h http.Header, limit int, length time.Duration, inSeconds bool) bool {
	now := time.Now()
	if !now.Before(w.ends) {
		w.ends, w.calls = now.Add(length), 0
	}
	w.calls++
	reset := w.ends.Unix() + 1 // the window has ended by then, not a part of a second before
	if inSeconds {
		reset = int64(w.ends.Sub(now).Seconds()) + 1
	}
	h.Set("X-Ratelimit-Period", strconv.Itoa(int(length.Seconds())))
	h.Set("X-Ratelimit-Limit", strconv.Itoa(limit))
	h.Set("X-Ratelimit-Remaining", strconv.Itoa(max(limit-w.calls, 0)))
	h.Set("X-Ratelimit-Reset", strconv.FormatInt(reset, 10))
	return w.calls <= limit
}
