package agent

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// answerLife is how long a host counts as one that answers.
const answerLife = time.Minute

// maxAnswered is how many hosts are remembered before old ones are dropped.
const maxAnswered = 1000

// slots bounds how many attempts are under way, in total and per host. Hosts
// that wait are served in turn, so that one with a long queue delays another
// by no more than its own share; within a host the order is first come, first
// served.
//
// Hosts that have not answered within the last minute get half of the slots at
// most, all of them together, and each of them a quarter: hosts that hang,
// however many names they go by, leave room for those that work, and one alone
// leaves room for those that are new.
type slots struct {
	mu       sync.Mutex
	total    int
	free     int
	perHost  int
	hosts    map[string]*host
	waiting  []*host              // hosts with a queue, in the order of their turns
	answered map[string]time.Time // when a host answered last
	unproven int                  // slots that hosts hold which had not answered when they got them
}

type host struct {
	used     int
	unproven int             // of these
	queue    []chan struct{} // closed when its slot is given
	name     string
}

func newSlots(total, perHost int) *slots {
	return &slots{total: total, free: total, perHost: perHost, hosts: map[string]*host{}, answered: map[string]time.Time{}}
}

// acquire waits for a slot for name, or returns the cause of ctx's end, which it
// does for a context that has ended before even where a slot is free. Every
// slot is given back with release.
func (s *slots) acquire(ctx context.Context, name string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	h, given := s.ask(name)
	if given == nil {
		return nil
	}
	select {
	case <-given:
		return nil
	case <-ctx.Done():
		s.withdraw(h, given)
		return context.Cause(ctx)
	}
}

// ask takes a slot for name, or the last place in its queue.
func (s *slots) ask(name string) (h *host, given chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h = s.hosts[name]
	if h == nil {
		h = &host{name: name}
		s.hosts[name] = h
	}
	if len(h.queue) == 0 && s.may(h) {
		s.take(h)
	} else {
		given = make(chan struct{})
		if len(h.queue) == 0 {
			s.waiting = append(s.waiting, h)
		}
		h.queue = append(h.queue, given)
	}
	return h, given
}

// withdraw takes back a wait, or gives back the slot that was given meanwhile.
func (s *slots) withdraw(h *host, given chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(h.queue, given); i >= 0 {
		h.queue = slices.Delete(h.queue, i, i+1)
		s.tidy(h)
		return
	}
	s.giveBack(h)
}

// release gives back a slot of name; answered tells that the host did.
func (s *slots) release(name string, answered bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hosts[name]
	if answered {
		s.noteAnswer(name)
		s.unproven -= h.unproven
		h.unproven = 0
	}
	s.giveBack(h)
}

func (s *slots) noteAnswer(name string) {
	if len(s.answered) >= maxAnswered {
		maps.DeleteFunc(s.answered, func(_ string, at time.Time) bool { return time.Since(at) > answerLife })
	}
	s.answered[name] = time.Now()
}

// may reports whether h may have a free slot now.
func (s *slots) may(h *host) bool {
	if s.free == 0 || h.used >= s.perHost {
		return false
	}
	return s.proven(h) || h.used < max(1, s.total/4) && s.unproven < max(1, s.total/2)
}

// proven reports whether h has answered recently.
func (s *slots) proven(h *host) bool {
	at, ok := s.answered[h.name]
	return ok && time.Since(at) <= answerLife
}

func (s *slots) take(h *host) {
	s.free--
	h.used++
	if !s.proven(h) {
		h.unproven++
		s.unproven++
	}
}

func (s *slots) giveBack(h *host) {
	s.free++
	h.used--
	if h.unproven > 0 {
		h.unproven--
		s.unproven--
	}
	s.serve()
	s.tidy(h)
}

// serve gives free slots to waiting hosts, one each in turn.
func (s *slots) serve() {
	for passed := 0; s.free > 0 && passed < len(s.waiting); {
		h := s.waiting[0]
		s.waiting = append(s.waiting[1:], h)
		if !s.may(h) {
			passed++
			continue
		}
		passed = 0
		s.take(h)
		close(h.queue[0])
		h.queue = h.queue[1:]
		if len(h.queue) == 0 {
			s.waiting = s.waiting[:len(s.waiting)-1]
		}
	}
}

// tidy forgets a host that nobody uses or waits for.
func (s *slots) tidy(h *host) {
	if len(h.queue) > 0 {
		return
	}
	if i := slices.Index(s.waiting, h); i >= 0 {
		s.waiting = slices.Delete(s.waiting, i, i+1)
	}
	if h.used == 0 {
		delete(s.hosts, h.name)
	}
}
