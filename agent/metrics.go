package agent

import (
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"port-agent/invoker"
	"port-agent/invoker/follow"
)

// Outcomes of an event, the closed set of events_total.
const (
	EventInvoked     = "invoked"       // taken through the pipeline to its end
	EventNotOurs     = "not_for_agent" // its invocation method has no agent: true
	EventNoRule      = "no_rule"       // no rule of the mapping matched
	EventMalformed   = "malformed"     // not JSON, not an object, empty, a transaction marker
	EventOversized   = "oversized"     // larger than MAX_EVENT_BYTES
	EventUnsigned    = "bad_signature"
	EventReplayed    = "replayed"
	EventExpired     = "expired" // older than MAX_EVENT_AGE_SECONDS
	EventSettled     = "already_settled"
	EventUnvouched   = "unvouched"   // a change that may have been carried out before, see ON_UNVOUCHED
	EventInterrupted = "interrupted" // started, and its end will never be known
)

// EventOutcomes lists every outcome label of events_total.
var EventOutcomes = []string{
	EventInvoked, EventNotOurs, EventNoRule, EventMalformed, EventOversized,
	EventUnsigned, EventReplayed, EventExpired, EventSettled, EventUnvouched, EventInterrupted,
}

// Metrics holds every collector of the agent. The label sets are closed and
// present from the start, so that an alert on a rate never meets a series
// that does not exist yet.
type Metrics struct {
	Events            *prometheus.CounterVec   // topic, outcome
	Invocations       *prometheus.CounterVec   // backend, outcome, reason
	AttemptSeconds    *prometheus.HistogramVec // backend
	InvocationSeconds *prometheus.HistogramVec // backend
	InFlight          prometheus.Gauge
	Following         *prometheus.GaugeVec   // backend
	FollowPolls       *prometheus.CounterVec // backend, outcome
	FollowEnded       *prometheus.CounterVec // backend, outcome
	Lag               *prometheus.GaugeVec   // topic, partition
	Reports           *prometheus.CounterVec // kind, outcome
	PortCalls         *prometheus.CounterVec // route, code
	TokenRenewals     *prometheus.CounterVec // outcome
	RuleMatches       *prometheus.CounterVec // rule
	MappingErrors     *prometheus.CounterVec // field
	Interrupted       *prometheus.CounterVec // outcome
	Commits           *prometheus.CounterVec // outcome
	Rebalances        prometheus.Counter
	SourceConnected   prometheus.Gauge
	MappingInfo       *prometheus.GaugeVec   // hash
	MappingReloads    *prometheus.CounterVec // outcome
	MappingReloaded   prometheus.Gauge
	MappingLoadedAt   prometheus.Gauge // Unix time in seconds

	waiting func() (n int, oldest time.Time) // of the agent, once there is one
}

