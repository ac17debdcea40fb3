package polling

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"

	"port-agent/agent"
	"port-agent/agent/event"
	"port-agent/agent/port"
	"port-agent/agent/port/porttest"
)

var defaults = Config{
	Interval: 10, BatchSize: 100, InitialBackoff: 1, MaxBackoff: 300, BackoffFactor: 2, BackoffJitter: 0.1, MaxFailure: 3600,
	Window: 128,
}

// worker stands for the pipeline: it starts each run, works on it for as long
// as took says, and reports it. It notes what it was given.
type worker struct {
	*Poller
	client  *port.Client
	metrics *agent.Metrics
	slots   chan struct{}
	took    func(run string) time.Duration

	mu      sync.Mutex
	started map[string]int
	order   []string
	working int
	most    int // at once, waiting ones included
}

func newWorker(t *testing.T, server *porttest.Server, cfg Config) *worker {
	t.Helper()
	w := &worker{
		started: make(map[string]int), slots: make(chan struct{}, cfg.Window),
		took: func(string) time.Duration { return 100 * time.Millisecond },
	}
	w.metrics = agent.NewMetrics(prometheus.NewRegistry(), "test")
	var err error
	w.client, err = port.New(port.Config{ClientID: "client", ClientSecret: "secret", Transport: server.Transport()}, "port-agent/test", w.metrics, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	if w.Poller, err = New(cfg, w.client, w.handle, w.metrics, zerolog.Nop()); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *worker) handle(ctx context.Context, ev *agent.Event) error {
	w.count(1)
	defer w.count(-1)
	msg, err := event.Decode(ev.Record)
	if err != nil {
		return err
	}
	run := msg.Root["context"].(map[string]any)["runId"].(string)
	ev.Place.Wait()
	w.mu.Lock()
	w.order = append(w.order, run)
	w.mu.Unlock()
	ev.Place.Done()
	select {
	case w.slots <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := ev.Ledger.Start(ctx); err != nil {
		<-w.slots
		return err
	}
	w.mu.Lock()
	w.started[run]++
	w.mu.Unlock()
	time.Sleep(w.took(run))
	<-w.slots
	return w.client.Report(context.WithoutCancel(ctx), run, agent.Report{Status: agent.StatusSuccess})
}

func (w *worker) count(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.working += n
	w.most = max(w.most, w.working)
}

// times is how often a run was started.
func (w *worker) times(run string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.started[run]
}

// run runs the poller until the test's end, or until stop is called, which
// gives its error.
func (w *worker) run(t *testing.T) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() { _ = stop() })
	return stop
}

func enqueue(t *testing.T, server *porttest.Server, prefix string, n int) {
	t.Helper()
	for i := range n {
		id := fmt.Sprintf("%s%d", prefix, i)
		add, content := server.Enqueue, map[string]any{"type": "WEBHOOK", "agent": true, "url": "https://a", "body": map[string]any{}}
		if agent.IsNodeRun(id) {
			add = server.EnqueueNode
		}
		if err := add(id, content); err != nil {
			t.Fatal(err)
		}
	}
}

// 2,000 runs of 100 ms by two agents with 64 places each: the places are busy
// from first to last, and no run is worked on twice.
func TestTwoAgentsShareTheRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const runs, window = 2000, 64
		server := porttest.New(porttest.Config{Errorf: t.Errorf})
		server.Delay(5 * time.Millisecond)
		enqueue(t, server, "r_", runs/2)
		enqueue(t, server, "wfnr_", runs/2)
		cfg := defaults
		cfg.Window = window
		one, two := newWorker(t, server, cfg), newWorker(t, server, cfg)
		begun := time.Now()
		one.run(t)
		two.run(t)
		if err := server.WaitEnded(t.Context(), runs); err != nil {
			t.Fatal(err)
		}
		took := time.Since(begun)
		if ideal := runs * 105 * time.Millisecond / (2 * window); took > ideal*5/4 {
			t.Errorf("took %s, want little more than the %s that the places allow", took, ideal)
		}
		for _, run := range server.Runs() {
			if n := one.times(run.ID) + two.times(run.ID); n != 1 || run.Acked != 1 || !run.Succeeded() {
				t.Errorf("run %s: started %d times, acked %d times, status %s; want once, once and SUCCESS", run.ID, n, run.Acked, run.Status)
			}
		}
		claims := server.Count(porttest.RouteClaim) + server.Count(porttest.RouteNodeClaim)
		if claims > runs/10 {
			t.Errorf("claims: got %d, want them shared by ten runs and more", claims)
		}
		if tokens := server.Count(porttest.RouteToken); tokens != 2 {
			t.Errorf("tokens: got %d, want one for each agent", tokens)
		}
	})
}

