package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"time"
)

// caseLimit bounds one contestant's run of one case.
const caseLimit = 3 * time.Minute

// contestant is who takes part in a case.
type contestant struct {
	name string
	bare bool // the bare loop, not the agent
	near bool // with Port near in any case
}

// contestants returns who takes turns in a case; the table is about the first.
// What a distance of Port costs shows beside the same with Port near, all else
// of the agent beside the bare loop.
func (sc scenario) contestants() []contestant {
	first := contestant{name: "agent"}
	if sc.Bare {
		first = contestant{name: "bare loop", bare: true}
	}
	switch {
	case sc.NoBare:
		return []contestant{first}
	case sc.PortDelay > 0:
		return []contestant{first, {name: "port near", bare: first.bare, near: true}}
	}
	return []contestant{first, {name: "bare loop", bare: true}}
}

// figure is one contestant's run of one case.
type figure struct {
	Case       string  `json:"case"`
	Contestant string  `json:"contestant"`
	Round      int     `json:"round"`
	Seconds    float64 `json:"seconds"`
	EventsPerS float64 `json:"eventsPerSecond"` // until the last one was invoked
	HTTPPerS   float64 `json:"httpPerSecond"`   // backends and Port together
	CPUPerRun  float64 `json:"cpuMsPerRun"`
	PeakMiB    float64 `json:"peakMiB"`
	MostMiB    float64 `json:"mostMiB,omitempty"` // that the peak should stay below
	IdleMiB    float64 `json:"idleMiB,omitempty"`
	ReadyS     float64 `json:"readySeconds,omitempty"`
	InFlight   int     `json:"inFlightPeak"`
	CallsToRun float64 `json:"callsToPortPerRun"`
	SinkConns  int     `json:"connectionsToBackends"`
	PortConns  int     `json:"connectionsToPort"`
	P50Ms      float64 `json:"p50Ms,omitempty"`
	P95Ms      float64 `json:"p95Ms,omitempty"`
	P99Ms      float64 `json:"p99Ms,omitempty"`
}

// bench drives the processes.
type bench struct {
	folder string
	binary string // of the agent
	place  place
}

// measure runs every case that matches, the contestants in turns.
func (b *bench) measure(ctx context.Context, rounds int, match *regexp.Regexp) ([]figure, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	r, w := io.Pipe()
	staged, err := startChild(self, []string{roleWorld}, nil, b.folder, w, os.Stderr)
	if err != nil {
		return nil, err
	}
	defer staged.stop()
	if err := json.NewDecoder(r).Decode(&b.place); err != nil {
		return nil, fmt.Errorf("start the world: %w", err)
	}
	var figures []figure
	for _, sc := range scenarios {
		if !match.MatchString(sc.Name) {
			continue
		}
		if sc.Partitions == 0 {
			sc.Partitions = defaultPartitions
		}
		for round := range rounds {
			for _, who := range sc.contestants() {
				f, err := b.contest(ctx, sc, who, self)
				if err != nil {
					return figures, fmt.Errorf("%s, %s: %w", sc.Name, who.name, err)
				}
				f.Round = round + 1
				figures = append(figures, f)
				fmt.Fprintf(os.Stderr, "%-50s %-10s %8.0f events/s %8.0f http/s %7.3f ms CPU/run %6.1f MiB peak\n",
					sc.Name, who.name, f.EventsPerS, f.HTTPPerS, f.CPUPerRun, f.PeakMiB)
			}
		}
	}
	return figures, nil
}

