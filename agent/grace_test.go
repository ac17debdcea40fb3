package agent

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestPause(t *testing.T) {
	bubble(t, func(t *testing.T) {
		begun := time.Now()
		if err := Pause(t.Context(), time.Second); err != nil || time.Since(begun) != time.Second {
			t.Errorf("got %v after %s, want nil after 1s", err, time.Since(begun))
		}
		stop := errors.New("stop")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(stop) })
		begun = time.Now()
		if err := Pause(ctx, time.Hour); !errors.Is(err, stop) || time.Since(begun) != time.Second {
			t.Errorf("got %v after %s, want the cause after 1s", err, time.Since(begun))
		}
	})
}

func TestUnsettledTellsOfTheOldest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var u unsettled
		if got := u.age(); got != 0 {
			t.Errorf("age without events: got %s, want 0", got)
		}
		first := u.add(time.Now())
		time.Sleep(time.Minute)
		second := u.add(time.Now())
		time.Sleep(time.Minute)
		third := u.add(time.Now())
		for _, step := range []struct {
			done func()
			want time.Duration
		}{{func() {}, 2 * time.Minute}, {second, 2 * time.Minute}, {first, 0}, {third, 0}} {
			step.done()
			if got := u.age(); got != step.want {
				t.Errorf("age: got %s, want %s", got, step.want)
			}
		}
	})
}

func TestRecentForgetsTheOldest(t *testing.T) {
	t.Parallel()
	r := newRecent()
	name := func(n int) string { return string(rune('a'+n%26)) + time.Duration(n).String() }
	for n := range recentRuns + 10 {
		if !r.claim(name(n)) {
			t.Fatalf("run %d was not known, but refused", n)
		}
		r.settle(name(n))
	}
	for n, want := range map[int]bool{0: true, 9: true, 10: false, recentRuns + 9: false} {
		if got := r.claim(name(n)); got != want {
			t.Errorf("claim of run %d: got %t, want %t", n, got, want)
		}
	}
	if got, want := len(r.seen), recentRuns+2; got != want {
		t.Errorf("got %d runs remembered, want %d", got, want)
	}
}

func TestRecentReleaseLetsTheNextHaveIt(t *testing.T) {
	t.Parallel()
	r := newRecent()
	if !r.claim("r_1") || r.claim("r_1") {
		t.Fatal("want the first claim alone to be granted")
	}
	r.release("r_1")
	if !r.claim("r_1") {
		t.Error("a claim that was taken back is still held")
	}
}

func TestPlacesTakeTurns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var seq Sequence
		first, second, third := seq.Next(), seq.Next(), seq.Next()
		var order []string
		go func() { third.Wait(); order = append(order, "third"); third.Done() }()
		synctest.Wait()
		go func() { second.Wait(); order = append(order, "second"); second.Done() }()
		synctest.Wait()
		if len(order) != 0 {
			t.Fatalf("got %v before the first was done", order)
		}
		first.Wait()
		first.Done()
		synctest.Wait()
		if len(order) != 2 || order[0] != "second" {
			t.Errorf("got %v, want second, third", order)
		}
		var none Place
		none.Wait()
		none.Done()
	})
}
