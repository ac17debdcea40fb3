package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"port-agent/agent/port/porttest"
)

const interruptedText = "was in flight; whether it was carried out is unknown"

// verdict is what became of a set of runs.
type verdict struct {
	events, succeeded, interrupted, failed, lost, doubled, open int
}

// judge looks at every run at Port and at the backend.
func (w *world) judge(events []porttest.Event) verdict {
	v := verdict{events: len(events)}
	for _, e := range events {
		run, known := w.port.Run(e.Run)
		hits := w.backend.count(e.Run)
		switch {
		case !known || !run.Ended():
			v.open++
		case run.Succeeded():
			v.succeeded++
		case strings.Contains(run.Summary, interruptedText):
			v.interrupted++
		default:
			v.failed++
			w.t.Logf("run %s failed: %s", e.Run, run.Summary)
		}
		if hits > 1 {
			v.doubled++
			w.t.Logf("run %s was invoked %d times", e.Run, hits)
		}
		if hits == 0 && run.Succeeded() {
			v.lost++
		}
	}
	return v
}

// want checks that nothing was lost, doubled or left open, and prints the
// figures for the table of faults.
func (v verdict) want(t *testing.T, name string, interruptedMax, failed int) {
	t.Helper()
	t.Logf("FAULT %-44s events %5d  succeeded %5d  interrupted %3d  failed %3d  lost %d  doubled %d  without status %d",
		name, v.events, v.succeeded, v.interrupted, v.failed, v.lost, v.doubled, v.open)
	if v.lost > 0 || v.doubled > 0 || v.open > 0 || v.interrupted > interruptedMax || v.failed != failed {
		t.Errorf("%s: %+v, want nothing lost, doubled or without status, at most %d interrupted and %d failed", name, v, interruptedMax, failed)
	}
}

// shortSession makes a killed agent's partitions free again after a second.
const shortSession = "KAFKA_CONSUMER_SESSION_TIMEOUT_MS=1000"

func TestFaultKilled(t *testing.T) {
	t.Parallel()
	const kills, backlog, inFlight = 30, 300, 8
	w := newWorld(t, 3)
	// The group is new, so that each agent asks Port about what is left of the
	// first backlog. After 30 starts within a minute that can be more calls than
	// Port takes in five, and the last reports would wait for the rest of those.
	w.port.SetRateLimit(-1)
	w.backend.on(slow(40 * time.Millisecond))
	var events []porttest.Event
	for round := range kills {
		// The backlog is kept at its size, so that every kill meets work.
		fresh := syncRuns(fmt.Sprintf("%d_", round), backlog/6)
		if round == 0 {
			fresh = syncRuns("0_", backlog)
		}
		events = append(events, fresh...)
		w.publish(fresh...)
		before := w.backend.total()
		agent := w.agent(shortSession, fmt.Sprintf("MAX_IN_FLIGHT=%d", inFlight))
		w.backend.wait(t, before+1+rand.N(60))
		time.Sleep(rand.N(40 * time.Millisecond)) // the point of the kill is random by intent
		agent.kill()
	}
	last := w.agent(shortSession)
	w.waitEnded(events)
	last.terminate()
	t.Logf("%d lookups of runs", w.port.Count(porttest.RouteRun))
	w.judge(events).want(t, "SIGKILL, 30 times", 2*kills*inFlight, 0) // in flight, or answered and not yet reported
	w.wantCommitted()
}

func TestFaultTerminatedUnderLoad(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	w.backend.on(slow(100 * time.Millisecond))
	events := syncRuns("", 400)
	w.publish(events...)
	for i := range 3 {
		agent := w.agent("MAX_IN_FLIGHT=16")
		w.backend.wait(t, (i+1)*60)
		agent.terminate()
	}
	last := w.agent()
	w.waitEnded(events)
	last.terminate()
	w.judge(events).want(t, "SIGTERM under load, 3 times", 0, 0)
	w.wantCommitted()
}

func TestFaultMembersComeAndGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 6)
	w.backend.on(slow(5 * time.Millisecond))
	events := syncRuns("", 5000)
	agents := []*process{w.agent(), w.agent()}
	for i := range 5 {
		w.publish(events[i*1000 : (i+1)*1000]...)
		w.backend.wait(t, i*1000+300)
		agents = append(agents, w.agent())
		w.backend.wait(t, i*1000+600)
		agents[0].terminate()
		agents = agents[1:]
	}
	w.waitEnded(events)
	for _, a := range agents {
		a.terminate()
	}
	w.judge(events).want(t, "members joining and leaving, 5 times each", 0, 0)
	w.wantCommitted()
}

