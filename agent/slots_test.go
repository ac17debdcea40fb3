package agent

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// bubble runs f in a synctest bubble of its own subtest.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, f)
}

// waiter is one acquire of a test.
type waiter struct {
	host   string
	err    error
	done   bool
	cancel context.CancelCauseFunc
}

// wait begins an acquire and lets it come as far as it can.
func wait(t *testing.T, s *slots, host string) *waiter {
	ctx, cancel := context.WithCancelCause(t.Context())
	w := &waiter{host: host, cancel: cancel}
	go func() {
		w.err = s.acquire(ctx, host)
		w.done = true
	}()
	synctest.Wait()
	return w
}

// answering makes slots all of whose hosts have just answered.
func answering(total, perHost int, hosts ...string) *slots {
	s := newSlots(total, perHost)
	for _, h := range hosts {
		s.noteAnswer(h)
	}
	return s
}

func TestSlotsBoundTotalAndHost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := answering(3, 2, "a", "b")
		for n, want := range []struct {
			host string
			done bool
		}{{"a", true}, {"a", true}, {"a", false}, {"b", true}, {"b", false}} {
			if got := wait(t, s, want.host); got.done != want.done {
				t.Errorf("%d. acquire, of %s: got a slot %t, want %t", n, want.host, got.done, want.done)
			}
		}
		if got := s.idle(); got != 0 {
			t.Errorf("free: got %d, want 0", got)
		}
		s.release("a", true) // the waiting one of a
		s.release("a", true) // the waiting one of b: a has none left
		s.release("a", true)
		s.release("b", true)
		s.release("b", true)
		synctest.Wait()
		if got := s.idle(); got != 3 {
			t.Errorf("free at the end: got %d, want 3", got)
		}
	})
}

// A host with a long queue gets every second slot, not all of them.
func TestSlotsServeHostsInTurn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSlots(1, 1)
		holder := wait(t, s, "held")
		var waiting []*waiter
		for _, host := range []string{"a", "a", "a", "b", "b", "c"} {
			waiting = append(waiting, wait(t, s, host))
		}
		var order []string
		for holder != nil {
			s.release(holder.host, true)
			synctest.Wait()
			holder = nil
			for i, w := range waiting {
				if w.done {
					order = append(order, w.host)
					holder, waiting = w, slices.Delete(waiting, i, i+1)
					break
				}
			}
		}
		if got, want := fmt.Sprint(order), "[a b c a b a]"; got != want {
			t.Errorf("served: got %s, want %s", got, want)
		}
	})
}

// A host at its bound does not use up the turns of the others.
func TestSlotsPassFullHosts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := answering(3, 1, "slow", "other", "third", "fast")
		wait(t, s, "slow")
		wait(t, s, "other")
		wait(t, s, "third")
		behind := wait(t, s, "slow")
		fast := wait(t, s, "fast")
		s.release("other", true)
		synctest.Wait()
		if behind.done || !fast.done {
			t.Errorf("got a slot: slow %t, fast %t; want false, true", behind.done, fast.done)
		}
	})
}

func TestSlotsRefuseEndedContext(t *testing.T) {
	t.Parallel()
	s := newSlots(1, 1)
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	if err := s.acquire(ctx, "a"); !errors.Is(err, stop) {
		t.Errorf("got %v, want the cause of the end", err)
	}
	if got := s.idle(); got != 1 || len(s.hosts) != 0 {
		t.Errorf("got %d free, %d hosts; want 1, 0", got, len(s.hosts))
	}
}

func TestSlotsGiveUpWaiting(t *testing.T) {
	bubble(t, func(t *testing.T) {
		stop := errors.New("stop")
		s := newSlots(1, 1)
		wait(t, s, "a")
		first, second, third := wait(t, s, "a"), wait(t, s, "b"), wait(t, s, "a")
		first.cancel(stop)
		second.cancel(stop)
		synctest.Wait()
		for _, w := range []*waiter{first, second} {
			if !w.done || !errors.Is(w.err, stop) {
				t.Errorf("a cancelled wait: done %t with %v, want the cause", w.done, w.err)
			}
		}
		s.release("a", true)
		synctest.Wait()
		if !third.done || third.err != nil {
			t.Errorf("the one behind: done %t with %v, want a slot", third.done, third.err)
		}
		s.release("a", true)
		if got := s.idle(); got != 1 || len(s.hosts) != 0 || len(s.waiting) != 0 {
			t.Errorf("got %d free, %d hosts, %d waiting; want 1, 0, 0", got, len(s.hosts), len(s.waiting))
		}
	})
}

