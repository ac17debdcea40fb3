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

// waiter is one acquire or admission of a test.
type waiter struct {
	host   string
	err    error
	done   bool
	cancel context.CancelCauseFunc
}

// wait begins an acquire and lets it come as far as it can.
func wait(t *testing.T, s *slots, host string) *waiter {
	return begin(t, host, func(ctx context.Context) error { return s.acquire(ctx, host, false) })
}

// come is the first acquire of an event that was admitted.
func come(t *testing.T, s *slots, host string) *waiter {
	return begin(t, host, func(ctx context.Context) error { return s.acquire(ctx, host, true) })
}

// admit begins an admission and lets it come as far as it can.
func admit(t *testing.T, s *slots) *waiter { return begin(t, "", s.admit) }

func begin(t *testing.T, host string, f func(context.Context) error) *waiter {
	ctx, cancel := context.WithCancelCause(t.Context())
	w := &waiter{host: host, cancel: cancel}
	go func() {
		w.err = f(ctx)
		w.done = true
	}()
	synctest.Wait()
	return w
}

func TestSlotsBoundTotalAndHost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSlots(3, 2)
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
		s.release("a") // the waiting one of a
		s.release("a") // the waiting one of b: a has none left
		s.release("a")
		s.release("b")
		s.release("b")
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
			s.release(holder.host)
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
		s := newSlots(3, 1)
		wait(t, s, "slow")
		wait(t, s, "other")
		wait(t, s, "third")
		behind := wait(t, s, "slow")
		fast := wait(t, s, "fast")
		s.release("other")
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
	if err := s.admit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.acquire(ctx, "a", true); !errors.Is(err, stop) {
		t.Errorf("got %v, want the cause of the end", err)
	}
	if got := s.idle(); got != 1 || len(s.hosts) != 0 || s.coming != 0 {
		t.Errorf("got %d free, %d hosts, %d on their way; want 1, 0, 0", got, len(s.hosts), s.coming)
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
		s.release("a")
		synctest.Wait()
		if !third.done || third.err != nil {
			t.Errorf("the one behind: done %t with %v, want a slot", third.done, third.err)
		}
		s.release("a")
		if got := s.idle(); got != 1 || len(s.hosts) != 0 || len(s.waiting) != 0 {
			t.Errorf("got %d free, %d hosts, %d waiting; want 1, 0, 0", got, len(s.hosts), len(s.waiting))
		}
	})
}

// Half as many events again are admitted as there are slots, and more when those
// are down to half; what a host has too many of does not count.
func TestSlotsAdmit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSlots(8, 2)
		for range 12 {
			if !admit(t, s).done {
				t.Fatal("not admitted to free slots")
			}
		}
		next := admit(t, s)
		if next.done {
			t.Fatal("admitted though twelve are on their way")
		}
		for range 7 {
			s.arrive() // needs no slot
		}
		if synctest.Wait(); next.done {
			t.Fatal("admitted though five are on their way")
		}
		s.arrive()
		if synctest.Wait(); !next.done {
			t.Fatal("not admitted though four are on their way")
		}
		for range 5 {
			come(t, s, "a") // three wait for their host
		}
		for range 30 {
			if !admit(t, s).done {
				t.Fatal("not admitted beside the queue of one host")
			}
			come(t, s, "a")
		}
		for _, host := range []string{"b", "c", "d"} {
			for range 5 { // two have slots, and three wait for one beside three of a
				if !admit(t, s).done {
					t.Fatal("not admitted though fewer than twelve wait")
				}
				come(t, s, host)
			}
		}
		next = admit(t, s)
		if next.done {
			t.Fatal("admitted though twelve wait")
		}
		for _, host := range []string{"d", "d", "d", "c", "c", "c", "b"} {
			s.release(host)
			if synctest.Wait(); next.done {
				t.Fatalf("admitted though %d wait", s.ahead())
			}
		}
		s.release("b")
		if synctest.Wait(); !next.done {
			t.Errorf("not admitted with %d on their way to 8 slots", s.ahead())
		}
	})
}

