package tests

import (
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

func TestDefaultObjects(t *testing.T) {
	t.Parallel()
	var got []string
	for _, obj := range objects(t, nil, credentials) {
		switch obj.(type) {
		case *monitoring.ServiceMonitor, *monitoring.PrometheusRule, *scaledObject, *corev1.ConfigMap:
			t.Errorf("%T is rendered unasked: it could break an installation that lacks its operator", obj)
		}
		got = append(got, obj.GetName())
	}
	if want := 6; len(got) != want {
		t.Errorf("got %d objects (%v), want %d: Deployment, Secret, Service, ServiceAccount, PodDisruptionBudget, NetworkPolicy", len(got), got, want)
	}
}

// metadata are the addresses at which clouds hand out credentials of a node.
var metadata = []string{"169.254.0.0/16", "100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32",
	"fe80::/10", "fd00:ec2::/32", "fd20:ce::254/128", "fd00:42::42/128", "fd00:a9fe:a9fe::1/128"}

// TestNetworkPolicyByDefault holds the policy that every installation gets:
// nobody comes in, and everything but metadata services can be reached.
func TestNetworkPolicyByDefault(t *testing.T) {
	t.Parallel()
	policy := only[*networkingv1.NetworkPolicy](t, objects(t, nil, credentials)).Spec
	if len(policy.PolicyTypes) != 2 || len(policy.Ingress) != 0 || len(policy.Egress) != 2 {
		t.Fatalf("got %+v, want no ingress, and DNS and one more rule for egress", policy)
	}
	rule := policy.Egress[1]
	if len(rule.Ports) != 0 || len(rule.To) != 3 || rule.To[0].NamespaceSelector == nil {
		t.Errorf("got %+v, want every port of the cluster's pods and of two address families", rule)
	}
	var except []string
	for _, peer := range rule.To[1:] {
		except = append(except, peer.IPBlock.Except...)
	}
	for _, want := range metadata {
		if !slices.Contains(except, want) {
			t.Errorf("%s is not excepted: %v", want, except)
		}
	}
	policy = only[*networkingv1.NetworkPolicy](t, objects(t, nil, credentials, "networkPolicy.monitoringNamespace=monitoring")).Spec
	if in := policy.Ingress; len(in) != 1 || len(in[0].From) != 1 || in[0].Ports[0].Port.StrVal != "http" ||
		in[0].From[0].NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"] != "monitoring" {
		t.Errorf("got ingress %+v, want the http port from the namespace monitoring", in)
	}
	if got := every[*networkingv1.NetworkPolicy](objects(t, nil, credentials, "networkPolicy.enabled=false")); len(got) != 0 {
		t.Errorf("got %d policies, want none", len(got))
	}
}

func TestNetworkPolicyRestrictsEgress(t *testing.T) {
	t.Parallel()
	ports := func(rule networkingv1.NetworkPolicyEgressRule) (all []int) {
		for _, port := range rule.Ports {
			all = append(all, port.Port.IntValue())
		}
		return slices.Compact(all)
	}
	policy := only[*networkingv1.NetworkPolicy](t, objects(t, load(t, "testdata/network-policy.yaml")))
	if got := policy.Spec.PolicyTypes; len(got) != 2 {
		t.Errorf("got policy types %v, want both", got)
	}
	if in := policy.Spec.Ingress; len(in) != 1 || len(in[0].Ports) != 1 || in[0].Ports[0].Port.StrVal != "http" || len(in[0].From) != 1 {
		t.Errorf("got ingress %+v, want the http port from one namespace", in)
	}
	egress := policy.Spec.Egress
	want := [][]int{{53, 5353}, {9196}, {443}, {8080}}
	if len(egress) != len(want) {
		t.Fatalf("got %d egress rules, want %d", len(egress), len(want))
	}
	for i, rule := range egress {
		if got := ports(rule); !slices.Equal(got, want[i]) {
			t.Errorf("egress rule %d: got ports %v, want %v", i, got, want[i])
		}
		if len(rule.To) == 0 {
			t.Errorf("egress rule %d reaches everything", i)
		}
	}
	if got := egress[1].To[0].IPBlock.CIDR; got != "10.1.0.0/16" {
		t.Errorf("got brokers at %s", got)
	}
	if block := egress[2].To[0].IPBlock; block.CIDR != "0.0.0.0/0" || !slices.Contains(block.Except, "169.254.0.0/16") {
		t.Errorf("got HTTPS to %+v, want all but link-local addresses", block)
	}

	polling := only[*networkingv1.NetworkPolicy](t, objects(t, load(t, "testdata/network-policy-polling.yaml")))
	if got := len(polling.Spec.Egress); got != 2 {
		t.Errorf("polling: got %d egress rules, want DNS and HTTPS", got)
	}
	if got := len(polling.Spec.Ingress); got != 0 {
		t.Errorf("polling: got %d ingress rules, want none", got)
	}
}

