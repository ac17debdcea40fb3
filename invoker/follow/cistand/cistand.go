// Package cistand has stand-ins for Jenkins, GitLab, GitHub and Azure DevOps,
// as far as the agent triggers and follows pipelines there. They keep state: a
// trigger starts a pipeline, which then goes through its plan in the time of
// the stand-in's clock. They serve tests and the sandbox; the product does not
// import them.
package cistand

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Plan says what happens to a pipeline after its trigger.
type Plan struct {
	Queued time.Duration // how long it waits before it begins
	Why    string        // what it waits for, in Jenkins' words
	Stages []Stage       // one after another
	// End is how it ends, in the words of the backend. Empty: with success, or
	// with failure where a stage has an Error.
	End string
	// Cancelled is set where it is taken out of the queue when Queued is over.
	Cancelled bool
}

// Stage is one step of a Plan.
type Stage struct {
	Name  string
	Takes time.Duration
	Error string // what it fails with; no further stage begins then
	// Waits is set where the stage waits for a person, until Release.
	Waits bool
}

// Clock tells the time of a stand-in. Advance moves it; the zero Clock stands
// still at the zero time, and Wall goes with the real one.
type Clock struct {
	mu   sync.Mutex
	now  time.Time
	wall bool
}

// NewClock returns a Clock that stands still at now.
func NewClock(now time.Time) *Clock { return &Clock{now: now} }

// Wall returns a Clock that goes with time.Now.
func Wall() *Clock { return &Clock{wall: true} }

// Now is the present time.
func (c *Clock) Now() time.Time {
	if c.wall {
		return time.Now()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the time on.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Answer replaces what a stand-in would say.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Page is a login page, as proxies and expired credentials bring it.
const Page = "<!DOCTYPE html><html><body>Sign in</body></html>"

// server is what the stand-ins have in common.
type server struct {
	clock *Clock
	mux   *http.ServeMux

	mu       sync.Mutex
	fault    func(*http.Request) *Answer
	requests []*http.Request
	runs     []*pipeline
}

func newServer(clock *Clock) server {
	return server{clock: clock, mux: http.NewServeMux()}
}

// ServeHTTP answers one request.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, r)
	fault := s.fault
	s.mu.Unlock()
	w.Header().Set("Date", s.clock.Now().UTC().Format(http.TimeFormat))
	if fault != nil {
		if a := fault(r); a != nil {
			for k, v := range a.Header {
				w.Header()[k] = v
			}
			w.WriteHeader(a.Status)
			_, _ = w.Write([]byte(a.Body))
			return
		}
	}
	s.mux.ServeHTTP(w, r)
}

// Fault lets f answer in place of the stand-in, where it does not return nil.
// A nil f ends that.
func (s *server) Fault(f func(*http.Request) *Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// Requests lists the requests so far, without their bodies.
func (s *server) Requests() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*http.Request(nil), s.requests...)
}

// Triggered is how many pipelines were started.
func (s *server) Triggered() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.runs)
}

// Release lets a person approve what every pipeline waits for.
func (s *server) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.runs {
		p.release(s.clock.Now())
	}
}

// Stop ends every pipeline that goes on, in the words of the backend.
func (s *server) Stop(end string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.runs {
		if at := p.at(s.clock.Now()); !at.over {
			p.stopped, p.stoppedAs = s.clock.Now(), end
		}
	}
}

// Delete removes every pipeline.
func (s *server) Delete() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.runs {
		p.deleted = true
	}
}

// start adds a pipeline; s.mu is held.
func (s *server) start(name string, plan Plan) *pipeline {
	p := &pipeline{id: len(s.runs) + 1, name: name, plan: plan, began: s.clock.Now()}
	s.runs = append(s.runs, p)
	return p
}

// since lists the pipelines that have begun since a time in RFC 3339, the latest
// first; s.mu is held.
func (s *server) since(text string) (list []*pipeline) {
	since, _ := time.Parse(time.RFC3339, text) // none: all of them
	for _, p := range slices.Backward(s.runs) {
		if !p.deleted && !p.began.Before(since) {
			list = append(list, p)
		}
	}
	return list
}

func (s *server) find(id string) *pipeline {
	for _, p := range s.runs {
		if itoa(p.id) == id && !p.deleted {
			return p
		}
	}
	return nil
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func writePage(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/html;charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(Page))
}

type object = map[string]any

func escapedPath(r *http.Request) string { return strings.TrimSuffix(r.URL.EscapedPath(), "/") }
