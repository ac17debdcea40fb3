package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"port-agent/agent/event"
	"port-agent/invoker"
)

// A quick asynchronous run costs one call to Port, a synchronous one a line in
// the log and its report, and nothing is asked of Port before the invocation.
func TestHandleCallsToPort(t *testing.T) {
	tests := []struct {
		name    string
		members []any
		took    time.Duration
		body    string
		want    string
	}{
		{"quick asynchronous", nil, time.Second, `{}`, "log"},
		{"slow asynchronous", nil, 3 * time.Second, `{}`, "log log"},
		{"quick synchronous", []any{synchronized, true}, time.Second, `{}`, "report"},
		{"slow synchronous", []any{synchronized, true}, 3 * time.Second, `{}`, "log report"},
		{"synchronous without a body", []any{synchronized, true}, 0, ``, "report"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFixture(t, builtIn)
				f.backend.do = func(ctx context.Context, req *invoker.Request) (*invoker.Response, error) {
					if got := f.port.kinds("r_1"); got != "" {
						t.Errorf("calls before the invocation: %s", got)
					}
					return takes(tt.took, accepts(200, tt.body))(ctx, req)
				}
				ev := runEvent(t, "r_1", tt.members...)
				f.settle(t, ev)
				if got := f.port.kinds("r_1"); got != tt.want {
					t.Errorf("calls: got %s, want %s", got, tt.want)
				}
				if got := ledgerOf(ev); got.starts != 1 || got.resets != 0 {
					t.Errorf("got %d starts, %d resets; want 1, 0", got.starts, got.resets)
				}
				if got := f.count(t, "events_total", "topic", runsTopic, "outcome", EventInvoked); got != 1 {
					t.Errorf("events counted: got %v, want 1", got)
				}
			})
		})
	}
}

// The body of a webhook without a rule's is the event as it was verified, byte
// for byte.
func TestHandleSendsTheVerifiedEvent(t *testing.T) {
	t.Parallel()
	f := newFixture(t, builtIn)
	ev := runEvent(t, "r_1", "payload.properties.note", "<b>&é\u2028", "payload.properties.big", json.RawMessage("12345678901234567890"))
	var want event.Message
	if m, err := event.Decode(bytes.Clone(ev.Record)); err != nil {
		t.Fatal(err)
	} else {
		want = *m
	}
	f.settle(t, ev)
	req := f.backend.requests()[0]
	if got := string(req.Body); got != string(want.Body) {
		t.Errorf("body: got %s\nwant %s", got, want.Body)
	}
	if got := req.Method + " " + req.URL.String(); got != "POST https://ci.internal/hook" {
		t.Errorf("got %s", got)
	}
	if got := req.Header.Get("X-Port-Run-Id"); got != "r_1" {
		t.Errorf("X-Port-Run-Id: got %q, want r_1", got)
	}
	if ev.Record != nil {
		t.Error("the record is kept while the event waits")
	}
}

