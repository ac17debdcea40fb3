package activity

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestLogOfEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New()
		var works []*Work
		for i := range 20 {
			w := l.Begin(Event{Topic: "org.runs", Partition: i % 4, Offset: int64(i), Run: fmt.Sprintf("r_%d", i)})
			w.Matched(`0 "deploy"`)
			w.For("webhook", "ci.example:443")
			works = append(works, w)
			time.Sleep(time.Second)
		}
		works[3].At(Retrying, "in 12 s")
		works[4].At(Followed, "Running: Deploy")
		works[5].Ended(Run{Result: "SUCCESS", Status: 200, Attempts: 1, Seconds: 1})
		works[5].Leave()
		s := l.Snapshot(10)
		if s.Unsettled != 18 || len(s.Oldest) != 10 || s.Following != 1 || s.Followed[0].Run != "r_4" || s.Followed[0].Detail != "Running: Deploy" {
			t.Errorf("got %d unsettled, %d shown, %d followed %+v", s.Unsettled, len(s.Oldest), s.Following, s.Followed)
		}
		if e := s.Oldest[3]; e.Run != "r_3" || e.State != Retrying || e.Detail != "in 12 s" || time.Since(e.Arrived) != 17*time.Second || !e.Since.Equal(time.Now()) {
			t.Errorf("got %+v", e)
		}
		if len(s.Runs) != 1 || s.Runs[0].Run != "r_5" || s.Runs[0].Host != "ci.example:443" || s.Rules[0].Hits != 20 {
			t.Errorf("got runs %+v and rules %+v", s.Runs, s.Rules)
		}
	})
}

// TestLogIsBounded ends more runs, of more kinds, than are kept.
func TestLogIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New()
		for i := range 3 * keptRules {
			w := l.Begin(Event{Run: fmt.Sprintf("r_%d", i)})
			w.Matched(fmt.Sprint(i))
			w.Ended(Run{Reason: fmt.Sprint(i), Seconds: 1})
			w.Leave()
			time.Sleep(time.Second)
		}
		s := l.Snapshot(10)
		if len(s.Runs) != keptRuns || s.Runs[0].Run != fmt.Sprintf("r_%d", 3*keptRules-1) || s.Runs[1].Run != fmt.Sprintf("r_%d", 3*keptRules-2) {
			t.Errorf("got %d runs, the last are %+v", len(s.Runs), s.Runs[:2])
		}
		if len(s.Failures) > keptFailures || len(s.Rules) > keptRules || len(s.Minutes) > keptMinutes+1 || s.Unsettled != 0 {
			t.Errorf("got %d failures, %d rules, %d minutes, %d unsettled", len(s.Failures), len(s.Rules), len(s.Minutes), s.Unsettled)
		}
	})
}

// TestFailuresOfTheLastHour counts a failure that goes on for three hours.
func TestFailuresOfTheLastHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New()
		l.Fail("gone", "r_gone")
		for range 180 {
			l.Fail("bad_signature", "")
			time.Sleep(time.Minute)
		}
		s := l.Snapshot(10)
		if len(s.Failures) != 1 {
			t.Fatalf("got %+v, want the one that goes on", s.Failures)
		}
		if f := s.Failures[0]; f.Count < 59 || f.Count > 60 || time.Since(f.First) > time.Hour || time.Since(f.Last) != time.Minute {
			t.Errorf("got %+v, want an hour of it", f)
		}
	})
}

func TestMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New()
		for took, reason := range map[float64]string{1: "", 2: "", 9: "timeout"} {
			w := l.Begin(Event{})
			w.Ended(Run{Reason: reason, Seconds: took})
			w.Leave()
		}
		m := l.Snapshot(1).Minutes
		if len(m) != 1 || m[0].OK != 2 || m[0].Failed != 1 || m[0].Slowest != 9 || m[0].Median != 2 {
			t.Errorf("got %+v", m)
		}
	})
}

// What is followed does not count as waiting, and the oldest is known whatever
// ends first.
func TestWaiting(t *testing.T) {
	t.Parallel()
	l := New()
	want := func(n int, oldest time.Time) {
		t.Helper()
		if got, at := l.Waiting(); got != n || !at.Equal(oldest) {
			t.Errorf("got %d, the oldest of %s; want %d of %s", got, at, n, oldest)
		}
	}
	want(0, time.Time{})
	at := time.Now()
	first := l.Begin(Event{Arrived: at})
	second := l.Begin(Event{Arrived: at.Add(time.Second)})
	third := l.Begin(Event{Arrived: at.Add(2 * time.Second)})
	want(3, at)
	third.Leave()
	want(2, at)
	first.At(Followed, "")
	want(1, at.Add(time.Second))
	second.Leave()
	want(0, time.Time{})
}
