package main

import "time"

// scenario is one case of the benchmark.
type scenario struct {
	Name         string        `json:"name"`
	Events       int           `json:"events"`
	Synchronized bool          `json:"synchronized"`
	SinkDelay    time.Duration `json:"sinkDelay"`
	PortDelay    time.Duration `json:"portDelay"`
	PortHTTPS    bool          `json:"portHTTPS"`
	Rate         int           `json:"rate"` // events per second, 0: a backlog
	NotForAgent  bool          `json:"notForAgent"`
	GitLab       bool          `json:"gitlab"`
	Rules        int           `json:"rules"` // rules before the one that matches
	Hosts        int           `json:"hosts"` // backends, 0: one
	Partitions   int           `json:"partitions"`
	EventBytes   int           `json:"eventBytes"`    // 0: about 2 KB
	AnswerBytes  int           `json:"answerBytes"`   // of a sink, 0: a few
	Env          []string      `json:"env,omitempty"` // further settings of the agent
	NoBare       bool          `json:"-"`             // there is nothing to compare with
	Bare         bool          `json:"-"`             // of the bare loop, which reports as well
	Idle         bool          `json:"-"`             // nothing is sent
	Most         float64       `json:"-"`             // MiB that the agent may take at its peak, 0: no bound
}

const (
	defaultPartitions = 4
	inFlight          = 128
)

var scenarios = []scenario{
	{Name: "idle", Idle: true, NoBare: true, Most: 30},
	{Name: "drain 20,000 asynchronous", Events: 20_000, Most: 90},
	{Name: "bare loop with reports, 20,000", Events: 20_000, Bare: true, NoBare: true},
	{Name: "drain 5,000 synchronous", Events: 5_000, Synchronized: true, Most: 90},
	{Name: "100 ms sink, 8,000", Events: 8_000, SinkDelay: 100 * time.Millisecond},
	{Name: "steady 100/s for 10 s", Events: 1_000, Rate: 100},
	{Name: "port 50 ms away, 20,000 asynchronous", Events: 20_000, PortDelay: 50 * time.Millisecond},
	{Name: "bare loop with reports, port 50 ms away, 20,000", Events: 20_000, PortDelay: 50 * time.Millisecond, Bare: true},
	{Name: "100 ms sink, port 50 ms away, 2,000", Events: 2_000, SinkDelay: 100 * time.Millisecond, PortDelay: 50 * time.Millisecond},
	{Name: "port over HTTPS, 20,000 asynchronous", Events: 20_000, PortHTTPS: true},
	{Name: "port over HTTPS, 50 ms away, 20,000 asynchronous", Events: 20_000, PortHTTPS: true, PortDelay: 50 * time.Millisecond},
	{Name: "skip 1,000,000 not for the agent", Events: 1_000_000, NotForAgent: true, NoBare: true},
	{Name: "gitlab mapping, 10,000", Events: 10_000, GitLab: true},
	{Name: "DETAILED_LOGGING, 10,000", Events: 10_000, Env: []string{"DETAILED_LOGGING=true"}},
	{Name: "10 rules, 5,000", Events: 5_000, Rules: 9, NoBare: true},
	{Name: "100 rules, 5,000", Events: 5_000, Rules: 99, NoBare: true},
	{Name: "1,000 rules, 5,000", Events: 5_000, Rules: 999, NoBare: true},
	{Name: "1 partition, 10,000", Events: 10_000, Partitions: 1},
	{Name: "16 partitions, 10,000", Events: 10_000, Partitions: 16},
	{Name: "16 hosts, 10,000", Events: 10_000, Hosts: 16},
	{Name: "memory: 1,000 of 200 KB, 16 partitions", Events: 1_000, EventBytes: 200 << 10, Partitions: 16, NoBare: true, Most: 200},
	{Name: "memory: 8,000 of 20 KB, port 2 s away", Events: 8_000, EventBytes: 20 << 10, PortDelay: 2 * time.Second, NoBare: true, Most: 200},
	{Name: "memory: 160 of 4 MiB, 16 partitions", Events: 160, EventBytes: 4<<20 - 1, Partitions: 16, NoBare: true, Most: 200},
	{Name: "memory: 100 synchronous, answers of 1 MiB", Events: 100, Synchronized: true, AnswerBytes: 1 << 20, NoBare: true, Most: 200},
}
