package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"port-agent/agent/kafka/kafkatest"
	"port-agent/agent/port/porttest"
)

// 500 events of one entity reach the backend in their order, while as many
// others overtake them.
func TestOrderWithinAnEntity(t *testing.T) {
	t.Parallel()
	const n = 500
	w := newWorld(t, 1)
	w.backend.on(slow(2 * time.Millisecond))
	events := make([]porttest.Event, 0, 2*n)
	for i := range n {
		events = append(events,
			porttest.Event{Run: fmt.Sprintf("r_ordered%d", i), Entity: "one", Synchronized: true},
			porttest.Event{Run: fmt.Sprintf("r_other%d", i), Entity: fmt.Sprintf("e%d", i), Synchronized: true})
	}
	w.publish(events...)
	agent := w.agent()
	w.waitEnded(events)
	agent.terminate()
	var ordered []string
	overtook := 0
	for _, run := range w.backend.order {
		if strings.HasPrefix(run, "r_ordered") {
			ordered = append(ordered, run)
		} else if len(ordered) < n/2 {
			overtook++
		}
	}
	for i, run := range ordered {
		if want := fmt.Sprintf("r_ordered%d", i); run != want {
			t.Fatalf("request %d of the entity is %s, want %s", i, run, want)
		}
	}
	if overtook <= n/2 {
		t.Errorf("%d others came while the first half of the ordered did, want more than %d", overtook, n/2)
	}
	w.judge(events).want(t, "500 ordered beside 500 others", 0, 0)
}

// A host that hangs holds up nobody else: all events of another host end while
// every one of its own still waits.
func TestHangingHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	hanging := newBackend(t)
	letGo := make(chan struct{})
	hanging.on(held(letGo))
	stuck := syncRuns("stuck", 200)
	for i := range stuck {
		stuck[i].URL = hanging.URL + "/hook"
	}
	undisturbed := syncRuns("before", 200)
	agent := w.agent()
	w.publish(undisturbed[:1]...)
	w.waitEnded(undisturbed[:1])
	alone := w.p95(undisturbed[1:])
	w.publish(stuck...)
	hanging.wait(t, 32) // MAX_IN_FLIGHT_PER_HOST
	beside := w.p95(syncRuns("beside", 200))
	if n := hanging.total(); n != 32 {
		t.Errorf("%d requests under way to the hanging host, want 32", n)
	}
	t.Logf("FAULT one host hanging with 200 events: p95 of another host's events %s undisturbed, %s beside it, ratio %.2f",
		alone.Round(time.Microsecond), beside.Round(time.Microsecond), float64(beside)/float64(alone))
	close(letGo)
	w.waitEnded(stuck)
	agent.terminate()
	w.backend = hanging
	w.judge(stuck).want(t, "200 events of a host that hung", 0, 0)
}

// p95 publishes events one by one, waits for each to end, and gives the 95th
// percentile of the time from publishing to the end.
func (w *world) p95(events []porttest.Event) time.Duration {
	took := make([]time.Duration, len(events))
	for i, e := range events {
		begun := time.Now()
		w.publish(e)
		w.waitEnded(events[i : i+1])
		took[i] = time.Since(begun)
	}
	slices.Sort(took)
	return took[len(took)*95/100]
}

// Eight hosts that hang, whose limits together are twice the slots that there
// are, get half of them: a burst of another host's events goes on beside them.
func TestEightHangingHosts(t *testing.T) {
	t.Parallel()
	const slots, perHost = 128, 32
	w := newWorld(t, 1)
	letGo, arrived := make(chan struct{}), make(chan struct{}, 1000)
	var stuck []porttest.Event
	for n := range 2 * slots / perHost {
		hanging := newBackend(t)
		hanging.on(func(rw http.ResponseWriter, r *http.Request, run string, nth int) {
			arrived <- struct{}{}
			held(letGo)(rw, r, run, nth)
		})
		events := syncRuns(fmt.Sprintf("stuck%d_", n), 2*perHost)
		for i := range events {
			events[i].URL = hanging.URL + "/hook"
		}
		stuck = append(stuck, events...)
	}
	agent := w.agent(fmt.Sprint("MAX_IN_FLIGHT=", slots), fmt.Sprint("MAX_IN_FLIGHT_PER_HOST=", perHost))
	first := syncRuns("first", 1)
	w.publish(first...)
	w.waitEnded(first) // the host is known to answer
	w.publish(stuck...)
	deadline := time.After(patience)
	for n := range slots / 2 {
		select {
		case <-arrived:
		case <-deadline:
			t.Fatalf("%d requests to the hosts that hang, want %d", n, slots/2)
		}
	}
	beside := syncRuns("beside", 400)
	w.publish(beside...)
	w.waitEnded(beside)
	if n := len(arrived); n > 0 {
		t.Errorf("%d more requests to the hosts that hang, want none beside the %d that they have not answered", n, slots/2)
	}
	close(letGo)
	w.waitEnded(stuck)
	agent.terminate()
	w.judge(beside).want(t, "400 events beside eight hosts that hang", 0, 0)
}

