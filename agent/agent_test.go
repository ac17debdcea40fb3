package agent

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"port-agent/invoker/follow"
)

func TestConfigValidate(t *testing.T) {
	t.Parallel()
	good := testConfig()
	if err := good.Validate(); err != nil {
		t.Errorf("a good one: %v", err)
	}
	tests := []struct {
		setting string
		edit    func(*Config)
	}{
		{"MAX_IN_FLIGHT", func(c *Config) { c.MaxInFlight = 0 }},
		{"MAX_IN_FLIGHT_PER_HOST", func(c *Config) { c.MaxInFlightPerHost = -1 }},
		{"ORDER_BY", func(c *Config) { c.OrderBy = "time" }},
		{"ON_INTERRUPTED", func(c *Config) { c.OnInterrupted = "" }},
		{"ON_NO_MATCH", func(c *Config) { c.OnNoMatch = "retry" }},
		{"RETRY_MAX_SECONDS", func(c *Config) { c.RetryMaxSeconds = -1 }},
		{"RETRY_MAX_ATTEMPTS", func(c *Config) { c.RetryMaxAttempts = 0 }},
		{"RETRY_MAX_SECONDS", func(c *Config) { c.RetryMaxSeconds = math.NaN() }},
		{"RETRY_MAX_SECONDS", func(c *Config) { c.RetryMaxSeconds = math.Inf(1) }},
		{"MAX_EVENT_BYTES", func(c *Config) { c.MaxEventBytes = 0 }},
		{"MAX_EVENT_AGE_SECONDS", func(c *Config) { c.MaxEventAgeSeconds = -1 }},
	}
	bad, settings := testConfig(), map[string]bool{}
	for _, tt := range tests {
		c := testConfig()
		tt.edit(&c)
		tt.edit(&bad)
		settings[tt.setting] = true
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), tt.setting+": ") {
			t.Errorf("%s: got %v, want an error that names it", tt.setting, err)
		}
	}
	err := bad.Validate()
	if err == nil {
		t.Fatal("all faults: got no error")
	}
	if got := len(strings.Split(err.Error(), "\n")); got != len(settings) {
		t.Errorf("all faults: got %d lines, want %d: %v", got, len(settings), err)
	}
}

// Every series that an alert may look at is there before anything happened.
func TestMetricsArePresent(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	m := NewMetrics(reg, "1.2.3")
	m.PresetTopic(runsTopic)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := map[string]int{}
	for _, f := range families {
		series[f.GetName()] = len(f.GetMetric())
	}
	const backends = 7 // with none
	want := map[string]int{
		"build_info": 1, "in_flight": 1, "rebalances_total": 1, "source_connected": 1,
		"oldest_unsettled_seconds": 1, "unsettled_events": 1,
		"events_total":          len(EventOutcomes),
		"invocations_total":     backends * (1 + len(reasons)),
		"attempt_seconds":       backends - 1,
		"invocation_seconds":    backends - 1,
		"reports_total":         16,
		"mapping_reloads_total": 2, "mapping_reload_successful": 1, "mapping_reload_success_timestamp_seconds": 1,
		"following":            len(follow.Backends),
		"follow_polls_total":   len(follow.Backends) * 6,
		"follow_ended_total":   len(follow.Backends) * 5,
		"token_renewals_total": 2, "commits_total": 3, "interrupted_total": 4, "mapping_errors_total": 8,
	}
	for name, n := range want {
		if got := series["port_agent_"+name]; got != n {
			t.Errorf("%s: got %d series, want %d", name, got, n)
		}
	}
	for name := range series {
		if _, known := want[strings.TrimPrefix(name, "port_agent_")]; !known {
			t.Errorf("%s: present, and not known to the test", name)
		}
	}
	for _, reason := range []string{
		reasonNoRule, reasonMapping, reasonStatus4xx, reasonStatus5xx, reasonStatusOther, reasonConnect, reasonLost, reasonTimeout,
		reasonRefused, reasonInterrupted,
	} {
		if !slices.Contains(reasons, reason) {
			t.Errorf("%s is not among the reasons that are present from the start", reason)
		}
	}
}
