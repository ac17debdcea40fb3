package port_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"port-agent/agent"
	"port-agent/agent/port"
	"port-agent/agent/port/porttest"
)

// 200 runs against a limit of 100 calls a minute: everything arrives, in as
// many windows as it takes, and hardly a call is wasted on a refusal.
func TestReportsWaitForTheRateLimit(t *testing.T) {
	t.Parallel()
	for _, inSeconds := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t, porttest.Config{RateLimit: 100, RateWindow: time.Minute, ResetSeconds: inSeconds})
			f.server.Delay(10 * time.Millisecond)
			begun := time.Now()
			parallel(200, func(i int) {
				run := fmt.Sprintf("r_%d", i)
				if err := f.Report(t.Context(), run, agent.Report{Status: agent.StatusSuccess, Response: json.RawMessage(`{}`)}); err != nil {
					t.Error(err)
				}
			})
			if took := time.Since(begun); took < 3*time.Minute || took > 5*time.Minute {
				t.Errorf("took %s, want three to five minutes", took)
			}
			// What is under way when the last call of a window is answered is refused.
			if got, most := len(f.server.Calls()), 3; got > most {
				t.Errorf("routes: got %d, want at most %d", got, most)
			}
			refused := 0
			for _, run := range f.server.Runs() {
				if !run.Succeeded() {
					t.Errorf("run %s: got status %s, want SUCCESS", run.ID, run.Status)
				}
				for _, c := range run.History {
					if c.Status == 429 {
						refused++
					}
				}
			}
			if refused > 4*200 {
				t.Errorf("refused calls: got %d, want no more than wait at once, per window", refused)
			}
		})
	}
}

// Where calls are made one after another none is refused: the last of a
// window is recognised by what remains.
func TestNoCallBeyondTheLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, porttest.Config{RateLimit: 10, RateWindow: time.Minute})
		for i := range 35 {
			if err := f.Report(t.Context(), fmt.Sprintf("r_%d", i), agent.Report{Status: agent.StatusSuccess}); err != nil {
				t.Fatal(err)
			}
		}
		if got := f.reports("status", "retried"); got != 0 {
			t.Errorf("refused calls: got %d, want 0", got)
		}
	})
}

// When little is left of a window, it is the reports'.
func TestLogsGiveWayToReports(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, porttest.Config{RateLimit: 100, RateWindow: time.Minute})
		for range 96 {
			if err := f.Log(t.Context(), "r_1", someLines); err != nil {
				t.Fatal(err)
			}
		}
		for range 10 {
			if err := f.Log(t.Context(), "r_1", someLines); err != nil {
				t.Errorf("log under the limit: got %v, want none", err)
			}
		}
		if got := f.server.Count(porttest.RouteLog); got != 96 {
			t.Errorf("log calls: got %d, want 96", got)
		}
		if got := f.reports("log", "dropped"); got != 10 {
			t.Errorf("dropped: got %d, want 10", got)
		}
		begun := time.Now()
		if err := f.Report(t.Context(), "r_1", agent.Report{Status: agent.StatusSuccess}); err != nil || time.Since(begun) > 0 {
			t.Errorf("report: got %v after %s, want it at once", err, time.Since(begun))
		}
		time.Sleep(62 * time.Second) // the stand-in tells a second too much
		if err := f.Log(t.Context(), "r_2", someLines); err != nil || f.server.Count(porttest.RouteLog) != 97 {
			t.Errorf("log of the next window: got %v, want it sent", err)
		}
	})
}

// A hundred reports that wait for the end of a window do not come back as one.
func TestReportsComeBackSpread(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, porttest.Config{})
		f.server.Fault(porttest.RouteStatus, porttest.Fault{Times: 1, Status: 429})
		_ = f.Log(t.Context(), "r_0", someLines)
		parallel(100, func(i int) {
			if i > 0 {
				time.Sleep(time.Millisecond)
			}
			if err := f.Report(t.Context(), fmt.Sprintf("r_%d", i), agent.Report{Status: agent.StatusSuccess}); err != nil {
				t.Error(err)
			}
		})
		at := make(map[int64]int)
		for _, run := range f.server.Runs() {
			at[run.History[len(run.History)-1].At.UnixMilli()/10]++
		}
		for when, n := range at {
			if n > 30 {
				t.Errorf("%d calls within 10 ms (%d), want them spread", n, when)
			}
		}
	})
}

// What Port says of its limit, and how the last calls went, can be looked at.
func TestState(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, porttest.Config{RateLimit: 2, RateWindow: time.Minute})
		if got := f.State(); got != (port.State{Left: -1}) {
			t.Errorf("before any call: got %+v", got)
		}
		begun := time.Now()
		if err := f.Report(t.Context(), "r_1", agent.Report{Summary: "goes on"}); err != nil {
			t.Fatal(err)
		}
		if got := f.State(); got.Left != 1 || got.Limited || !got.OKAt.Equal(begun) || got.Error != "" || got.Reset.Sub(begun) < time.Minute {
			t.Errorf("after a call: got %+v, want 1 left of this minute", got)
		}
		f.server.Fault(porttest.RouteStatus, porttest.Fault{Times: 1, Status: 503})
		if err := f.Report(t.Context(), "r_1", agent.Report{Summary: "goes on"}); err != nil {
			t.Fatal(err)
		}
		if got := f.State(); !strings.Contains(got.Error, "answered 503") || got.ErrorAt.IsZero() || got.Left != 0 || !got.Limited {
			t.Errorf("after a fault and the last call: got %+v, want the fault, and no call left", got)
		}
		time.Sleep(2 * time.Minute)
		if got := f.State(); got.Left != -1 || got.Limited {
			t.Errorf("in the next minute: got %+v, want nothing known of it", got)
		}
	})
}