func TestScaling(t *testing.T) {
	t.Parallel()
	prometheus := only[*scaledObject](t, objects(t, load(t, "testdata/scaling-prometheus.yaml"))).Spec
	if prometheus.MinReplicaCount != 2 || prometheus.MaxReplicaCount != 6 {
		t.Errorf("got %d to %d replicas, want 2 to the 6 partitions", prometheus.MinReplicaCount, prometheus.MaxReplicaCount)
	}
	if query := prometheus.Triggers[0].Metadata["query"]; !strings.Contains(query, `port_agent_lag{namespace="port", job="agent-port-agent"}`) {
		t.Errorf("got query %s", query)
	}
	if got := *prometheus.Advanced.HorizontalPodAutoscalerConfig.Behavior.ScaleDown.StabilizationWindowSeconds; got != 600 {
		t.Errorf("got stabilization window %d", got)
	}

	all := objects(t, load(t, "testdata/scaling-kafka.yaml"))
	kafka := only[*scaledObject](t, all).Spec
	if len(kafka.Triggers) != 2 || kafka.MaxReplicaCount != 4 || kafka.MinReplicaCount != 0 {
		t.Fatalf("got %+v", kafka)
	}
	for i, topic := range []string{"own.runs", "org_123.change.log"} {
		meta := kafka.Triggers[i].Metadata
		want := map[string]string{"topic": topic, "consumerGroup": "org_123.agents", "sasl": "scram_sha512", "tls": "enable", "offsetResetPolicy": "latest", "lagThreshold": "50"}
		for key, value := range want {
			if meta[key] != value {
				t.Errorf("trigger %d: %s: got %q, want %q", i, key, meta[key], value)
			}
		}
		if ref := kafka.Triggers[i].AuthenticationRef; ref == nil || ref.Name != "agent-port-agent" {
			t.Errorf("trigger %d: got authentication %+v", i, ref)
		}
	}
	if refs := only[*triggerAuthentication](t, all).Spec.SecretTargetRef; len(refs) != 2 || refs[0].Name != "kafka-credentials" || refs[1].Parameter != "password" {
		t.Errorf("got secrets %+v", refs)
	}
}

func TestServiceMonitorFindsTheService(t *testing.T) {
	t.Parallel()
	all := objects(t, load(t, "testdata/watched.yaml"))
	monitor, service := only[*monitoring.ServiceMonitor](t, all), only[*corev1.Service](t, all)
	for key, value := range monitor.Spec.Selector.MatchLabels {
		if service.Labels[key] != value {
			t.Errorf("the ServiceMonitor selects %s=%s, the Service has %q", key, value, service.Labels[key])
		}
	}
	if got := monitor.Spec.Endpoints[0].Port; got != service.Spec.Ports[0].Name {
		t.Errorf("got port %q, want %q", got, service.Spec.Ports[0].Name)
	}
	if got := monitor.Spec.NamespaceSelector.MatchNames; len(got) != 1 || got[0] != service.Namespace {
		t.Errorf("got namespaces %v, want %s", got, service.Namespace)
	}
	if monitor.Namespace != "monitoring" || monitor.Labels["release"] != "prometheus" {
		t.Errorf("got namespace %s and labels %v", monitor.Namespace, monitor.Labels)
	}
	container := only[*appsv1.Deployment](t, all).Spec.Template.Spec.Containers[0]
	if got := service.Spec.Ports[0].TargetPort.StrVal; got != container.Ports[0].Name {
		t.Errorf("the Service targets %q, the container has %q", got, container.Ports[0].Name)
	}
}