// contest is one contestant's run of one case.
func (b *bench) contest(ctx context.Context, sc scenario, who contestant, self string) (figure, error) {
	ctx, cancel := context.WithTimeout(ctx, caseLimit)
	defer cancel()
	f := figure{Case: sc.Name, Contestant: who.name}
	if !who.bare {
		f.MostMiB = sc.Most
	}
	if who.near {
		sc.PortDelay = 0
	}
	var org string
	if err := b.call(ctx, http.MethodPost, "/case", sc, &org); err != nil {
		return f, err
	}
	if sc.Rate == 0 && !sc.Idle {
		if err := b.backlog(ctx, sc, who, org); err != nil {
			return f, err
		}
	}
	c, health, err := b.start(sc, who, self, org)
	if err != nil {
		return f, err
	}
	defer c.stop()
	if !who.bare {
		if err := ready(ctx, health); err != nil {
			return f, err
		}
		f.ReadyS = time.Since(c.start).Seconds()
	}
	if sc.Idle {
		return b.idle(ctx, c, f)
	}
	if sc.Rate > 0 {
		time.Sleep(time.Second) // both have opened their partitions then
		var done string
		if err := b.call(ctx, http.MethodPost, "/flow", nil, &done); err != nil {
			return f, err
		}
	}
	got, err := b.finished(ctx, sc, who)
	if err != nil {
		return f, err
	}
	f.fill(sc, got, c)
	return f, nil
}

// backlog publishes the events of a case. An agent takes the partitions over
// before, and leaves: its group's ledger covers the events then, as it does in
// daily work. About others the agent asks Port first.
func (b *bench) backlog(ctx context.Context, sc scenario, who contestant, org string) error {
	if !who.bare {
		c, health, err := b.start(sc, who, "", org)
		if err != nil {
			return err
		}
		if err = ready(ctx, health); err == nil {
			err = b.settled(ctx)
		}
		c.stop()
		if err != nil {
			return err
		}
	}
	var done string
	return b.call(ctx, http.MethodPost, "/fill", nil, &done)
}

// settled returns when the group has committed what there is.
func (b *bench) settled(ctx context.Context) error {
	for {
		var got counts
		if err := b.call(ctx, http.MethodGet, "/counts", nil, &got); err != nil || got.Settled {
			return err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("the agent did not take over its partitions: %w", ctx.Err())
		}
	}
}

// idle lets the agent be for a while and looks at its memory.
func (b *bench) idle(ctx context.Context, c *child, f figure) (figure, error) {
	select {
	case <-time.After(5 * time.Second):
	case <-ctx.Done():
		return f, ctx.Err()
	}
	u := c.usage()
	f.IdleMiB, f.PeakMiB = mib(u.Current), mib(u.Peak)
	return f, nil
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }

// fill computes the figures from the counts.
func (f *figure) fill(sc scenario, got counts, c *child) {
	u := c.usage()
	from, invoked, to := got.First, got.Invoked, got.Last
	if sc.NotForAgent {
		from, to = c.start, time.Now()
		invoked = to
	}
	f.Seconds = to.Sub(from).Seconds()
	n := float64(sc.Events)
	f.EventsPerS = n / invoked.Sub(from).Seconds()
	f.HTTPPerS = float64(got.Sent+got.Calls) / f.Seconds
	f.CPUPerRun = u.CPU.Seconds() * 1000 / n
	f.PeakMiB = mib(u.Peak)
	f.InFlight = got.Peak
	f.CallsToRun = float64(got.Calls) / n
	f.SinkConns, f.PortConns = got.SinkConns, got.PortConns
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	if sc.Rate > 0 {
		f.P50Ms, f.P95Ms, f.P99Ms = ms(got.P50), ms(got.P95), ms(got.P99)
	}
}

// finished returns when all events are answered, and what the contestant does
// besides, reports and commits, is done as well.
func (b *bench) finished(ctx context.Context, sc scenario, who contestant) (counts, error) {
	for {
		var got counts
		if err := b.call(ctx, http.MethodGet, "/counts", nil, &got); err != nil {
			return got, err
		}
		done := got.Answered >= sc.Events || sc.NotForAgent
		switch {
		case !who.bare:
			done = done && got.Settled
		case sc.Bare:
			done = done && got.Calls >= sc.Events
		}
		if done {
			return got, nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return got, fmt.Errorf("%d of %d events answered: %w", got.Answered, sc.Events, ctx.Err())
		}
	}
}

// call speaks to the world.
func (b *bench) call(ctx context.Context, method, path string, body, answer any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, b.place.Control+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(res.Body)
		return fmt.Errorf("%s %s: %s", method, path, bytes.TrimSpace(text))
	}
	return json.NewDecoder(res.Body).Decode(answer)
}
