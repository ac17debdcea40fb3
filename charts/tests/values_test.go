package tests

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// TestValueSets renders every file of testdata and checks what must hold
// whatever the values say.
func TestValueSets(t *testing.T) {
	t.Parallel()
	files := valueSets(t)
	if len(files) < 15 {
		t.Fatalf("got %d value sets, want at least 15", len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			t.Parallel()
			all := objects(t, load(t, file))
			checkNames(t, all)
			checkSelectors(t, all)
			checkPod(t, all)
			checkMounts(t, all)
			checkSecrets(t, all)
		})
	}
}

// checkNames holds names and labels to what the API server accepts.
func checkNames(t *testing.T, all []object) {
	t.Helper()
	seen := map[string]bool{}
	for _, obj := range all {
		id := fmt.Sprintf("%T/%s", obj, obj.GetName())
		if seen[id] {
			t.Errorf("%s is rendered twice", id)
		}
		seen[id] = true
		if errs := validation.IsDNS1123Subdomain(obj.GetName()); errs != nil {
			t.Errorf("%s: name: %v", id, errs)
		}
		if obj.GetNamespace() == "" {
			t.Errorf("%s has no namespace", id)
		}
		for key, value := range obj.GetLabels() {
			if errs := append(validation.IsQualifiedName(key), validation.IsValidLabelValue(value)...); errs != nil {
				t.Errorf("%s: label %s=%q: %v", id, key, value, errs)
			}
		}
	}
}

// checkSelectors holds every selector to the labels of the pods.
func checkSelectors(t *testing.T, all []object) {
	t.Helper()
	deployment := only[*appsv1.Deployment](t, all)
	labels := deployment.Spec.Template.Labels
	matches := func(what string, selector map[string]string) {
		if len(selector) == 0 {
			t.Errorf("%s selects everything", what)
		}
		for key, value := range selector {
			if labels[key] != value {
				t.Errorf("%s selects %s=%s, the pods have %q", what, key, value, labels[key])
			}
		}
	}
	matches("deployment", deployment.Spec.Selector.MatchLabels)
	for _, service := range every[*corev1.Service](all) {
		matches("service", service.Spec.Selector)
	}
	for _, budget := range every[*policyv1.PodDisruptionBudget](all) {
		matches("budget", budget.Spec.Selector.MatchLabels)
		if (budget.Spec.MinAvailable == nil) == (budget.Spec.MaxUnavailable == nil) {
			t.Error("the budget needs exactly one of minAvailable and maxUnavailable")
		}
	}
	for _, scaled := range every[*scaledObject](all) {
		if scaled.Spec.ScaleTargetRef.Name != deployment.Name {
			t.Errorf("the ScaledObject scales %q, want %q", scaled.Spec.ScaleTargetRef.Name, deployment.Name)
		}
		if deployment.Spec.Replicas != nil {
			t.Error("the Deployment sets replicas although KEDA does")
		}
	}
}

// checkPod holds what the pod promises to Kubernetes.
func checkPod(t *testing.T, all []object) {
	t.Helper()
	pod := only[*appsv1.Deployment](t, all).Spec.Template.Spec
	container := pod.Containers[0]
	if len(pod.InitContainers) != 0 || len(pod.Containers) != 1 {
		t.Errorf("got %d containers and %d init containers, want one and none", len(pod.Containers), len(pod.InitContainers))
	}
	if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken {
		t.Error("a service account token is mounted")
	}
	seen := map[string]bool{}
	for _, env := range container.Env {
		if seen[env.Name] {
			t.Errorf("%s is set twice", env.Name)
		}
		seen[env.Name] = true
		if errs := validation.IsEnvVarName(env.Name); errs != nil {
			t.Errorf("%s: %v", env.Name, errs)
		}
		if env.Value == "" && env.ValueFrom == nil {
			t.Errorf("%s is set to nothing", env.Name)
		}
		if env.Value != "" && strings.Contains(env.Value, "canary") {
			t.Errorf("%s holds a secret in the open", env.Name)
		}
		if strings.Contains(env.Value, "e+") {
			t.Errorf("%s is %q", env.Name, env.Value)
		}
	}
	for _, probe := range []*corev1.Probe{container.StartupProbe, container.LivenessProbe, container.ReadinessProbe} {
		if probe != nil && probe.HTTPGet.Port.StrVal != container.Ports[0].Name {
			t.Errorf("a probe asks port %v, the container has %q", probe.HTTPGet.Port, container.Ports[0].Name)
		}
	}
	for _, constraint := range pod.TopologySpreadConstraints {
		if constraint.LabelSelector == nil {
			t.Errorf("the spread over %s counts no pod", constraint.TopologyKey)
		}
	}
}

// checkMounts holds mounts to volumes, and volumes to the objects they name.
func checkMounts(t *testing.T, all []object) {
	t.Helper()
	pod := only[*appsv1.Deployment](t, all).Spec.Template.Spec
	var used, paths []string
	for _, mount := range pod.Containers[0].VolumeMounts {
		if slices.Contains(paths, mount.MountPath) {
			t.Errorf("two volumes are mounted at %s", mount.MountPath)
		}
		paths = append(paths, mount.MountPath)
		used = append(used, mount.Name)
	}
	for _, volume := range pod.Volumes {
		if !slices.Contains(used, volume.Name) {
			t.Errorf("volume %s is not mounted", volume.Name)
		}
		used = slices.DeleteFunc(used, func(name string) bool { return name == volume.Name })
		if volume.ConfigMap == nil {
			continue
		}
		for _, config := range every[*corev1.ConfigMap](all) {
			if config.Name != volume.ConfigMap.Name {
				continue
			}
			for _, item := range volume.ConfigMap.Items {
				if _, ok := config.Data[item.Key]; !ok {
					t.Errorf("ConfigMap %s has no key %s", config.Name, item.Key)
				}
			}
		}
	}
	if len(used) != 0 {
		t.Errorf("mounts without a volume: %v", used)
	}
}

// checkSecrets holds the variables that are read from a Secret of the chart
// to its keys.
func checkSecrets(t *testing.T, all []object) {
	t.Helper()
	secrets := map[string]*corev1.Secret{}
	for _, secret := range every[*corev1.Secret](all) {
		secrets[secret.Name] = secret
	}
	for _, env := range only[*appsv1.Deployment](t, all).Spec.Template.Spec.Containers[0].Env {
		if env.ValueFrom == nil || env.ValueFrom.SecretKeyRef == nil {
			continue
		}
		ref := env.ValueFrom.SecretKeyRef
		if secrets[ref.Name] == nil || len(secrets[ref.Name].Data[ref.Key]) == 0 {
			t.Errorf("%s reads key %s of Secret %s, which is not there", env.Name, ref.Key, ref.Name)
		}
	}
}
