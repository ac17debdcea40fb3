package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"port-agent/agent/redact"
)

// logOf gives the lines that each call to Port carried.
func logOf(p *fakePort, run string) []string {
	var calls []string
	for _, c := range p.of(run) {
		var lines []string
		for _, l := range c.lines {
			lines = append(lines, l.Level+" "+l.Message)
		}
		calls = append(calls, strings.Join(lines, ", "))
	}
	return calls
}

// Lines that gather during a call go out with the next one, in order, and the
// last one is out when close returns.
func TestRunLogOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := &fakePort{onLog: func(ctx context.Context, run string, lines []LogLine) error { return Pause(ctx, time.Second) }}
		l := &runLog{reporter: p, run: "r_1"}
		l.note(LevelWarn, "n")
		l.add(t.Context(), LevelInfo, "a")
		synctest.Wait()
		l.add(t.Context(), LevelInfo, "b")
		l.add(t.Context(), LevelWarn, "c")
		begun := time.Now()
		l.close(t.Context(), LevelError, "last")
		if took := time.Since(begun); took != 2*time.Second {
			t.Errorf("close took %s, want 2s: the rest of one call and another", took)
		}
		if got, want := fmt.Sprintf("%q", logOf(p, "r_1")), `["WARN n, INFO a" "INFO b, WARN c, ERROR last"]`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// A line that comes after the last one, because its timer fired late, is not
// sent: the run has ended.
func TestRunLogNothingAfterTheLast(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := new(fakePort)
		l := &runLog{reporter: p, run: "r_1"}
		l.close(t.Context(), LevelInfo, "last")
		l.add(t.Context(), LevelInfo, "late")
		synctest.Wait()
		if got, want := fmt.Sprintf("%q", logOf(p, "r_1")), `["INFO last"]`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// A line that Port does not take fails nothing, and one call has its own time.
func TestRunLogIsBestEffort(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := &fakePort{onLog: func(ctx context.Context, run string, lines []LogLine) error {
			if lines[0].Message == "refused" {
				return errors.New("refused")
			}
			return Pause(ctx, time.Hour)
		}}
		l := &runLog{reporter: p, run: "r_1"}
		ctx, cancel := context.WithCancel(t.Context())
		l.add(ctx, LevelInfo, "refused")
		cancel()
		synctest.Wait()
		begun := time.Now()
		l.close(t.Context(), LevelInfo, "hangs")
		if took := time.Since(begun); took != logTimeout {
			t.Errorf("close took %s, want %s", took, logTimeout)
		}
		if got, want := fmt.Sprintf("%q", logOf(p, "r_1")), `["INFO refused" "INFO hangs"]`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// close waits for a call under way no longer than its context lasts.
func TestRunLogCloseEndsWithContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := &fakePort{onLog: func(ctx context.Context, run string, lines []LogLine) error { return Pause(ctx, time.Hour) }}
		l := &runLog{reporter: p, run: "r_1"}
		l.add(t.Context(), LevelInfo, "a")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		l.close(ctx, LevelInfo, "last")
		if took := time.Since(begun); took != time.Second {
			t.Errorf("close took %s, want 1s", took)
		}
		time.Sleep(2 * logTimeout) // in the bubble: both calls come to their end
	})
}

// What has not been sent when a run ends goes with its status, behind the call
// that is under way and in order.
func TestRunLogFinish(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := &fakePort{onLog: func(ctx context.Context, run string, lines []LogLine) error { return Pause(ctx, time.Second) }}
		l := &runLog{reporter: p, run: "r_1"}
		l.add(t.Context(), LevelInfo, "a")
		synctest.Wait()
		l.add(t.Context(), LevelInfo, "b")
		l.note(LevelWarn, "c")
		begun := time.Now()
		left := l.finish(t.Context(), LevelError, "last")
		if took := time.Since(begun); took != time.Second {
			t.Errorf("finish took %s, want 1s: the rest of one call", took)
		}
		l.add(t.Context(), LevelInfo, "late")
		synctest.Wait()
		if got, want := fmt.Sprint(left), "[{INFO b} {WARN c} {ERROR last}]"; got != want {
			t.Errorf("left: got %s, want %s", got, want)
		}
		if got, want := fmt.Sprintf("%q", logOf(p, "r_1")), `["INFO a"]`; got != want {
			t.Errorf("sent: got %s, want %s", got, want)
		}
	})
}

