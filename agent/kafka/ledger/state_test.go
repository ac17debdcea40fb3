package ledger

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"
)

// TestStateTellsGrowthFromLag lets a partition fall behind, catch up and stand
// still: growth is measured against the lag of five to ten minutes before.
func TestStateTellsGrowthFromLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := Begin(Place{"org.runs", 3}, 100, 100)
		if got := tr.State(); got.End != -1 {
			t.Errorf("before the log was looked at: got %+v, want no end", got)
		}
		lag := func(minute int) int64 { // 0, 100, … 2,000, and down again
			return int64(100 * (20 - max(minute-20, 20-minute)))
		}
		for minute := range 40 {
			if got := tr.Saw(100 + lag(minute)); got != lag(minute) {
				t.Fatalf("minute %d: got lag %d, want %d", minute, got, lag(minute))
			}
			got := tr.State()
			want := State{Topic: "org.runs", Partition: 3, Committed: 100, Position: 100, End: 100 + lag(minute), Lag: lag(minute), Before: got.Before}
			if got != want {
				t.Fatalf("minute %d: got %+v, want %+v", minute, got, want)
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

// TestSawLeavesOutFollowed counts what is not read and what is not settled, but
// no event whose pipeline is followed.
func TestSawLeavesOutFollowed(t *testing.T) {
	t.Parallel()
	tr := Begin(runsZero, 0, 0)
	for o := range int64(5) {
		read(t, tr, o, arrivedNew).Mark([]Stage{Waiting, Started, Following, Following, Waiting}[o])
	}
	if got := tr.Saw(12); got != 3+7 {
		t.Errorf("lag: got %d, want 3 unsettled and 7 not read", got)
	}
	if got := tr.Saw(2); got != 3 {
		t.Errorf("lag behind a log that got shorter: got %d, want 3", got)
	}
	want := State{Topic: "runs", Position: 5, End: 2, Lag: 3, Before: 10, Window: 5}
	if got := tr.State(); got != want {
		t.Errorf("state: got %+v, want %+v", got, want)
	}
}

// TestPlaceInALog writes a place as the other messages do.
func TestPlaceInALog(t *testing.T) {
	t.Parallel()
	got, err := json.Marshal([]Place{{"org.runs", 3}, {"org.change.log", 0}})
	if want := `["org.runs/3","org.change.log/0"]`; err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}