func TestFaultStopped(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.backend.on(slow(50 * time.Millisecond))
	events := syncRuns("", 200)
	w.publish(events...)
	const inFlight = 8
	frozen := w.agent(shortSession, fmt.Sprintf("MAX_IN_FLIGHT=%d", inFlight))
	w.backend.wait(t, 50)
	frozen.signal(syscall.SIGSTOP)
	other := w.agent(shortSession)
	w.backend.wait(t, 150) // the partitions are the other's
	frozen.signal(syscall.SIGCONT)
	w.waitEnded(events)
	frozen.terminate()
	other.terminate()
	w.judge(events).want(t, "session lost, SIGSTOP and SIGCONT", 2*inFlight, 0)
	w.wantCommitted()
}

func TestFaultBackendRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	events := syncRuns("", 100)
	gone := newGate(t)
	for i := range events {
		events[i].URL = "http://" + gone.addr + "/hook"
	}
	w.publish(events...)
	agent := w.agent("MAX_IN_FLIGHT=16")
	agent.logged("connection refused")
	time.AfterFunc(5*time.Second, func() { gone.open(w.backend) })
	w.waitEnded(events)
	agent.terminate()
	w.judge(events).want(t, "backend refusing for 5 s", 0, 0)
}

// Answers after which another attempt is safe, and those after which it is not.
func TestFaultBackendAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		status  int
		failed  bool // a POST is not sent again
		allowed int  // requests a run may make
	}{
		{"429", 429, false, 2}, {"503", 503, false, 2}, {"500", 500, true, 1}, {"502", 502, true, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			w.backend.on(func(rw http.ResponseWriter, _ *http.Request, _ string, nth int) {
				if nth == 1 {
					rw.Header().Set("Retry-After", "1")
					rw.WriteHeader(c.status)
				}
			})
			events := syncRuns("", 20)
			w.publish(events...)
			agent := w.agent()
			w.waitEnded(events)
			agent.terminate()
			want := map[string]int{"SUCCESS": 20}
			if c.failed {
				want = map[string]int{"FAILURE": 20}
			}
			if got := w.statuses(events); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("statuses %v, want %v", got, want)
			}
			for _, e := range events {
				if n := w.backend.count(e.Run); n != c.allowed {
					t.Errorf("run %s made %d requests, want %d", e.Run, n, c.allowed)
				}
			}
		})
	}
}

func TestFaultConnectionLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.backend.on(func(rw http.ResponseWriter, _ *http.Request, run string, _ int) {
		conn, buf, err := http.NewResponseController(rw).Hijack()
		if err != nil {
			return
		}
		if strings.HasSuffix(run, "1") { // in the middle of the answer
			buf.WriteString("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
			buf.Flush()
		}
		conn.Close()
	})
	events := syncRuns("", 20)
	w.publish(events...)
	agent := w.agent()
	w.waitEnded(events)
	agent.terminate()
	w.judge(events).want(t, "backend closing connections mid-answer", 0, 20)
}

func TestFaultPortAway(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fault porttest.Fault
	}{
		{"refusing", porttest.Fault{Refuse: true}},
		{"500", porttest.Fault{Status: 500}},
		{"429", porttest.Fault{Status: 429, Header: http.Header{"Retry-After": {"1"}}}},
		{"hanging", porttest.Fault{Hang: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 2)
			w.backend.on(slow(20 * time.Millisecond))
			events := syncRuns("", 100)
			w.publish(events...)
			agent := w.agent("MAX_IN_FLIGHT=8")
			w.backend.wait(t, 30)
			w.port.Fault(porttest.All, c.fault)
			time.AfterFunc(5*time.Second, w.port.ClearFaults)
			w.waitEnded(events)
			agent.terminate()
			w.judge(events).want(t, "port's API "+c.name+" for 5 s", 0, 0)
			w.wantCommitted()
		})
	}
}

func TestFaultPortAwayAtStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	events := syncRuns("", 50)
	w.publish(events...)
	w.port.Fault(porttest.All, porttest.Fault{Refuse: true})
	agent := w.agent("USING_LOCAL_PORT_INSTANCE=false", "PORT_ORG_ID=")
	agent.logged("organisation not found") // it has tried for long and goes on
	w.port.ClearFaults()
	w.waitEnded(events)
	agent.terminate()
	w.judge(events).want(t, "port's API away at start", 0, 0)
}
