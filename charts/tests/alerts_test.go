package tests

import (
	"os"
	"strings"
	"testing"
	"time"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/promqltest"
	"sigs.k8s.io/yaml"
)

// alertFile reads the alerts as Prometheus would.
func alertFile(t *testing.T) map[string]monitoring.Rule {
	t.Helper()
	data, err := os.ReadFile(chartDir + "/files/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file monitoring.PrometheusRuleSpec
	if err := yaml.UnmarshalStrict(data, &file); err != nil {
		t.Fatal(err)
	}
	rules := map[string]monitoring.Rule{}
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			rules[rule.Alert] = rule
		}
	}
	return rules
}

// TestAlertsFire evaluates every alert over two hours of samples, one a
// minute, once where it must fire and once where it must not.
func TestAlertsFire(t *testing.T) {
	t.Parallel()
	const pod = `namespace="port", job="agent", pod="a"`
	tests := []struct {
		alert        string
		bad, healthy string // series, without the load command
	}{
		{
			alert:   "PortAgentGone",
			bad:     `port_agent_build_info{` + pod + `} 1x100 _x20`,
			healthy: `port_agent_build_info{namespace="port", job="agent", pod="old"} 1x60 _x60` + "\n" + `port_agent_build_info{` + pod + `} _x60 1x60`,
		},
		{
			alert:   "PortAgentSourceDisconnected",
			bad:     `port_agent_source_connected{` + pod + `} 1x100 0x20`,
			healthy: `port_agent_source_connected{` + pod + `} 0x2 1x118`,
		},
		{
			alert:   "PortAgentEventsStuck",
			bad:     `port_agent_oldest_unsettled_seconds{` + pod + `} 0x100 0+60x20`,
			healthy: `port_agent_oldest_unsettled_seconds{` + pod + `} 150x120`,
		},
		{
			alert:   "PortAgentLagGrowing",
			bad:     `port_agent_lag{` + pod + `, topic="org.runs", partition="0"} 0+20x120`,
			healthy: `port_agent_lag{` + pod + `, topic="org.runs", partition="0"} 5000-20x120`,
		},
		{
			alert: "PortAgentLagGrowing", // a partition that moves to another pod starts no growth
			bad: `port_agent_lag{` + pod + `, topic="org.runs", partition="0"} 0+20x115 _x5
				port_agent_lag{namespace="port", job="agent", pod="b", topic="org.runs", partition="0"} _x115 2300+20x5`,
			healthy: `port_agent_lag{` + pod + `, topic="org.runs", partition="0"} 400-1x115 _x5
				port_agent_lag{namespace="port", job="agent", pod="b", topic="org.runs", partition="0"} _x115 284-1x5`,
		},
		{
			alert:   "PortAgentMappingRefused",
			bad:     `port_agent_mapping_reload_successful{` + pod + `} 1x110 0x10`,
			healthy: `port_agent_mapping_reload_successful{` + pod + `} 0x110 1x10`,
		},
		{
			alert:   "PortAgentReportsRefused",
			bad:     `port_agent_reports_total{` + pod + `, kind="status", outcome="refused"} 0x110 1x10`,
			healthy: `port_agent_reports_total{` + pod + `, kind="log", outcome="refused"} 0x110 1+1x10`,
		},
		{
			alert: "PortAgentReportsNotAccepted",
			bad: `port_agent_reports_total{` + pod + `, kind="status", outcome="retried"} 0x100 1+1x20
				port_agent_reports_total{` + pod + `, kind="status", outcome="accepted"} 7x120`,
			healthy: `port_agent_reports_total{` + pod + `, kind="status", outcome="retried"} 0x100 1+1x20
				port_agent_reports_total{` + pod + `, kind="response", outcome="accepted"} 7x100 8+1x20`,
		},
		{
			alert: "PortAgentTokenFailing",
			bad: `port_agent_token_renewals_total{` + pod + `, outcome="error"} 0x100 1+1x20
				port_agent_token_renewals_total{` + pod + `, outcome="ok"} 1x120`,
			healthy: `port_agent_token_renewals_total{` + pod + `, outcome="error"} 0x110 1x10
				port_agent_token_renewals_total{` + pod + `, outcome="ok"} 1x110 2x10`,
		},
		{
			alert:   "PortAgentSignaturesRejected",
			bad:     `port_agent_events_total{` + pod + `, topic="org.runs", outcome="bad_signature"} 0x115 1x5`,
			healthy: `port_agent_events_total{` + pod + `, topic="org.runs", outcome="replayed"} 0+1x120`,
		},
		{
			alert: "PortAgentInvocationsFailing",
			bad: `port_agent_invocations_total{` + pod + `, backend="jenkins", outcome="failed", reason="status"} 0+1x120
				port_agent_invocations_total{` + pod + `, backend="jenkins", outcome="accepted", reason="ok"} 0+0.5x120`,
			healthy: `port_agent_invocations_total{` + pod + `, backend="jenkins", outcome="failed", reason="status"} 0+1x120
				port_agent_invocations_total{` + pod + `, backend="jenkins", outcome="accepted", reason="ok"} 0+3x120
				port_agent_invocations_total{` + pod + `, backend="gitlab", outcome="failed", reason="status"} 0x115 2x5`,
		},
		{
			alert:   "PortAgentMappingErrors",
			bad:     `port_agent_mapping_errors_total{` + pod + `, field="body"} 3x115 4x5`,
			healthy: `port_agent_mapping_errors_total{` + pod + `, field="body"} 3x120`,
		},
		{
			alert:   "PortAgentRunsInterrupted",
			bad:     `port_agent_interrupted_total{` + pod + `, outcome="failed"} 0x80 1x40`,
			healthy: `port_agent_interrupted_total{` + pod + `, outcome="already_ended"} 0+1x120`,
		},
		{
			alert:   "PortAgentRebalancing",
			bad:     `port_agent_rebalances_total{` + pod + `} 0+2x120`,
			healthy: `port_agent_rebalances_total{` + pod + `} 1x100 2+1x5 7x15`,
		},
	}
	rules := alertFile(t)
	tested := map[string]bool{}
	for _, test := range tests {
		rule, ok := rules[test.alert]
		if !ok {
			t.Errorf("there is no alert %s", test.alert)
			continue
		}
		tested[test.alert] = true
		query := rule.Expr.String()
		if fires(t, test.bad, query) == 0 {
			t.Errorf("%s stays silent over\n%s", test.alert, test.bad)
		}
		if fires(t, test.healthy, query) != 0 {
			t.Errorf("%s fires over\n%s", test.alert, test.healthy)
		}
	}
	for name := range rules {
		if !tested[name] {
			t.Errorf("%s is not tested", name)
		}
	}
}

// fires gives the number of series that query has after two hours of series.
func fires(t *testing.T, series, query string) int {
	t.Helper()
	storage := promqltest.LoadedStorage(t, "load 1m\n  "+strings.ReplaceAll(series, "\n", "\n  ")+"\n")
	defer storage.Close()
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1_000_000, Timeout: time.Minute})
	defer engine.Close()
	q, err := engine.NewInstantQuery(t.Context(), storage, nil, query, time.Unix(0, 0).Add(2*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	vector, err := q.Exec(t.Context()).Vector()
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return len(vector)
}
