package porttest

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Statuses of a run that goes on and of a node run that has ended.
const (
	InProgress = "IN_PROGRESS"
	Completed  = "COMPLETED"
)

// Run is an action run or a workflow node run as Port would show it.
type Run struct {
	ID     string
	Node   bool   // a workflow node run
	Status string // IN_PROGRESS, SUCCESS, FAILURE; of a node run IN_PROGRESS, COMPLETED
	Result string // of a node run that has ended: SUCCESS, FAILED, CANCELLED

	StatusLabel   string
	Summary       string
	ExternalRunID string
	Links         []string
	Response      json.RawMessage // nil: none was sent
	Output        json.RawMessage // of a node run
	Logs          []Log
	LateLogs      int // log calls refused because the run had ended

	made    time.Time       // when it was added
	payload json.RawMessage // what polling agents are given of it
	Acked   int             // how often an ack of it was accepted: once, or the stand-in is broken
	Calls   int
	// History holds the calls in the order in which they were made, refused
	// ones included.
	History []Call
}

// Log is one message of a run's log.
type Log struct {
	Level   string // of node runs
	Message string
	At      time.Time
}

// Call is one call for a run.
type Call struct {
	Route  string // "PATCH /v1/actions/runs/{id}"
	Body   json.RawMessage
	At     time.Time
	Status int // that was answered, 0 where nothing was
}

// Ended reports whether no further status is accepted.
func (r Run) Ended() bool { return r.Status != InProgress }

// Succeeded reports whether the run has ended well.
func (r Run) Succeeded() bool {
	return r.Status == "SUCCESS" || r.Status == Completed && r.Result == "SUCCESS"
}

// Messages are the messages of the log.
func (r Run) Messages() []string {
	messages := make([]string, len(r.Logs))
	for i, l := range r.Logs {
		messages[i] = l.Message
	}
	return messages
}

// Routes are the routes of the run's calls, in order.
func (r Run) Routes() []string {
	routes := make([]string, len(r.History))
	for i, c := range r.History {
		routes[i] = c.Route
	}
	return routes
}

func (r *Run) clone() Run {
	c := *r
	c.Links, c.Logs, c.History = slices.Clone(r.Links), slices.Clone(r.Logs), slices.Clone(r.History)
	return c
}

// AddRun makes a run known; an id that starts wfnr_ is a node run. Adding a
// known run changes nothing.
func (s *Server) AddRun(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(id)
}

func (s *Server) add(id string) *Run {
	if r, ok := s.runs[id]; ok {
		return r
	}
	r := &Run{ID: id, Node: strings.HasPrefix(id, "wfnr_"), Status: InProgress, made: time.Now()}
	s.runs[id] = r
	s.order = append(s.order, id)
	return r
}

// Run returns a copy of a run.
func (s *Server) Run(id string) (Run, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.runs[id]
	if !ok {
		return Run{}, false
	}
	return r.clone(), true
}

// Runs returns copies of all runs, in the order in which they became known.
func (s *Server) Runs() []Run {
	s.mu.Lock()
	defer s.mu.Unlock()
	runs := make([]Run, len(s.order))
	for i, id := range s.order {
		runs[i] = s.runs[id].clone()
	}
	return runs
}

// End gives a run a status from outside, as a backend or a user does.
func (s *Server) End(id, status string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	run := s.add(id)
	before := run.Ended()
	run.Status = status
	s.noteEnd(run, before)
	s.touch()
}

// noteEnd counts a run that has ended since it was looked at before. The
// caller holds the lock.
func (s *Server) noteEnd(run *Run, before bool) {
	if !before && run.Ended() {
		s.ended++
	}
}

// Forget drops the runs that have ended, so that a long benchmark does not
// grow.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.order = slices.DeleteFunc(s.order, func(id string) bool {
		ended := s.runs[id].Ended()
		if ended {
			delete(s.runs, id)
		}
		return ended
	})
}
