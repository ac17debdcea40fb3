package tests

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	corev1 "k8s.io/api/core/v1"
)

func TestAlerts(t *testing.T) {
	t.Parallel()
	metrics := metrics(t)
	placeholder := regexp.MustCompile(`\$labels\.(\w+)`)
	for name, rule := range alertFile(t) {
		query := rule.Expr.String()
		used, err := metrics.check(query)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(used) == 0 {
			t.Errorf("%s watches nothing", name)
		}
		if s := rule.Labels["severity"]; s != "warning" && s != "critical" {
			t.Errorf("%s: got severity %q", name, s)
		}
		if rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
			t.Errorf("%s says nothing", name)
		}
		for _, m := range placeholder.FindAllStringSubmatch(rule.Annotations["summary"]+rule.Annotations["description"], -1) {
			kept := regexp.MustCompile(`by \([^)]*\b` + m[1] + `\b`)
			if strings.Contains(query, "by (") && !kept.MatchString(query) {
				t.Errorf("%s speaks of the label %s, which its query drops", name, m[1])
			}
		}
	}
}

// TestRuleOverrides looks at what the values make of the alerts.
func TestRuleOverrides(t *testing.T) {
	t.Parallel()
	rule := only[*monitoring.PrometheusRule](t, objects(t, load(t, "testdata/watched.yaml")))
	found := map[string]monitoring.Rule{}
	for _, r := range rule.Spec.Groups[0].Rules {
		found[r.Alert] = r
		if r.Labels["team"] != "platform" {
			t.Errorf("%s: got labels %v, want team: platform", r.Alert, r.Labels)
		}
	}
	if lag := found["PortAgentLagGrowing"]; lag.For == nil || *lag.For != "30m" || lag.Labels["severity"] != "info" {
		t.Errorf("got %+v", lag)
	}
	if _, ok := found["PortAgentRebalancing"]; ok {
		t.Error("PortAgentRebalancing is there although it is switched off")
	}
	stuck := found["PortAgentEventsStuck"]
	if got := stuck.Expr.String(); got != "max(port_agent_oldest_unsettled_seconds) > 1200" {
		t.Errorf("got query %s", got)
	}
	if got := found["PortAgentTokenFailing"].Annotations["description"]; !strings.Contains(got, "{{ $labels.job }}") {
		t.Errorf("Helm has touched the placeholders: %s", got)
	}
}

// TestDashboard holds the dashboard to the agent's metrics, and the agent's
// metrics to the dashboard: what is measured is shown.
func TestDashboard(t *testing.T) {
	t.Parallel()
	config := only[*corev1.ConfigMap](t, objects(t, load(t, "testdata/watched.yaml")))
	if config.Labels["grafana_dashboard"] != "1" || config.Annotations["grafana_folder"] != "Port" || config.Namespace != "monitoring" {
		t.Errorf("Grafana does not find %s/%s with %v %v", config.Namespace, config.Name, config.Labels, config.Annotations)
	}
	var dashboard struct {
		UID, Title string
		Panels     []struct {
			ID      int
			Type    string
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ RefID, Expr string }
		}
		Templating struct {
			List []struct{ Name, Type, Definition string }
		}
	}
	if err := json.Unmarshal([]byte(config.Data["port-agent.json"]), &dashboard); err != nil {
		t.Fatal(err)
	}
	metrics := metrics(t)
	shown, ids := map[string]bool{}, map[int]bool{}
	taken := map[[2]int]string{}
	for _, panel := range dashboard.Panels {
		if ids[panel.ID] {
			t.Errorf("two panels have the id %d", panel.ID)
		}
		ids[panel.ID] = true
		for x := panel.GridPos.X; x < panel.GridPos.X+panel.GridPos.W; x++ {
			for y := panel.GridPos.Y; y < panel.GridPos.Y+panel.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%q lies over %q or beyond the edge", panel.Title, other)
				}
				taken[[2]int{x, y}] = panel.Title
			}
		}
		if panel.Type != "row" && len(panel.Targets) == 0 {
			t.Errorf("%q shows nothing", panel.Title)
		}
		for _, target := range panel.Targets {
			used, err := metrics.check(target.Expr)
			if err != nil {
				t.Errorf("%q: %v", panel.Title, err)
			}
			for _, name := range used {
				shown[name] = true
			}
		}
	}
	for name := range metrics {
		if !shown[name] {
			t.Errorf("the dashboard does not show %s", name)
		}
	}
	variable := regexp.MustCompile(`^label_values\((\w+)(\{.*\})?, (\w+)\)$`)
	for _, v := range dashboard.Templating.List {
		if v.Type != "query" {
			continue
		}
		m := variable.FindStringSubmatch(v.Definition)
		if m == nil || metrics[m[1]] == nil || !slices.Contains(scraped, m[3]) {
			t.Errorf("variable %s asks for %s", v.Name, v.Definition)
		}
	}
}
