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

func TestRecentForgetsTheOldest(t *testing.T) {
	t.Parallel()
	r := newRecent()
	name := func(n int) string { return string(rune('a'+n%26)) + time.Duration(n).String() }
	for n := range recentRuns + 10 {
		if err := r.claim(t.Context(), name(n), seat{offset: int64(n)}); err != nil {
			t.Fatalf("run %d was not known, and refused: %v", n, err)
		}
		r.settle(name(n))
	}
	for n, want := range map[int]error{0: nil, 9: nil, 10: errReplayed, recentRuns + 9: errReplayed} {
		if got := r.claim(t.Context(), name(n), seat{}); got != want {
			t.Errorf("claim of run %d: got %v, want %v", n, got, want)
		}
	}
	if len(r.ring) != recentRuns || len(r.runs) != recentRuns+2 {
		t.Errorf("got %d settled runs of %d; want %d of 2 more", len(r.ring), len(r.runs), recentRuns)
	}
}

// An event that comes again from its own place waits for the end of the first
// time; a run that comes from another place is a replay.
func TestRecentTellsPlacesApart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRecent()
		here, elsewhere := seat{"org.runs", 0, 7}, seat{"org.runs", 0, 9}
		claim := func(at seat) (result <-chan error) {
			c := make(chan error, 1)
			go func() { c <- r.claim(t.Context(), "r_1", at) }()
			synctest.Wait()
			return c
		}
		if err := <-claim(here); err != nil {
			t.Fatal(err)
		}
		if err := <-claim(elsewhere); err != errReplayed {
			t.Errorf("another event of a run in work: got %v, want %v", err, errReplayed)
		}
		again := claim(here)
		if len(again) != 0 {
			t.Fatal("the same event did not wait for the end of its first time")
		}
		r.release("r_1")
		if err := <-again; err != nil {
			t.Errorf("after it was left: %v, want it claimed", err)
		}
		again = claim(here)
		r.settle("r_1")
		if err := <-again; err != errSettled {
			t.Errorf("after it was settled: got %v, want %v", err, errSettled)
		}
		if err := <-claim(elsewhere); err != errReplayed {
			t.Errorf("another event of a settled run: got %v, want %v", err, errReplayed)
		}
	})
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