// A reader that waits is let in as soon as a slot is free that nobody is on his
// way to, although three hosts that hang fill more than half of the queue.
func TestSlotsAdmitBesideHangingHosts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSlots(8, 2)
		for _, host := range []string{"a", "b", "c"} {
			for range 5 {
				wait(t, s, host)
			}
		}
		for range 3 {
			if !admit(t, s).done {
				t.Fatal("not admitted beside two free slots")
			}
		}
		next := admit(t, s)
		if next.done {
			t.Fatal("admitted though three are on their way to two free slots")
		}
		s.arrive() // needs none
		if synctest.Wait(); next.done {
			t.Fatal("admitted though two are on their way to two free slots")
		}
		s.arrive()
		if synctest.Wait(); !next.done {
			t.Error("not admitted though one of two free slots is left over")
		}
	})
}

// Whether somebody waits for what a host gives back: one of its own, or any
// other where no slot is free.
func TestSlotsContended(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSlots(3, 2)
		want := func(what string, hosts ...string) {
			t.Helper()
			for _, host := range []string{"a", "b"} {
				if got := s.contended(host); got != slices.Contains(hosts, host) {
					t.Errorf("%s: contended of %s: got %t", what, host, got)
				}
			}
		}
		wait(t, s, "a")
		want("one under way")
		wait(t, s, "a")
		wait(t, s, "a")
		want("one of a waits beside a free slot", "a")
		wait(t, s, "b")
		want("one of a waits and no slot is free", "a", "b")
		s.release("a")
		want("none waits")
	})
}

// Whatever the hosts do, a reader does not wait beside a free slot that nobody
// is on his way to, be it new or waiting already.
func TestSlotsAdmitToAFreeSlot(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				rnd := rand.New(rand.NewPCG(seed, 2))
				s := newSlots(1+rnd.IntN(8), 1+rnd.IntN(8))
				var all, held []*waiter
				reader := admit(t, s)
				for step := range 300 {
					if s.idle() > 0 && !reader.done {
						t.Fatalf("step %d: %d free of %d, %d a host, and the reader waits", step, s.idle(), s.total, s.perHost)
					}
					if reader.done {
						all = append(all, come(t, s, string(rune('a'+rnd.IntN(3)))))
						reader = admit(t, s)
					}
					all = slices.DeleteFunc(all, func(w *waiter) bool {
						if w.done {
							held = append(held, w)
						}
						return w.done
					})
					if len(held) > 0 && rnd.IntN(3) == 0 {
						i := rnd.IntN(len(held))
						s.release(held[i].host)
						held = slices.Delete(held, i, i+1)
					}
					synctest.Wait()
				}
				for _, w := range append(all, reader) {
					w.cancel(context.Canceled)
				}
			})
		})
	}
}

// A reader that gives up its wait leaves no trace, also where it is admitted in
// the same moment.
func TestSlotsAdmitAndGiveUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		stop := errors.New("stop")
		s := newSlots(1, 1)
		admit(t, s)
		gone, last := admit(t, s), admit(t, s)
		gone.cancel(stop)
		synctest.Wait()
		if !gone.done || gone.err != stop {
			t.Errorf("done %t with %v, want the cause", gone.done, gone.err)
		}
		s.arrive()
		last.cancel(stop)
		synctest.Wait()
		want := 1
		if last.err != nil {
			want = 0
		}
		if s.coming != want || len(s.readers) != 0 {
			t.Errorf("got %d on their way and %d that wait, want %d and 0", s.coming, len(s.readers), want)
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
	s := newSlots(total, perHost)
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
			if len(held) < total && used[w.host] < perHost {
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
			s.release(held[i].host)
			held = slices.Delete(held, i, i+1)
		case len(waiting) > 0:
			w := waiting[rnd.IntN(len(waiting))]
			if len(held) > 0 && n == 9 { // at once: the slot may be given while the wait is given up
				s.release(held[0].host)
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
		s.release(w.host)
	}
	if s.idle() != total || len(s.hosts) != 0 || len(s.waiting) != 0 {
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
				if s.acquire(ctx, host, false) == nil {
					s.release(host)
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