// Events without a run have no log.
func TestRunLogWithoutRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := new(fakePort)
		l := &runLog{reporter: p}
		l.add(t.Context(), LevelInfo, "a")
		l.close(t.Context(), LevelInfo, "last")
		synctest.Wait()
		if n := len(p.calls); n != 0 {
			t.Errorf("got %d calls, want none", n)
		}
	})
}

// The log of a slow run says once that the request is under way, however many
// attempts are slow, and names each retry; all of that comes before the status.
func TestRunLogOfSlowRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, builtIn)
		f.backend.do = inTurn(takes(3*time.Second, says(503, "busy", 0)), takes(3*time.Second, says(429, "", 0)), takes(3*time.Second, says(404, "gone", 0)))
		f.settle(t, runEvent(t, "r_1"))
		if got, want := f.port.kinds("r_1"), "log log log report"; got != want {
			t.Errorf("calls: got %s, want %s", got, want)
		}
		want := []string{
			"INFO Sent POST https://ci.internal/hook, no answer yet after 2s.",
			"WARN Attempt 1 failed: POST https://ci.internal/hook answered 503: busy. Next attempt in ",
			"WARN Attempt 2 failed: POST https://ci.internal/hook answered 429 Too Many Requests. Next attempt in ",
			"ERROR Invocation ended (FAILURE): POST https://ci.internal/hook answered 404: gone, 3 attempts in ",
		}
		got := f.port.messages("r_1")
		if len(got) != len(want) {
			t.Fatalf("got %q, want %d lines", got, len(want))
		}
		for i := range want {
			if !strings.HasPrefix(got[i], want[i]) {
				t.Errorf("line %d: got %q, want %q", i, got[i], want[i])
			}
		}
	})
}

// What an attempt takes before the two seconds are over is not told.
func TestRunLogOfQuickRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, `[{"name": "deploy"}]`)
		f.backend.do = takes(1999*time.Millisecond, accepts(202, ``))
		f.settle(t, runEvent(t, "r_1"))
		want := `["INFO Invocation ended (IN_PROGRESS): POST https://ci.internal/hook answered 202 in 2.0 s (rule 0 \"deploy\")"]`
		if got := fmt.Sprintf("%q", f.port.messages("r_1")); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	})
}

// A decrypted input that stands in the path of the URL is in no line.
func TestRunLogHoldsNoSecret(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, `[{"fieldsToDecryptPaths": ["payload.properties.hook"], "url": "\"https://ci.internal/\" + .payload.properties.hook"}]`)
		const secret = "T0K3N-of-the-path"
		f.backend.do = inTurn(takes(3*time.Second, says(503, "no "+secret, 0)), takes(3*time.Second, says(500, "no "+secret, 0)))
		f.settle(t, runEvent(t, "r_1", "payload.properties.hook", encrypted(t, secret)))
		if got := f.backend.requests()[0].URL; !strings.HasSuffix(got.String(), secret) {
			t.Fatalf("URL: got %s, want it with the secret", got)
		}
		lines := f.port.messages("r_1")
		if len(lines) != 3 {
			t.Errorf("got %d lines, want 3: %q", len(lines), lines)
		}
		all := strings.Join(lines, "\n") + f.log.String() + fmt.Sprint(f.port.report(t, "r_1"))
		if strings.Contains(all, secret) {
			t.Errorf("the secret is in what was told: %s", all)
		}
		if !strings.Contains(all, redact.Mark) {
			t.Errorf("nothing was redacted: %s", all)
		}
	})
}
