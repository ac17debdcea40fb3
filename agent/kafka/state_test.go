package kafka

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestStateTellsGrowthFromLag lets a partition fall behind, catch up and stand
// still: growth is measured against the lag of five to ten minutes before.
func TestStateTellsGrowthFromLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := partition{"org.runs", 3}
		s := &Source{cfg: Config{GroupID: "group"}}
		tr := newTracker(p, 100, ledger{high: 100})
		s.lookout.enter(7, map[partition]*tracker{p: tr})
		lag := func(minute int) int64 { // 0, 100, … 2,000, and down again
			return int64(100 * (20 - max(minute-20, 20-minute)))
		}
		for minute := range 40 {
			tr.saw(100 + lag(minute))
			state := s.State()
			if state.Group != "group" || state.Generation != 7 || len(state.Partitions) != 1 {
				t.Fatalf("got %+v", state)
			}
			got := state.Partitions[0]
			if got.ID != 3 || got.Committed != 100 || got.Position != 100 || got.End != 100+lag(minute) || got.Lag != lag(minute) || got.Full {
				t.Fatalf("minute %d: got %+v", minute, got)
			}
			age := time.Duration(0)
			for before := range 11 {
				if minute >= before && got.Before == lag(minute-before) {
					age = time.Duration(before) * time.Minute
					break
				}
			}
			if minute >= 10 && (age < lagAge || age > 2*lagAge) && got.Before != got.Lag {
				t.Errorf("minute %d: lag %d is compared with %d, which is %s old", minute, got.Lag, got.Before, age)
			}
			if grows := got.Lag > got.Before; minute > 10 && minute < 20 && !grows || minute > 32 && grows {
				t.Errorf("minute %d: grows is %v", minute, grows)
			}
			time.Sleep(time.Minute)
		}
	})
}

// TestStateNamesTheFault keeps why the group is not joined until it is.
func TestStateNamesTheFault(t *testing.T) {
	t.Parallel()
	s := &Source{}
	s.lookout.failed(errors.New("connection refused"))
	if got := s.State(); got.Error != "connection refused" || got.Generation != 0 {
		t.Errorf("got %+v, want the reason", got)
	}
	s.lookout.enter(1, nil)
	if got := s.State(); got.Error != "" || got.Generation != 1 {
		t.Errorf("got %+v, want no reason once it has joined", got)
	}
}
