package agent

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
)

func TestOrderWithoutKeyWaitsForNobody(t *testing.T) {
	t.Parallel()
	o := newOrder()
	first, second := o.join(""), o.join("")
	for _, turn := range []*turn{second, first} {
		if err := turn.wait(t.Context()); err != nil {
			t.Error(err)
		}
		turn.leave()
		turn.leave()
	}
	if len(o.last) != 0 {
		t.Errorf("got %d lines, want none", len(o.last))
	}
}

// place is one event of an order test.
type place struct {
	*turn
	came   bool
	cancel context.CancelCauseFunc
}

func lineUp(t *testing.T, o *order, key string) *place {
	ctx, cancel := context.WithCancelCause(t.Context())
	p := &place{turn: o.join(key), cancel: cancel}
	go func() {
		if p.turn.wait(ctx) != nil {
			p.turn.leave()
			return
		}
		p.came = true
	}()
	synctest.Wait()
	return p
}

func TestOrderIsThatOfJoining(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := newOrder()
		first, second, third, other := lineUp(t, o, "a"), lineUp(t, o, "a"), lineUp(t, o, "a"), lineUp(t, o, "b")
		if !first.came || second.came || third.came || !other.came {
			t.Fatalf("came: %t %t %t and other %t; want the first and the other", first.came, second.came, third.came, other.came)
		}
		first.leave()
		synctest.Wait()
		if !second.came || third.came {
			t.Errorf("after the first left: second %t, third %t; want true, false", second.came, third.came)
		}
		second.leave()
		synctest.Wait()
		third.leave()
		other.leave()
		third.leave() // a second time does nothing
		if len(o.last) != 0 {
			t.Errorf("got %d lines at the end, want none", len(o.last))
		}
	})
}

// One that gives up in the middle does not let the next one past the first.
func TestOrderAbandonedTurnKeepsOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := newOrder()
		first, second, third := lineUp(t, o, "a"), lineUp(t, o, "a"), lineUp(t, o, "a")
		second.cancel(errors.New("stop"))
		synctest.Wait()
		if third.came {
			t.Fatal("the third came before the first had left")
		}
		first.leave()
		synctest.Wait()
		if second.came || !third.came {
			t.Errorf("second %t, third %t; want false, true", second.came, third.came)
		}
		third.leave()
		if len(o.last) != 0 {
			t.Errorf("got %d lines at the end, want none", len(o.last))
		}
	})
}

// TestOrderModel joins, leaves and abandons at random: of each key at most one
// has its turn, in the order of joining, and nobody waits who could go.
func TestOrderModel(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { bubble(t, func(t *testing.T) { orderModel(t, seed) }) })
	}
}

func orderModel(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 2))
	o := newOrder()
	lines := map[string][]*place{} // who has neither left nor given up
	for step := range 300 {
		key := string(rune('a' + rnd.IntN(3)))
		line := lines[key]
		switch n := rnd.IntN(8); {
		case n < 4:
			line = append(line, lineUp(t, o, key))
		case n < 7 && len(line) > 0:
			line[0].leave()
			line = line[1:]
		case len(line) > 1:
			i := 1 + rnd.IntN(len(line)-1)
			line[i].cancel(context.Canceled)
			line = slices.Delete(line, i, i+1)
		}
		lines[key] = line
		synctest.Wait()
		for key, line := range lines {
			for i, p := range line {
				if p.came != (i == 0) {
					t.Fatalf("seed %d, step %d: number %d of %s has its turn: %t", seed, step, i, key, p.came)
				}
			}
		}
	}
	for _, line := range lines {
		for _, p := range line {
			synctest.Wait()
			p.leave()
		}
	}
	synctest.Wait()
	if len(o.last) != 0 {
		t.Errorf("seed %d: got %d lines at the end, want none", seed, len(o.last))
	}
}