// Hosts that hang, however many, leave half of the slots to those that answer.
func TestSlotsHostsWithoutEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSlots(8, 4)
		if w := wait(t, s, "works"); !w.done {
			t.Fatal("no slot for the first event of all")
		}
		s.release("works", true)
		var held, waiting int
		for n := range 40 {
			if wait(t, s, fmt.Sprint("hangs-", n)).done {
				held++
			} else {
				waiting++
			}
		}
		if held != 4 || waiting != 36 {
			t.Errorf("hosts that never answered hold %d slots and wait for %d, want 4 and 36", held, waiting)
		}
		for range 4 {
			if !wait(t, s, "works").done {
				t.Error("a host that answers waits behind those that hang")
			}
		}
		s.release("hangs-0", false)
		if synctest.Wait(); s.idle() != 0 {
			t.Errorf("%d slots are free, want 0: another unproven host takes the one that was given back", s.idle())
		}
		s.release("works", true)
		time.Sleep(answerLife + time.Second)
		if w := wait(t, s, "works"); w.done || s.idle() != 1 {
			t.Errorf("got a slot %t with %d free, want none for an answer of a minute ago", w.done, s.idle())
		}
	})
}

// One new host that hangs leaves room for another new one.
func TestSlotsShareOfANewHost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSlots(32, 32)
		held := 0
		for range 100 {
			if wait(t, s, "hangs").done {
				held++
			}
		}
		if held != 8 || !wait(t, s, "new").done {
			t.Errorf("a host that never answered holds %d slots, want 8 and room for another", held)
		}
		s.release("hangs", true)
		if synctest.Wait(); s.hosts["hangs"].used != 31 || s.unproven != 1 {
			t.Errorf("after its first answer it holds %d, want 31; unproven are %d, want 1", s.hosts["hangs"].used, s.unproven)
		}
	})
}

// The memory of hosts that answered does not grow without end.
func TestSlotsForgetHosts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSlots(1, 1)
		for n := range 5 * maxAnswered {
			s.noteAnswer(fmt.Sprint(n))
			time.Sleep(time.Second)
		}
		if got := len(s.answered); got > maxAnswered {
			t.Errorf("%d hosts are remembered, want at most %d", got, maxAnswered)
		}
	})
}

// TestSlotsModel makes random acquires, cancels and releases, and compares who
// holds and who waits with what has to be after each.
func TestSlotsModel(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { bubble(t, func(t *testing.T) { slotsModel(t, seed) }) })
	}
}

func slotsModel(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	total, perHost := 1+rnd.IntN(6), 1+rnd.IntN(4)
	s := answering(total, perHost, "a", "b")
	var held, waiting []*waiter
	check := func(step int) {
		synctest.Wait()
		var still []*waiter
		for _, w := range waiting {
			switch {
			case w.done && w.err == nil:
				held = append(held, w)
			case !w.done:
				still = append(still, w)
			}
		}
		waiting = still
		used := map[string]int{}
		for _, w := range held {
			used[w.host]++
			if used[w.host] > perHost {
				t.Fatalf("seed %d, step %d: %s holds more than %d", seed, step, w.host, perHost)
			}
		}
		if len(held) > total || s.idle() != total-len(held) {
			t.Fatalf("seed %d, step %d: %d held, %d free of %d", seed, step, len(held), s.idle(), total)
		}
		for _, w := range waiting {
			if len(held) < total && used[w.host] < perHost && w.host < "c" {
				t.Fatalf("seed %d, step %d: %s waits beside a free slot", seed, step, w.host)
			}
		}
	}
	for step := range 400 {
		switch n := rnd.IntN(10); {
		case n < 5:
			waiting = append(waiting, wait(t, s, string(rune('a'+rnd.IntN(4)))))
		case n < 8 && len(held) > 0:
			i := rnd.IntN(len(held))
			s.release(held[i].host, held[i].host < "c")
			held = slices.Delete(held, i, i+1)
		case len(waiting) > 0:
			w := waiting[rnd.IntN(len(waiting))]
			if len(held) > 0 && n == 9 { // at once: the slot may be given while the wait is given up
				s.release(held[0].host, held[0].host < "c")
				held = held[1:]
			}
			w.cancel(context.Canceled)
		}
		check(step)
	}
	for _, w := range waiting {
		w.cancel(context.Canceled)
	}
	check(-1)
	for _, w := range held {
		s.release(w.host, true)
	}
	if s.idle() != total || len(s.hosts) != 0 || len(s.waiting) != 0 || s.unproven != 0 {
		t.Errorf("seed %d: left over: %d free of %d, %d hosts, %d waiting", seed, s.idle(), total, len(s.hosts), len(s.waiting))
	}
}

// TestSlotsRace lets many goroutines take and give up slots at once: none is
// lost and nobody waits for ever.
func TestSlotsRace(t *testing.T) {
	t.Parallel()
	s := newSlots(4, 2)
	var all sync.WaitGroup
	for g := range 32 {
		all.Go(func() {
			host := string(rune('a' + g%5))
			for n := range 100 {
				ctx, cancel := context.WithCancel(t.Context())
				if n%3 == 0 {
					time.AfterFunc(time.Microsecond, cancel)
				}
				if s.acquire(ctx, host) == nil {
					s.release(host, true)
				}
				cancel()
			}
		})
	}
	all.Wait()
	if s.idle() != 4 || len(s.hosts) != 0 || len(s.waiting) != 0 {
		t.Errorf("left over: %d free of 4, %d hosts, %d waiting", s.idle(), len(s.hosts), len(s.waiting))
	}
}

// idle counts the slots that are free.
func (s *slots) idle() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.free
}