// With Port away for long the windows fill, reading pauses, and all is
// delivered when it is back.
func TestPortAwayUntilTheWindowsAreFull(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	events := syncRuns("", 1500)
	agent := w.agent()
	w.publish(events[0]) // Port is asked about what was there before the agent
	w.waitEnded(events[:1])
	w.port.Fault(porttest.All, porttest.Fault{Status: http.StatusServiceUnavailable})
	w.publish(events[1:]...)
	w.backend.wait(t, 500)
	for before := -1; before != w.backend.total(); time.Sleep(300 * time.Millisecond) {
		before = w.backend.total() // until reading has paused
	}
	if n := w.backend.total(); n >= len(events) {
		t.Errorf("%d events were invoked with port away, want the reading to pause before", n)
	}
	w.port.ClearFaults()
	w.waitEnded(events)
	agent.terminate()
	w.judge(events).want(t, "port's API away until the window is full", 0, 0)
	w.wantCommitted()
}

// A second signal ends the agent at once; the next owner finds in the ledger
// what was started.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.backend.on(slow(time.Hour))
	events := syncRuns("", 3)
	w.publish(events...)
	first := w.agent(shortSession)
	w.backend.wait(t, 3)
	first.signal(syscall.SIGTERM)
	first.logged("agent stopping")
	first.signal(syscall.SIGTERM)
	if code := first.exit(); code == 0 {
		t.Error("exit code 0 after a second signal, want the work not to look done")
	}
	second := w.agent(shortSession)
	w.waitEnded(events)
	second.terminate()
	w.judge(events).want(t, "second signal", 3, 0)
	for _, e := range events {
		if run, _ := w.port.Run(e.Run); !strings.Contains(run.Summary, interruptedText) {
			t.Errorf("run %s: summary %q, want it to say that the end is unknown", e.Run, run.Summary)
		}
	}
}

// What was started when the drain's time is over is reported as unknown by the
// agent itself.
func TestDrainEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.backend.on(slow(time.Hour))
	events := syncRuns("", 3)
	w.publish(events...)
	agent := w.agent("SHUTDOWN_TIMEOUT_SECONDS=6")
	w.backend.wait(t, 3)
	agent.terminate()
	w.judge(events).want(t, "SIGTERM with a backend that never answers", 3, 0)
	w.wantCommitted()
}

