package agent

import (
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"port-agent/invoker"
	"port-agent/invoker/follow"
	"port-agent/invoker/follow/ci"
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

const namespace = "port_agent"

// NewMetrics registers the agent's collectors with reg.
func NewMetrics(reg prometheus.Registerer, version string) *Metrics {
	made := promauto.With(reg)
	// The labels are names; of each the lists hold the closed set of its values.
	counter := func(name, help, labels string, values ...[]string) *prometheus.CounterVec {
		c := made.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, strings.Fields(labels))
		preset(values, nil, func(set []string) { c.WithLabelValues(set...) })
		return c
	}
	gauges := func(name, help, labels string, values ...[]string) *prometheus.GaugeVec {
		g := made.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, strings.Fields(labels))
		preset(values, nil, func(set []string) { g.WithLabelValues(set...) })
		return g
	}
	gauge := func(name, help string) prometheus.Gauge { return gauges(name, help, "").WithLabelValues() }
	seconds := func(name, help string) *prometheus.HistogramVec {
		h := made.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help,
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120}}, []string{"backend"})
		preset([][]string{backends[1:]}, nil, func(set []string) { h.WithLabelValues(set...) }) // no request has none
		return h
	}
	m := &Metrics{
		waiting:           func() (int, time.Time) { return 0, time.Time{} },
		Events:            counter("events_total", "Events taken from the source, by topic and outcome.", "topic outcome"),
		Invocations:       counter("invocations_total", "Invocations that ended, by backend, outcome and reason.", "backend outcome reason", backends, []string{"failed"}, reasons),
		AttemptSeconds:    seconds("attempt_seconds", "Duration of one HTTP request to a backend."),
		InvocationSeconds: seconds("invocation_seconds", "Duration of an invocation from its first attempt to its end, waits between attempts included."),
		InFlight:          gauge("in_flight", "HTTP requests to backends under way."),
		Following:         gauges("following", "Runs whose pipeline is followed now.", "backend", follow.Backends),
		FollowPolls:       counter("follow_polls_total", "Polls of pipelines, by backend and outcome.", "backend outcome", follow.Backends, pollOutcomes),
		FollowEnded: counter("follow_ended_total", "Runs that are no longer followed, by backend and outcome.", "backend outcome", follow.Backends,
			[]string{endedSuccess, endedFailure, endedNotFollowed, endedTimeout, endedElsewhere}),
		Lag: gauges("lag", "Records of an assigned partition that are not settled, up to its end.", "topic partition"),
		Reports: counter("reports_total", "Calls that report on a run to Port, by kind and outcome.", "kind outcome",
			[]string{"log", "response", "details", "status"}, []string{"accepted", "refused", "retried", "dropped"}),
		PortCalls:     counter("port_api_calls_total", "Calls to Port's API, by route and status code; code 0 means no answer.", "route code"),
		TokenRenewals: counter("token_renewals_total", "Requests for an access token.", "outcome", []string{"ok", "error"}),
		RuleMatches:   counter("rule_matches_total", "Events that a rule of the mapping matched.", "rule"),
		MappingErrors: counter("mapping_errors_total", "Expressions of the mapping that failed on an event.", "field",
			[]string{"enabled", "url", "method", "headers", "query", "body", "report", "orderBy"}),
		Interrupted: counter("interrupted_total", "Events that an earlier owner of the partition had started and not settled.", "outcome",
			[]string{"already_ended", "failed", "followed", "sent_again"}),
		Commits:         counter("commits_total", "Offset commits.", "outcome", []string{"ok", "retried", "fenced"}),
		Rebalances:      counter("rebalances_total", "Generations of the consumer group joined.", "").WithLabelValues(),
		SourceConnected: gauge("source_connected", "1 while the source of events is connected."),
		MappingInfo:     gauges("mapping_info", "1, with the SHA-256 of the mapping file in use.", "hash"),
		MappingReloads:  counter("mapping_reloads_total", "Reloads of a changed mapping file.", "outcome", []string{"accepted", "refused"}),
		MappingReloaded: gauge("mapping_reload_successful", "1 if the current mapping file is in use, 0 if it was refused."),
		MappingLoadedAt: gauge("mapping_reload_success_timestamp_seconds", "When the mapping in use was loaded, in Unix time."),
	}
	preset([][]string{backends, {"accepted"}, {reasonOK}}, nil, func(set []string) { m.Invocations.WithLabelValues(set...) })
	gauges("build_info", "1, with the version as labels.", "version go_version").WithLabelValues(version, runtime.Version()).Set(1)
	m.registerWaiting(made)
	return m
}

var (
	backends     = []string{"none", invoker.Webhook, invoker.AzureDevOps, invoker.Jenkins, invoker.GitLab, invoker.GitHub, invoker.PortAPI}
	pollOutcomes = []string{pollOK, ci.Busy.Error(), ci.Missing.Error(), ci.Deleted.Error(), ci.Refused.Error(), ci.Hopeless.Error()}
)

// registerWaiting makes the gauges of events that wait, which are read from the
// agent when someone asks for metrics.
func (m *Metrics) registerWaiting(made promauto.Factory) {
	made.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: "unsettled_events",
		Help: "Events taken from the source that are neither settled nor followed."}, func() float64 {
		n, _ := m.waiting()
		return float64(n)
	})
	made.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: "oldest_unsettled_seconds",
		Help: "Age of the oldest unsettled event, 0 if there is none."}, func() float64 {
		if n, oldest := m.waiting(); n > 0 {
			return time.Since(oldest).Seconds()
		}
		return 0
	})
}

// preset calls series with set and one value of each of the lists, in all ways;
// without lists there is no series to make.
func preset(lists [][]string, set []string, series func(set []string)) {
	for i := 0; len(lists) > 0 && i < len(lists[0]); i++ {
		next := append(slices.Clip(set), lists[0][i])
		if len(lists) == 1 {
			series(next)
		}
		preset(lists[1:], next, series)
	}
}

// PresetTopic makes the series of a topic, so that its counters are there
// before its first event.
func (m *Metrics) PresetTopic(topic string) {
	for _, outcome := range EventOutcomes {
		m.Events.WithLabelValues(topic, outcome)
	}
}