func TestHandleDrops(t *testing.T) {
	tests := []struct {
		name    string
		mapping string
		edit    func(*Config)
		event   func(t *testing.T) *Event
		outcome string
		warned  bool
	}{
		{"not JSON", builtIn, nil, record(`{"a":`), EventMalformed, true},
		{"empty", builtIn, nil, record(``), EventMalformed, true},
		{"a list", builtIn, nil, record(`[]`), EventMalformed, true},
		{"not for the agent", builtIn, nil, run("payload.action.invocationMethod.agent", false), EventNotOurs, false},
		{"no invocation method", builtIn, nil, run("payload.action", nil), EventNotOurs, false},
		{"not signed", builtIn, nil, record(`{"payload":{"action":{"invocationMethod":{"agent":true,"url":"https://ci.internal"}}}}`), EventUnsigned, true},
		{"altered", builtIn, nil, func(t *testing.T) *Event {
			ev := runEvent(t, "r_1")
			ev.Record = bytes.Replace(ev.Record, []byte("cart"), []byte("Cart"), 1)
			return ev
		}, EventUnsigned, true},
		{"no rule", `[{"enabled": false}]`, nil, run(), EventNoRule, false},
		{"no rule, one failed", `[{"enabled": ".payload | tonumber"}]`, nil, run(), EventNoRule, true},
		{"change without a rule", `[{"enabled": false}]`, func(c *Config) { c.OnNoMatch = "fail" }, change(), EventNoRule, false},
		{"too old", builtIn, func(c *Config) { c.MaxEventAgeSeconds = 60 }, aged(61 * time.Second), EventExpired, true},
		{"too large", builtIn, func(c *Config) { c.MaxEventBytes = 4096 }, run("payload.properties.pad", strings.Repeat("x", 4096)), EventOversized, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFixture(t, tt.mapping, func(c *Config) {
					if tt.edit != nil {
						tt.edit(c)
					}
				})
				ev := tt.event(t)
				var places Sequence
				ev.Place = places.Next()
				f.settle(t, ev)
				places.Next().Wait() // hangs where the place was not done
				if n := len(f.backend.requests()); n != 0 {
					t.Errorf("got %d requests, want none", n)
				}
				if n := len(f.port.calls); n != 0 {
					t.Errorf("got %d calls to Port, want none", n)
				}
				if got := f.count(t, "events_total", "topic", ev.Topic, "outcome", tt.outcome); got != 1 {
					t.Errorf("%s: counted %v, want 1", tt.outcome, got)
				}
				if got := f.count(t, "events_total"); got != 1 {
					t.Errorf("events counted: got %v, want 1", got)
				}
				if got := strings.Count(f.log.String(), `"level":"warn"`); got != map[bool]int{true: 1}[tt.warned] {
					t.Errorf("warnings: got %d, want them %t: %s", got, tt.warned, f.log)
				}
				genuine := ev.Topic == runsTopic && (tt.outcome == EventNoRule || tt.outcome == EventExpired)
				if got := strings.Contains(f.log.String(), `"run":"r_1"`); got != genuine {
					t.Errorf("the log names the run: %t, want %t: %s", got, genuine, f.log)
				}
				if got, want := f.count(t, "mapping_errors_total"), strings.Count(tt.name, "one failed"); got != float64(want) {
					t.Errorf("mapping errors: got %v, want %d", got, want)
				}
				if got := f.count(t, "unsettled_events"); got != 0 {
					t.Errorf("unsettled: got %v, want 0", got)
				}
			})
		})
	}
}

func record(text string) func(*testing.T) *Event {
	return func(*testing.T) *Event {
		return &Event{Topic: runsTopic, Time: time.Now(), Record: []byte(text), Ledger: new(fakeLedger)}
	}
}

func run(members ...any) func(*testing.T) *Event {
	return func(t *testing.T) *Event { return runEvent(t, "r_1", members...) }
}

func change(members ...any) func(*testing.T) *Event {
	return func(t *testing.T) *Event { return changeEvent(t, members...) }
}

// aged is an event that was signed a while ago.
func aged(d time.Duration) func(*testing.T) *Event {
	return func(t *testing.T) *Event {
		ev := runEvent(t, "r_1")
		time.Sleep(d)
		return ev
	}
}

func TestHandleTakesEventsWithinTheirAge(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, builtIn, func(c *Config) { c.MaxEventAgeSeconds = 60 })
		f.settle(t, aged(59*time.Second)(t))
		if n := len(f.backend.requests()); n != 1 {
			t.Errorf("got %d requests, want 1", n)
		}
	})
}

func TestCheckAge(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, builtIn, func(c *Config) { c.MaxEventAgeSeconds = 60 })
		now := time.Now()
		for _, tt := range []struct {
			name, timestamp string
			ok              bool
		}{
			{"now", fmt.Sprint(now.Unix()), true},
			{"milliseconds", fmt.Sprint(now.UnixMilli()), true},
			{"a fraction", fmt.Sprint(now.Unix()) + ".5", true},
			{"ahead", fmt.Sprint(now.Unix() + 600), true},
			{"old", fmt.Sprint(now.Unix() - 61), false},
			{"old milliseconds", fmt.Sprint(now.UnixMilli() - 61_000), false},
			{"no number", "yesterday", false},
			{"NaN", "NaN", false},
		} {
			if err := f.checkAge(tt.timestamp); (err == nil) != tt.ok || err != nil && !errors.Is(err, errExpired) {
				t.Errorf("%s: got %v, want it accepted %t", tt.name, err, tt.ok)
			}
		}
	})
}

