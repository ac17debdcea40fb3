package tests

import (
	"errors"
	"fmt"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// object is a rendered manifest in its own type.
type object interface {
	metav1.Object
}

// scaledObject and triggerAuthentication are what KEDA documents of the two
// kinds, as far as the chart uses it: its Go module would bring its operator.
// https://keda.sh/docs/latest/reference/scaledobject-spec/
type scaledObject struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		ScaleTargetRef struct {
			Name string `json:"name"`
		} `json:"scaleTargetRef"`
		MinReplicaCount int32 `json:"minReplicaCount"`
		MaxReplicaCount int32 `json:"maxReplicaCount"`
		PollingInterval int32 `json:"pollingInterval"`
		CooldownPeriod  int32 `json:"cooldownPeriod"`
		Advanced        *struct {
			HorizontalPodAutoscalerConfig struct {
				Behavior autoscalingv2.HorizontalPodAutoscalerBehavior `json:"behavior"`
			} `json:"horizontalPodAutoscalerConfig"`
		} `json:"advanced"`
		Triggers []struct {
			Type              string            `json:"type"`
			Metadata          map[string]string `json:"metadata"`
			AuthenticationRef *struct {
				Name string `json:"name"`
			} `json:"authenticationRef"`
		} `json:"triggers"`
	} `json:"spec"`
}

// https://keda.sh/docs/latest/concepts/authentication/
type triggerAuthentication struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		SecretTargetRef []struct {
			Parameter string `json:"parameter"`
			Name      string `json:"name"`
			Key       string `json:"key"`
		} `json:"secretTargetRef"`
	} `json:"spec"`
}

// kinds are all the kinds that the chart may render.
var kinds = map[string]func() object{
	"apps/v1 Deployment":                      func() object { return new(appsv1.Deployment) },
	"v1 ConfigMap":                            func() object { return new(corev1.ConfigMap) },
	"v1 Secret":                               func() object { return new(corev1.Secret) },
	"v1 Service":                              func() object { return new(corev1.Service) },
	"v1 ServiceAccount":                       func() object { return new(corev1.ServiceAccount) },
	"policy/v1 PodDisruptionBudget":           func() object { return new(policyv1.PodDisruptionBudget) },
	"networking.k8s.io/v1 NetworkPolicy":      func() object { return new(networkingv1.NetworkPolicy) },
	"monitoring.coreos.com/v1 ServiceMonitor": func() object { return new(monitoring.ServiceMonitor) },
	"monitoring.coreos.com/v1 PrometheusRule": func() object { return new(monitoring.PrometheusRule) },
	"keda.sh/v1alpha1 ScaledObject":           func() object { return new(scaledObject) },
	"keda.sh/v1alpha1 TriggerAuthentication":  func() object { return new(triggerAuthentication) },
}

// decode reads a manifest as the API server reads it with strict validation:
// no unknown field, none twice, names in their exact case.
func decode(doc []byte) (object, error) {
	data, err := yaml.YAMLToJSONStrict(doc)
	if err != nil {
		return nil, err
	}
	var meta metav1.TypeMeta
	if err := kjson.UnmarshalCaseSensitivePreserveInts(data, &meta); err != nil {
		return nil, err
	}
	kind := meta.APIVersion + " " + meta.Kind
	if kinds[kind] == nil {
		return nil, fmt.Errorf("the chart has no business with kind %q", kind)
	}
	obj := kinds[kind]()
	strict, err := kjson.UnmarshalStrict(data, obj)
	return obj, errors.Join(append(strict, err)...)
}

// only gives the one object of type T.
func only[T object](t *testing.T, all []object) T {
	t.Helper()
	found := every[T](all)
	if len(found) != 1 {
		t.Fatalf("got %d objects of type %T, want 1", len(found), *new(T))
	}
	return found[0]
}

func every[T object](all []object) []T {
	var found []T
	for _, obj := range all {
		if o, ok := obj.(T); ok {
			found = append(found, o)
		}
	}
	return found
}

func TestDecodeIsStrict(t *testing.T) {
	t.Parallel()
	head := "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n"
	for _, bad := range []string{"  selectors: {}\n", "  Selector: {}\n", "  type: A\n  type: B\n", "  ports: {}\n"} {
		if _, err := decode([]byte(head + bad)); err == nil {
			t.Errorf("decode accepted %q", bad)
		}
	}
	if _, err := decode([]byte(head + "  selector: {}\n")); err != nil {
		t.Errorf("decode refused a good Service: %v", err)
	}
}