// What cannot be started soon is left for agents that are free.
func TestNoClaimsWhileTheWindowIsFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := porttest.New(porttest.Config{Errorf: t.Errorf})
		enqueue(t, server, "r_", 100)
		cfg := defaults
		cfg.Window = 4
		w := newWorker(t, server, cfg)
		w.took = func(string) time.Duration { return 30 * time.Second }
		w.run(t)
		time.Sleep(5*time.Minute - time.Second)
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.most > 8 { // four at work, and four ahead in the second in which the four before ended
			t.Errorf("claimed and not settled: got %d at once, want no more than 4 and 4 ahead", w.most)
		}
		if got := len(w.started); got < 36 {
			t.Errorf("started in five minutes: got %d, want about 40", got)
		}
		if calls := server.Count(porttest.RouteClaim); calls > 60 {
			t.Errorf("claims in five minutes: got %d, want few", calls)
		}
	})
}

// Places that come free one by one do not cost a poll each.
func TestPollsForFewPlacesArePaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := porttest.New(porttest.Config{Errorf: t.Errorf})
		enqueue(t, server, "r_", 1000)
		cfg := defaults
		cfg.Window = 100
		w := newWorker(t, server, cfg)
		w.took = func(run string) time.Duration {
			return 5*time.Second + time.Duration(len(run)*int(run[len(run)-1]))*10*time.Millisecond
		}
		w.run(t)
		begun := time.Now()
		if err := server.WaitEnded(t.Context(), 1000); err != nil {
			t.Fatal(err)
		}
		took := time.Since(begun)
		if polls, most := server.Count(porttest.RouteClaim), int(took/time.Second)+20; polls > most {
			t.Errorf("polls in %s: got %d, want at most %d", took, polls, most)
		}
	})
}

func TestIdlePolling(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := porttest.New(porttest.Config{Errorf: t.Errorf})
		w := newWorker(t, server, defaults)
		stop := w.run(t)
		time.Sleep(59 * time.Second)
		for _, route := range []string{porttest.RouteClaim, porttest.RouteNodeClaim} {
			if got := server.Count(route); got != 6 {
				t.Errorf("%s in a minute: got %d, want 6", route, got)
			}
		}
		if !w.Ready() || testutil.ToFloat64(w.metrics.SourceConnected) != 1 {
			t.Error("not ready")
		}
		begun := time.Now()
		if err := stop(); err != nil || time.Since(begun) > 0 {
			t.Errorf("stop: got %v after %s, want none at once", err, time.Since(begun))
		}
		if w.Ready() {
			t.Error("ready after the end")
		}
	})
}

// An agent that stops while a claim hangs stops all the same.
func TestStopDuringAClaim(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := porttest.New(porttest.Config{Errorf: t.Errorf})
		server.Fault(porttest.RouteClaim, porttest.Fault{Hang: true})
		stop := newWorker(t, server, defaults).run(t)
		time.Sleep(5 * time.Second)
		begun := time.Now()
		if err := stop(); err != nil || time.Since(begun) > 0 {
			t.Errorf("stop: got %v after %s, want none at once", err, time.Since(begun))
		}
	})
}

func TestFailuresBackOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := porttest.New(porttest.Config{Errorf: t.Errorf})
		w := newWorker(t, server, defaults)
		if _, err := w.client.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		server.Fault(porttest.RouteClaim, porttest.Fault{Status: 500})
		begun := time.Now()
		err := w.Run(t.Context())
		took := time.Since(begun)
		if err == nil || !strings.Contains(err.Error(), "POLLING_MAX_FAILURE_DURATION_SECONDS") || !strings.Contains(err.Error(), "answered 500") {
			t.Errorf("got %v, want the setting and the last failure", err)
		}
		if took < time.Hour || took > time.Hour+330*time.Second {
			t.Errorf("gave up after %s, want an hour and one wait at most", took)
		}
		// 1+2+4+…+256 s are 511 s, then every 300 s, all up to a tenth longer.
		if got := server.Count(porttest.RouteClaim); got < 18 || got > 21 {
			t.Errorf("claims: got %d, want about 20", got)
		}
	})
}

// Credentials that never worked are a mistake to be told at once; those that
// did may work again.
func TestCredentialsRefused(t *testing.T) {
	t.Parallel()
	for _, worked := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			server := porttest.New(porttest.Config{Errorf: t.Errorf})
			w := newWorker(t, server, defaults)
			if !worked {
				server.Fault(porttest.RouteToken, porttest.Fault{Status: http.StatusUnauthorized})
			}
			done := make(chan error, 1)
			go func() { done <- w.Run(t.Context()) }()
			time.Sleep(time.Second)
			server.Fault(porttest.RouteToken, porttest.Fault{Status: http.StatusUnauthorized})
			server.ExpireTokens()
			begun := time.Now()
			err := <-done
			if took := time.Since(begun); !errors.Is(err, port.ErrCredentials) || (took >= time.Hour) != worked {
				t.Errorf("worked %v: got %v after %s, want ErrCredentials, at once: %v", worked, err, took, !worked)
			}
		})
	}
}

func TestSuccessEndsTheFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := porttest.New(porttest.Config{Errorf: t.Errorf})
		cfg := defaults
		cfg.MaxFailure = 60
		w := newWorker(t, server, cfg)
		stop := w.run(t)
		for range 20 {
			server.Fault(porttest.RouteClaim, porttest.Fault{Times: 4, Refuse: true}) // 15 s and a little
			time.Sleep(30 * time.Second)
		}
		if err := stop(); err != nil {
			t.Errorf("got %v, want none: no failure lasted a minute", err)
		}
	})
}

// An organisation without workflows still gets its action runs.
func TestWithoutNodeRuns(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusNotFound, http.StatusForbidden} {
		synctest.Test(t, func(t *testing.T) {
			server := porttest.New(porttest.Config{Errorf: t.Errorf})
			server.Fault(porttest.RouteNodeClaim, porttest.Fault{Status: status})
			cfg := defaults
			cfg.MaxFailure = 60
			w := newWorker(t, server, cfg)
			stop := w.run(t)
			time.Sleep(9 * time.Minute)
			enqueue(t, server, "r_", 1)
			if _, err := server.Wait(t.Context(), "r_0", porttest.Run.Succeeded); err != nil {
				t.Fatal(err)
			}
			if got := server.Count(porttest.RouteNodeClaim); got != 1 {
				t.Errorf("%d: node claims in nine minutes: got %d, want 1", status, got)
			}
			time.Sleep(2 * time.Minute)
			if got := server.Count(porttest.RouteNodeClaim); got != 2 {
				t.Errorf("%d: node claims in eleven minutes: got %d, want 2", status, got)
			}
			if err := stop(); err != nil {
				t.Errorf("%d: got %v, want none", status, err)
			}
		})
	}
}

// A backlog of one kind does not keep the other waiting.
func TestKindsTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := porttest.New(porttest.Config{Errorf: t.Errorf})
		enqueue(t, server, "r_", 500)
		enqueue(t, server, "wfnr_", 10)
		cfg := defaults
		cfg.Window = 10
		w := newWorker(t, server, cfg)
		w.run(t)
		begun := time.Now()
		err := server.WaitUntil(t.Context(), func() bool { return time.Since(begun) > time.Minute || w.times("wfnr_9") == 1 })
		if err != nil || time.Since(begun) > 2*time.Second {
			t.Errorf("node runs started after %s (%v), want soon", time.Since(begun), err)
		}
	})
}

