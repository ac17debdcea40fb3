package tests

import (
	"path/filepath"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// container is what the kubelet would make of the rendered pod: variables
// resolved, files in their places.
type container struct {
	env    []string
	files  map[string]string // by absolute path
	port   int32
	user   uint32
	probes map[string]*corev1.Probe
	grace  time.Duration
}

func newContainer(t *testing.T, all []object) container {
	t.Helper()
	pod := only[*appsv1.Deployment](t, all).Spec.Template.Spec
	spec := pod.Containers[0]
	if spec.Command != nil || spec.Args != nil || spec.EnvFrom != nil || spec.WorkingDir != "" {
		t.Fatalf("the container has %v %v %v %q, want the image's own command and folder", spec.Command, spec.Args, spec.EnvFrom, spec.WorkingDir)
	}
	c := container{
		files: map[string]string{},
		port:  spec.Ports[0].ContainerPort,
		user:  uint32(*pod.SecurityContext.RunAsUser),
		grace: time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second,
		probes: map[string]*corev1.Probe{
			"startup": spec.StartupProbe, "liveness": spec.LivenessProbe, "readiness": spec.ReadinessProbe,
		},
	}
	for _, v := range spec.Env {
		value := v.Value
		if v.ValueFrom != nil {
			value = content(t, all, v.ValueFrom.SecretKeyRef.Name, v.ValueFrom.SecretKeyRef.Key)
		}
		c.env = append(c.env, v.Name+"="+value)
	}
	for _, mount := range spec.VolumeMounts {
		for _, volume := range pod.Volumes {
			if volume.Name == mount.Name {
				c.mount(t, all, mount, volume)
			}
		}
	}
	return c
}

func (c container) mount(t *testing.T, all []object, mount corev1.VolumeMount, volume corev1.Volume) {
	t.Helper()
	var source string
	var items []corev1.KeyToPath
	switch {
	case volume.ConfigMap != nil:
		source, items = volume.ConfigMap.Name, volume.ConfigMap.Items
	case volume.Secret != nil:
		source, items = volume.Secret.SecretName, volume.Secret.Items
	}
	for _, item := range items {
		switch mount.SubPath {
		case "":
			c.files[filepath.Join(mount.MountPath, item.Path)] = content(t, all, source, item.Key)
		case item.Path:
			c.files[mount.MountPath] = content(t, all, source, item.Key)
		}
	}
}

// content gives a key of a rendered ConfigMap or Secret.
func content(t *testing.T, all []object, name, key string) string {
	t.Helper()
	for _, config := range every[*corev1.ConfigMap](all) {
		if value, ok := config.Data[key]; ok && config.Name == name {
			return value
		}
	}
	for _, secret := range every[*corev1.Secret](all) {
		if value, ok := secret.Data[key]; ok && secret.Name == name {
			return string(value)
		}
	}
	t.Fatalf("nothing rendered has key %s of %s", key, name)
	return ""
}