// A record of the runs topic does not escape the check of its signature by
// posing as a change, whatever keys it holds.
func TestHandleChangeInRunsTopic(t *testing.T) {
	tests := []struct {
		name, record string
	}{
		{"a change alone", `{"changelogDestination":{"type":"WEBHOOK","agent":true,"url":"https://evil.example"},"context":{}}`},
		{"beside a run", `{"changelogDestination":{"type":"WEBHOOK","agent":true,"url":"https://evil.example"},"context":{"runId":"r_1"},
			"payload":{"action":{"invocationMethod":{"type":"WEBHOOK","agent":true,"url":"https://evil.example"}}}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, builtIn)
			f.settle(t, record(tt.record)(t))
			if n := len(f.backend.requests()); n != 0 {
				t.Errorf("got %d requests, want none", n)
			}
			if got := f.count(t, "events_total", "outcome", EventUnsigned); got != 1 {
				t.Errorf("counted as not signed: %v, want 1", got)
			}
			if got := strings.Count(f.log.String(), `"level":"warn"`); got != 1 {
				t.Errorf("got %d warnings, want 1: %s", got, f.log)
			}
		})
	}
}

// The same run is carried out once, whether its record comes again while it
// is under way or after it has ended. The log says so once in half a minute.
func TestHandleReplay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, builtIn)
		f.backend.do = takes(time.Second, accepts(200, `{}`))
		ended := make(chan error, 1)
		go func() { ended <- f.Handle(t.Context(), runEvent(t, "r_1")) }()
		synctest.Wait()
		for n := range 40 {
			again := runEvent(t, "r_1")
			again.Offset = int64(100 + n)
			f.settle(t, again)
			if n == 20 {
				time.Sleep(2 * time.Second)
			}
		}
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if n := len(f.backend.requests()); n != 1 {
			t.Errorf("got %d requests, want 1", n)
		}
		if got := f.count(t, "events_total", "outcome", EventReplayed); got != 40 {
			t.Errorf("counted as replayed: %v, want 40", got)
		}
		time.Sleep(seldomTime)
		again := runEvent(t, "r_1")
		again.Offset = 200
		f.settle(t, again)
		if got := strings.Count(f.log.String(), `"level":"warn"`); got != 2 || strings.Count(f.log.String(), `"run":"r_1","reason":"replayed"`) != 2 {
			t.Errorf("got %d warnings, want one for the first and one half a minute later: %s", got, f.log)
		}
	})
}

// An event that the source hands over again from the same place, as it does
// after it has lost its session, is no replay: nothing is warned about.
func TestHandleRedelivery(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, builtIn)
		f.backend.do = takes(time.Second, accepts(200, `{}`))
		ended := make(chan error, 2)
		for range 2 {
			go func() { ended <- f.Handle(t.Context(), runEvent(t, "r_1")) }()
			synctest.Wait()
		}
		for range 2 {
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
		}
		if n := len(f.backend.requests()); n != 1 {
			t.Errorf("got %d requests, want 1", n)
		}
		if got := f.count(t, "events_total", "outcome", EventSettled); got != 1 {
			t.Errorf("counted as settled before: %v, want 1", got)
		}
		if strings.Contains(f.log.String(), `"level":"warn"`) {
			t.Errorf("warned about its own event: %s", f.log)
		}
	})
}

// A run that was left is not taken for a replay when it comes again.
func TestHandleLeftRunComesAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t, builtIn)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Handle(ctx, runEvent(t, "r_1")); err == nil {
		t.Fatal("event settled, want it left")
	}
	f.settle(t, runEvent(t, "r_1"))
	if n := len(f.backend.requests()); n != 1 {
		t.Errorf("got %d requests, want 1", n)
	}
}

// Events of one entity go one after another in the order of their records,
// though a later one is ready first and those between are dropped; others
// overtake them.
func TestHandleKeepsOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, builtIn)
		var places Sequence
		event := func(run, entity string, members ...any) *Event {
			members = append([]any{"context.entity", entity, "context.blueprint", "service"}, members...)
			ev := runEvent(t, run, members...)
			ev.Place = places.Next()
			return ev
		}
		first := event("r_1", "cart")
		notOurs := event("r_2", "cart", "payload.action.invocationMethod.agent", false)
		second := event("r_3", "cart")
		other := event("r_4", "shop")
		f.backend.do = takes(time.Second, accepts(200, `{}`))
		ended := make(chan error, 4)
		for _, ev := range []*Event{other, second, notOurs, first} { // as unlucky as the scheduler may be
			go func() { ended <- f.Handle(t.Context(), ev) }()
			synctest.Wait()
		}
		for range cap(ended) {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		if got := f.backend.runs(); len(got) != 3 || got[2] != "r_3" {
			t.Errorf("order: got %v, want r_1 and r_4 at once, then r_3", got)
		}
	})
}

// Reports are delivered beside the next invocation of the same entity.
func TestHandleReportDoesNotHoldTheTurn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, builtIn, func(c *Config) { c.MaxInFlight, c.MaxInFlightPerHost = 1, 1 })
		f.backend.do = accepts(204, "")
		f.port.onReport = func(ctx context.Context, run string, rep Report) error { return Pause(ctx, time.Hour) }
		ended := make(chan error, 2)
		begun := time.Now()
		for n := range 2 {
			ev := runEvent(t, fmt.Sprintf("r_%d", n), "context.entity", "cart", synchronized, true)
			go func() { ended <- f.Handle(t.Context(), ev) }()
		}
		synctest.Wait()
		if n := len(f.backend.requests()); n != 2 {
			t.Errorf("got %d requests while Port is slow, want 2", n)
		}
		if got := f.slots.idle(); got != 1 {
			t.Errorf("got %d free slots while reports wait, want 1", got)
		}
		if got := f.count(t, "unsettled_events"); got != 2 {
			t.Errorf("unsettled: got %v, want 2", got)
		}
		for range cap(ended) {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		if got := time.Since(begun); got != time.Hour {
			t.Errorf("took %s, want 1h", got)
		}
	})
}

// A host that hangs, with a queue of its own, delays no other.
func TestHandleSlowHostDelaysNoOther(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, builtIn, func(c *Config) { c.MaxInFlight, c.MaxInFlightPerHost = 4, 2 })
		f.backend.do = func(ctx context.Context, req *invoker.Request) (*invoker.Response, error) {
			d := 100 * time.Millisecond
			if strings.HasPrefix(req.Host(), "slow") {
				d = 30 * time.Second
			}
			return takes(d, accepts(200, `{}`))(ctx, req)
		}
		all := make(chan error, 60)
		for n := range 40 {
			ev := runEvent(t, fmt.Sprintf("r_slow%d", n), "payload.action.invocationMethod.url", "https://slow.internal/hook")
			go func() { all <- f.Handle(t.Context(), ev) }()
		}
		synctest.Wait()
		begun := time.Now()
		fast := make(chan error, 20)
		for n := range 20 {
			ev := runEvent(t, fmt.Sprintf("r_fast%d", n))
			go func() { fast <- f.Handle(t.Context(), ev) }()
		}
		for range cap(fast) {
			if err := <-fast; err != nil {
				t.Error(err)
			}
		}
		if got, want := time.Since(begun), 1100*time.Millisecond; got != want { // 20 events: the first alone, then 2 at a time
			t.Errorf("20 quick events took %s, want %s", got, want)
		}
		for range 40 {
			if err := <-all; err != nil {
				t.Error(err)
			}
		}
	})
}

// ORDER_BY=partition keeps the events of a partition in order, whatever
// entity they belong to, and orderBy of a rule wins over the entity.
func TestHandleOrderKeys(t *testing.T) {
	byTeam := `[{"orderBy": ".payload.properties.team"}]`
	tests := []struct {
		name, mapping, orderBy string
		event                  *Event
		want                   string
	}{
		{"entity", builtIn, "entity", runEvent(t, "r_1", "context.entity", "cart", "context.blueprint", "service"), "entity/service/cart"},
		{"no entity", builtIn, "entity", runEvent(t, "r_1"), ""},
		{"partition", builtIn, "partition", runEvent(t, "r_1", "context.entity", "cart"), "partition/org.runs/2"},
		{"rule", byTeam, "entity", runEvent(t, "r_1", "context.entity", "cart", "payload.properties.team", "a"), "rule/a"},
		{"rule gives null", byTeam, "entity", runEvent(t, "r_1", "context.entity", "cart", "context.blueprint", "service"), "entity/service/cart"},
		{"rule fails", `[{"orderBy": ".payload | tonumber"}]`, "entity", runEvent(t, "r_1", "context.entity", "cart"), "entity//cart"},
		{"rule under partition", byTeam, "partition", runEvent(t, "r_1", "payload.properties.team", "a"), "partition/org.runs/2"},
		{"change", builtIn, "entity", changeEvent(t), "entity/service/cart"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, tt.mapping, func(c *Config) { c.OrderBy = tt.orderBy })
			j, err := f.prepare(t.Context(), tt.event)
			if err != nil {
				t.Fatal(err)
			}
			if j.err != nil || j.key != tt.want {
				t.Errorf("got %q (%v), want %q", j.key, j.err, tt.want)
			}
		})
	}
}
