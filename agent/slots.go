package agent

import (
	"context"
	"slices"
	"sync"
)

// slots bounds how many attempts are under way, in total and per host. Hosts
// that wait are served in turn, so that one with a long queue delays another
// by no more than its own share; within a host the order is first come, first
// served.
//
// It also tells sources when to read on: no more events need to be here than
// keep the slots busy, see lookahead. Of the queue of a host only as many count
// as keep those busy that it may have, so that one that hangs does not keep the
// events of others from being read.
type slots struct {
	mu      sync.Mutex
	total   int
	free    int
	perHost int
	hosts   map[string]*host
	waiting []*host // hosts with a queue, in the order of their turns

	coming  int             // events that were admitted and have not asked for a slot yet
	readers []chan struct{} // closed when their event is admitted
}

type host struct {
	used  int
	queue []chan struct{} // closed when its slot is given
	name  string
}

// lookahead is how many events may be on their way to n slots. The answers of a
// backend come in waves, and one may free all slots at once: an event is then
// ready for each, and half as many are left, so that reading on need not compete
// for the cores with all that a wave brings about.
func lookahead(n int) int { return n + n/2 }

func newSlots(total, perHost int) *slots {
	return &slots{total: total, free: total, perHost: perHost, hosts: map[string]*host{}}
}

// acquire waits for a slot for name, or gives the cause of ctx's end, which it
// does for a context that has ended before even where a slot is free. Every
// slot is given back with release. Admitted tells that an admission ends here.
func (s *slots) acquire(ctx context.Context, name string, admitted bool) error {
	if ctx.Err() != nil {
		if admitted {
			s.arrive()
		}
		return context.Cause(ctx)
	}
	h, given := s.ask(name, admitted)
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
func (s *slots) ask(name string, admitted bool) (h *host, given chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h = s.hosts[name]
	if h == nil {
		h = &host{name: name}
		s.hosts[name] = h
	}
	if s.free > 0 && h.used < s.perHost && len(h.queue) == 0 {
		s.free--
		h.used++
	} else {
		given = make(chan struct{})
		if len(h.queue) == 0 {
			s.waiting = append(s.waiting, h)
		}
		h.queue = append(h.queue, given)
	}
	if admitted {
		s.arrived()
	}
	return h, given
}

// withdraw takes back a wait, or gives back the slot that was given meanwhile.
func (s *slots) withdraw(h *host, given chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, w := range h.queue {
		if w == given {
			h.queue = append(h.queue[:i], h.queue[i+1:]...)
			s.tidy(h)
			s.admitMore()
			return
		}
	}
	s.giveBack(h)
}

// release gives back a slot of name.
func (s *slots) release(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.giveBack(s.hosts[name])
}

func (s *slots) giveBack(h *host) {
	s.free++
	h.used--
	s.serve()
	s.tidy(h)
	s.admitMore()
}

// admit waits until there is use for another event: fewer are on their way to a
// slot than the lookahead. It gives the cause of ctx's end. Every admission ends
// with arrive or with the event's first acquire.
func (s *slots) admit(ctx context.Context) error {
	s.mu.Lock()
	if s.ahead() < lookahead(s.total) {
		s.coming++
		s.mu.Unlock()
		return nil
	}
	admitted := make(chan struct{})
	s.readers = append(s.readers, admitted)
	s.mu.Unlock()
	select {
	case <-admitted:
		return nil
	case <-ctx.Done():
		s.mu.Lock()
		defer s.mu.Unlock()
		if i := slices.Index(s.readers, admitted); i >= 0 {
			s.readers = slices.Delete(s.readers, i, i+1)
		} else {
			s.coming--
		}
		return context.Cause(ctx)
	}
}

// ahead is how many events are on their way to a slot. It stays below the
// lookahead while a slot is free and nobody comes: a host whose events wait
// beside a free slot has its share of those that are not.
func (s *slots) ahead() int {
	n := s.coming
	for _, h := range s.waiting {
		if n += min(len(h.queue), lookahead(s.perHost)); n >= lookahead(s.total) {
			break
		}
	}
	return n
}

// arrive ends the admission of an event that does not ask for a slot now.
func (s *slots) arrive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.arrived()
}

func (s *slots) arrived() {
	s.coming = max(0, s.coming-1) // one that was never admitted counts for nothing
	s.admitMore()
}

// admitMore lets in those that wait for it. So that a reader is not woken for
// every single event, it does so when what is ahead is enough for half of the
// slots, or when half of the free slots have nobody on his way to them: the
// queues of hosts that have their share may be more than that by themselves.
func (s *slots) admitMore() {
	left := s.free > 0 && s.coming <= s.free/2
	if len(s.readers) == 0 || !left && s.ahead() > s.total/2 {
		return
	}
	s.coming += len(s.readers)
	for _, admitted := range s.readers {
		close(admitted)
	}
	s.readers = s.readers[:0]
}

// contended reports whether somebody waits for a slot such as name gives back.
func (s *slots) contended(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hosts[name]
	return h != nil && len(h.queue) > 0 || s.free == 0 && len(s.waiting) > 0
}

// serve gives free slots to waiting hosts, one each in turn.
func (s *slots) serve() {
	for passed := 0; s.free > 0 && passed < len(s.waiting); {
		h := s.waiting[0]
		s.waiting = append(s.waiting[1:], h)
		if h.used >= s.perHost {
			passed++
			continue
		}
		passed = 0
		s.free--
		h.used++
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
	for i, w := range s.waiting {
		if w == h {
			s.waiting = append(s.waiting[:i], s.waiting[i+1:]...)
			break
		}
	}
	if h.used == 0 {
		delete(s.hosts, h.name)
	}
}