// NewMetrics registers the agent's collectors with reg.
func NewMetrics(reg prometheus.Registerer, version string) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "port_agent", Name: name, Help: help}, labels)
	}
	seconds := func(name, help string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "port_agent", Name: name, Help: help,
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120},
		}, []string{"backend"})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "port_agent", Name: name, Help: help})
	}
	m := &Metrics{
		waiting:           func() (int, time.Time) { return 0, time.Time{} },
		Events:            counter("events_total", "Events taken from the source, by what became of them.", "topic", "outcome"),
		Invocations:       counter("invocations_total", "Invocations that ended, by backend, outcome and reason.", "backend", "outcome", "reason"),
		AttemptSeconds:    seconds("attempt_seconds", "Duration of one HTTP request to a backend."),
		InvocationSeconds: seconds("invocation_seconds", "Duration of an invocation from its first attempt to its end, waits between attempts included."),
		InFlight:          gauge("in_flight", "Invocations that hold a slot now."),
		Following: prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "port_agent", Name: "following",
			Help: "Runs whose pipeline is followed now."}, []string{"backend"}),
		FollowPolls: counter("follow_polls_total", "Looks at pipelines, by backend and outcome.", "backend", "outcome"),
		FollowEnded: counter("follow_ended_total", "Runs that are no longer followed, by backend and outcome.", "backend", "outcome"),
		Lag: prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "port_agent", Name: "lag",
			Help: "Records between the committed offset and the end of an assigned partition."}, []string{"topic", "partition"}),
		Reports:         counter("reports_total", "Calls that tell Port of a run, by kind and outcome.", "kind", "outcome"),
		PortCalls:       counter("port_api_calls_total", "Calls to Port's API by route and status code; code 0 is no answer.", "route", "code"),
		TokenRenewals:   counter("token_renewals_total", "Access tokens asked of Port.", "outcome"),
		RuleMatches:     counter("rule_matches_total", "Events that a rule of the mapping matched.", "rule"),
		MappingErrors:   counter("mapping_errors_total", "Expressions of the mapping that failed on an event.", "field"),
		Interrupted:     counter("interrupted_total", "Events found started but not settled when a partition was taken over.", "outcome"),
		Commits:         counter("commits_total", "Offset commits.", "outcome"),
		Rebalances:      prometheus.NewCounter(prometheus.CounterOpts{Namespace: "port_agent", Name: "rebalances_total", Help: "Generations of the consumer group joined."}),
		SourceConnected: gauge("source_connected", "1 while the source of events is connected."),
		MappingInfo: prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "port_agent", Name: "mapping_info",
			Help: "1, with the SHA-256 of the file of the mapping in force."}, []string{"hash"}),
		MappingReloads:  counter("mapping_reloads_total", "Reloads of a mapping file that had changed.", "outcome"),
		MappingReloaded: gauge("mapping_reload_successful", "1 while the mapping file as it is now is in force, 0 where it was refused."),
		MappingLoadedAt: gauge("mapping_reload_success_timestamp_seconds", "When the mapping in force was loaded, in Unix time."),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "port_agent", Name: "build_info", Help: "1, with the version as labels.",
		ConstLabels: prometheus.Labels{"version": version, "go_version": runtime.Version()},
	})
	build.Set(1)
	reg.MustRegister(m.Events, m.Invocations, m.AttemptSeconds, m.InvocationSeconds, m.InFlight, m.Following, m.FollowPolls, m.FollowEnded, m.Lag, m.Reports,
		m.PortCalls, m.TokenRenewals, m.RuleMatches, m.MappingErrors, m.Interrupted, m.Commits, m.Rebalances,
		m.SourceConnected, m.MappingInfo, m.MappingReloads, m.MappingReloaded, m.MappingLoadedAt, build, m.unsettled(), m.oldest())
	m.presetLabels()
	return m
}

func (m *Metrics) unsettled() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "port_agent", Name: "unsettled_events",
		Help: "Events taken from the source that are neither settled nor followed."}, func() float64 {
		n, _ := m.waiting()
		return float64(n)
	})
}

func (m *Metrics) oldest() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "port_agent", Name: "oldest_unsettled_seconds",
		Help: "Age of the oldest of them, 0 where there is none."}, func() float64 {
		if n, oldest := m.waiting(); n > 0 {
			return time.Since(oldest).Seconds()
		}
		return 0
	})
}

// presetLabels makes the series of every closed label set.
func (m *Metrics) presetLabels() {
	for _, kind := range []string{"log", "response", "details", "status"} {
		for _, outcome := range []string{"accepted", "refused", "retried", "dropped"} {
			m.Reports.WithLabelValues(kind, outcome)
		}
	}
	for _, backend := range []string{"none", invoker.Webhook, invoker.AzureDevOps, invoker.Jenkins, invoker.GitLab, invoker.GitHub, invoker.PortAPI} {
		m.Invocations.WithLabelValues(backend, "accepted", reasonOK)
		for _, reason := range reasons {
			m.Invocations.WithLabelValues(backend, "failed", reason)
		}
	}
	for _, backend := range follow.Backends {
		m.Following.WithLabelValues(backend)
		for _, outcome := range []string{pollOK, follow.Busy.String(), follow.Missing.String(), follow.Deleted.String(), follow.Refused.String(), follow.Hopeless.String()} {
			m.FollowPolls.WithLabelValues(backend, outcome)
		}
		for _, outcome := range []string{endedSuccess, endedFailure, endedNotFollowed, endedTimeout, endedElsewhere} {
			m.FollowEnded.WithLabelValues(backend, outcome)
		}
	}
	for _, outcome := range []string{"ok", "error"} {
		m.TokenRenewals.WithLabelValues(outcome)
	}
	for _, outcome := range []string{"ok", "retried", "fenced"} {
		m.Commits.WithLabelValues(outcome)
	}
	for _, outcome := range []string{"accepted", "refused"} {
		m.MappingReloads.WithLabelValues(outcome)
	}
	for _, outcome := range []string{"already_ended", "failed", "followed", "sent_again"} {
		m.Interrupted.WithLabelValues(outcome)
	}
	for _, field := range []string{"enabled", "url", "method", "headers", "query", "body", "report", "orderBy"} {
		m.MappingErrors.WithLabelValues(field)
	}
}

// PresetTopic makes the series of a topic, so that its counters are there
// before its first event.
func (m *Metrics) PresetTopic(topic string) {
	for _, outcome := range EventOutcomes {
		m.Events.WithLabelValues(topic, outcome)
	}
}