// Runs reach the agent in the order in which they were claimed.
func TestOrderOfClaims(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := porttest.New(porttest.Config{Errorf: t.Errorf})
		enqueue(t, server, "r_", 200)
		w := newWorker(t, server, defaults)
		w.run(t)
		if err := server.WaitEnded(t.Context(), 200); err != nil {
			t.Fatal(err)
		}
		for i, run := range w.order {
			if want := fmt.Sprintf("r_%d", i); run != want {
				t.Fatalf("turn %d: got %s, want %s", i, run, want)
			}
		}
	})
}

func TestAck(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		fault       porttest.Fault
		wantStarted bool
		wantAcks    int
	}{
		{"accepted", porttest.Fault{Times: 1, Delay: time.Second}, true, 1},
		{"somebody else was first", porttest.Fault{Times: 1, Status: 409}, false, 1},
		{"nothing acked", porttest.Fault{Times: 1, Status: 200, Body: `{"ok":true,"ackedCount":0,"acked":false}`}, false, 1},
		{"refused", porttest.Fault{Times: 1, Status: 403}, false, 1},
		{"500 twice", porttest.Fault{Times: 2, Status: 500}, true, 3},
		{"page of a proxy", porttest.Fault{Times: 1, HTML: true}, true, 2},
		{"no connection", porttest.Fault{Times: 3, Refuse: true}, true, 4},
		{"acked, but the answer was lost", porttest.Fault{Times: 1, LoseAnswer: true}, true, 2},
		{"no answer", porttest.Fault{Times: 1, Hang: true}, true, 2},
		{"429", porttest.Fault{Times: 1, Status: 429}, true, 2},
	}
	for _, test := range tests {
		for _, run := range []string{"r_0", "wfnr_0"} {
			t.Run(test.name+" "+run, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					server := porttest.New(porttest.Config{Errorf: t.Errorf})
					route := porttest.RouteAck
					if agent.IsNodeRun(run) {
						route = porttest.RouteNodeAck
					}
					server.Fault(route, test.fault)
					enqueue(t, server, strings.TrimSuffix(run, "0"), 1)
					w := newWorker(t, server, defaults)
					stop := w.run(t)
					time.Sleep(30 * time.Second)
					if err := stop(); err != nil {
						t.Fatal(err)
					}
					if got := w.times(run) == 1; got != test.wantStarted {
						t.Errorf("started: got %v, want %v", got, test.wantStarted)
					}
					if got := server.Count(route); got != test.wantAcks {
						t.Errorf("acks: got %d, want %d", got, test.wantAcks)
					}
					if got, _ := server.Run(run); got.Succeeded() != test.wantStarted {
						t.Errorf("status: got %s, want SUCCESS: %v", got.Status, test.wantStarted)
					}
				})
			})
		}
	}
}

// An ack that Port never answers is given up with the claim, and the run goes
// to the next who claims it.
func TestAckIsGivenUpWithTheClaim(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := porttest.New(porttest.Config{Errorf: t.Errorf, ClaimLife: 20 * time.Second})
		server.Fault(porttest.RouteAck, porttest.Fault{Status: 500})
		enqueue(t, server, "r_", 1)
		w := newWorker(t, server, defaults)
		w.run(t)
		time.Sleep(19 * time.Second)
		server.ClearFaults()
		run, err := server.Wait(t.Context(), "r_0", porttest.Run.Succeeded)
		if err != nil || run.Acked != 1 || w.times("r_0") != 1 {
			t.Errorf("got %v, acked %d times, started %d times; want once", err, run.Acked, w.times("r_0"))
		}
	})
}

// Runs that were claimed and not started when the agent stops are another's.
func TestUnstartedRunsAreLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := porttest.New(porttest.Config{Errorf: t.Errorf})
		enqueue(t, server, "r_", 6)
		one, two := newWorker(t, server, defaults), newWorker(t, server, defaults)
		one.slots = make(chan struct{}, 2)
		one.took = func(string) time.Duration { return 20 * time.Second }
		stop := one.run(t)
		time.Sleep(time.Second)
		begun := time.Now()
		if err := stop(); err != nil || time.Since(begun) != 19*time.Second {
			t.Errorf("stop: got %v after %s, want none as soon as the two that were started have ended", err, time.Since(begun))
		}
		two.run(t)
		if err := server.WaitEnded(t.Context(), 6); err != nil {
			t.Fatal(err)
		}
		for _, run := range server.Runs() {
			if !run.Succeeded() || run.Acked != 1 || one.times(run.ID)+two.times(run.ID) != 1 {
				t.Errorf("run %s: got status %s, acked %d times", run.ID, run.Status, run.Acked)
			}
		}
		if len(one.started) != 2 || len(two.started) != 4 {
			t.Errorf("started: got %d and %d, want 2 and 4", len(one.started), len(two.started))
		}
	})
}