// Interrupted events that may be sent again are: those without a run, those of
// idempotent methods, and those whose rule says so.
func TestInterruptedSentAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.backend.on(slow(time.Hour))
	rules := mapping(t,
		map[string]any{"enabled": `.action == "put"`, "method": `"PUT"`},
		map[string]any{"enabled": `.action == "again"`, "onInterrupted": "retry"},
		map[string]any{"enabled": true})
	events := []porttest.Event{
		{Run: "r_put", Action: "put", Synchronized: true}, {Run: "r_again", Action: "again", Synchronized: true}, {Run: "r_post", Synchronized: true},
	}
	w.publish(events...)
	change, err := json.Marshal(map[string]any{
		"action": "UPDATE", "resourceType": "entity", "context": map[string]any{"entity": "e", "blueprint": "b"}, "diff": map[string]any{},
		"changelogDestination": map[string]any{"type": "WEBHOOK", "agent": true, "url": w.backend.URL + "/change"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.kafka.Produce(t.Context(), w.changes(), 0, change); err != nil {
		t.Fatal(err)
	}
	first := w.agent(shortSession, rules, "ON_UNVOUCHED=invoke") // the change was there before the agent
	w.backend.wait(t, 4)
	first.kill()
	w.backend.on(nil)
	second := w.agent(shortSession, rules)
	w.waitEnded(events)
	w.backend.wait(t, 7)
	second.terminate()
	for run, want := range map[string]int{"r_put": 2, "r_again": 2, "r_post": 1, w.changes() + ":0:0": 2} {
		if got := w.backend.count(run); got != want {
			t.Errorf("%s was sent %d times, want %d", run, got, want)
		}
	}
	if got := w.statuses(events); got["SUCCESS"] != 2 || got["FAILURE"] != 1 {
		t.Errorf("statuses %v, want 2 SUCCESS and 1 FAILURE", got)
	}
}

// Brokers and password come from Port, the password is SCRAM's; fifty runs, as
// without it.
func TestCredentialsFromPort(t *testing.T) {
	t.Parallel()
	w, cred := newWorldWithLogin(t, 2)
	w.port.SetKafka(cred)
	events := syncRuns("", 50)
	w.publish(events...)
	agent := w.agent("USING_LOCAL_PORT_INSTANCE=false", "KAFKA_CONSUMER_SECURITY_PROTOCOL=SASL_PLAINTEXT",
		"KAFKA_CONSUMER_AUTHENTICATION_MECHANISM=SCRAM-SHA-512")
	w.waitEnded(events)
	agent.terminate()
	w.judge(events).want(t, "SCRAM-SHA-512, credentials from Port", 0, 0)
	w.wantCommitted()
	if strings.Contains(agent.out.String(), cred.Password) {
		t.Error("the agent's log shows the password")
	}
}

// A password that Kafka refuses ends the agent with a word about it.
func TestWrongKafkaPassword(t *testing.T) {
	t.Parallel()
	w, cred := newWorldWithLogin(t, 1)
	cred.Password = "not-the-password"
	w.port.SetKafka(cred)
	agent := w.agent("USING_LOCAL_PORT_INSTANCE=false", "KAFKA_CONSUMER_SECURITY_PROTOCOL=SASL_PLAINTEXT",
		"KAFKA_CONSUMER_AUTHENTICATION_MECHANISM=SCRAM-SHA-512")
	if code := agent.exit(); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	out := agent.out.String()
	if !strings.Contains(out, "KAFKA_CONSUMER_AUTHENTICATION_MECHANISM") || strings.Contains(out, cred.Password) {
		t.Errorf("the agent printed %q, want the setting named and the password not shown", tail(out))
	}
}

// newWorldWithLogin makes a world whose Kafka wants SCRAM-SHA-512: in memory,
// or the authenticated listener of the real one.
func newWorldWithLogin(t *testing.T, partitions int) (*world, porttest.KafkaCredentials) {
	t.Helper()
	if os.Getenv("KAFKA_BROKERS") != "" {
		return newWorld(t, partitions), porttest.KafkaCredentials{
			Brokers: strings.Split(os.Getenv("KAFKA_SASL_BROKERS"), ","), Username: os.Getenv("KAFKA_USERNAME"), Password: os.Getenv("KAFKA_PASSWORD"),
		}
	}
	const user, password = "port", "kafka-password"
	c, err := kafkatest.StartWithLogin(user, password)
	if err != nil {
		t.Fatal(err)
	}
	return newWorldOn(t, c, partitions), porttest.KafkaCredentials{Brokers: c.Brokers, Username: user, Password: password}
}

// The broker goes away and comes back with its data, within a heartbeat and
// after more than one.
func TestBrokerRestarted(t *testing.T) {
	command := os.Getenv("KAFKA_RESTART_COMMAND")
	if command == "" {
		t.Skip("KAFKA_RESTART_COMMAND does not say how to restart the broker")
	}
	for _, away := range []string{"0", "13"} { // seconds
		t.Run(away, func(t *testing.T) {
			w := newWorld(t, 2)
			w.backend.on(slow(20 * time.Millisecond))
			events := syncRuns("", 300)
			w.publish(events...)
			const inFlight = 8
			agent := w.agent(fmt.Sprintf("MAX_IN_FLIGHT=%d", inFlight), "KAFKA_CONSUMER_SESSION_TIMEOUT_MS=30000")
			w.backend.wait(t, 60)
			if out, err := exec.Command("sh", "-c", command+" "+away).CombinedOutput(); err != nil {
				t.Fatalf("restart the broker: %v\n%s", err, out)
			}
			up, before := time.Now(), w.backend.total()
			for err := errors.New("not asked"); err != nil && time.Since(up) < patience; { // a busy broker takes seconds to coordinate
				_, err = w.kafka.Committed(t.Context(), w.group(), w.runs())
			}
			ready := time.Now()
			w.backend.wait(t, before+1)
			took := time.Since(ready)
			t.Logf("FAULT broker away for %s s, session timeout 30 s: back %s after it took connections, %s after it coordinated the group",
				away, time.Since(up).Round(10*time.Millisecond), took.Round(10*time.Millisecond))
			if took > 6*time.Second {
				t.Errorf("back after %s, want it long before the session times out", took)
			}
			w.waitEnded(events)
			agent.terminate()
			w.judge(events).want(t, "broker away for "+away+" s", 2*inFlight, 0)
			w.wantCommitted()
		})
	}
}