// A run that was acked and then not carried out is nobody else's: it fails.
// One whose request was sent is not called a failure for want of a report.
func TestAckedRunThatIsLeft(t *testing.T) {
	t.Parallel()
	for _, sent := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			server := porttest.New(porttest.Config{Errorf: t.Errorf})
			enqueue(t, server, "r_", 1)
			w := newWorker(t, server, defaults)
			w.Poller.handle = func(ctx context.Context, ev *agent.Event) error {
				if err := ev.Ledger.Start(ctx); err != nil {
					return err
				}
				if !sent {
					ev.Ledger.Reset()
				}
				<-ctx.Done()
				return context.Cause(ctx)
			}
			stop := w.run(t)
			time.Sleep(time.Second)
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			want := porttest.Run{Status: "FAILURE", Summary: "The agent stopped before the request could be sent."}
			if sent {
				want = porttest.Run{Status: porttest.InProgress}
			}
			if run, _ := server.Run("r_0"); run.Status != want.Status || run.Summary != want.Summary {
				t.Errorf("sent %v: got %s with %q, want %s with %q", sent, run.Status, run.Summary, want.Status, want.Summary)
			}
		})
	}
}

func TestUnreadableRunFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := porttest.New(porttest.Config{Errorf: t.Errorf})
		err := errors.Join(server.Enqueue("r_1", map[string]any{"agent": true, "body": []int{1}}), server.EnqueueNode("wfnr_1", "text"))
		if err != nil {
			t.Fatal(err)
		}
		newWorker(t, server, defaults).run(t)
		if err := server.WaitEnded(t.Context(), 2); err != nil {
			t.Fatal(err)
		}
		run, _ := server.Run("r_1")
		if want := "The run could not be read: read the body: not an object."; run.Summary != want || run.Acked != 1 {
			t.Errorf("got %q, acked %d times, want %q", run.Summary, run.Acked, want)
		}
	})
}

// A run whose claim ends while it waits here for its turn is claimed again,
// and worked on once.
func TestRunClaimedTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := porttest.New(porttest.Config{Errorf: t.Errorf, ClaimLife: 5 * time.Second})
		enqueue(t, server, "r_", 3)
		w := newWorker(t, server, defaults)
		w.slots = make(chan struct{}, 1)
		w.took = func(string) time.Duration { return 15 * time.Second }
		w.run(t)
		if err := server.WaitEnded(t.Context(), 3); err != nil {
			t.Fatal(err)
		}
		if want := []string{"r_0", "r_1", "r_2"}; !slices.Equal(w.order, want) {
			t.Errorf("events: got %q, want %q", w.order, want)
		}
	})
}

func TestConfigNamesEveryFault(t *testing.T) {
	t.Parallel()
	if err := defaults.Validate(); err != nil {
		t.Errorf("defaults: got %v", err)
	}
	err := Config{Interval: -1, InitialBackoff: -1, MaxBackoff: -1, BackoffFactor: 0.5, BackoffJitter: -1, MaxFailure: -1}.Validate()
	for _, want := range []string{
		"POLLING_INTERVAL_SECONDS", "POLLING_RUNS_BATCH_SIZE", "POLLING_INITIAL_BACKOFF_SECONDS", "POLLING_MAX_BACKOFF_SECONDS",
		"POLLING_BACKOFF_FACTOR", "POLLING_BACKOFF_JITTER_FACTOR", "POLLING_MAX_FAILURE_DURATION_SECONDS",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to name %s", err, want)
		}
	}
}
