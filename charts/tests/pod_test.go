package tests

import (
	"encoding/json"
	"maps"
	"path"
	"strconv"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

func deployment(t *testing.T, values map[string]any, sets ...string) *appsv1.Deployment {
	t.Helper()
	return only[*appsv1.Deployment](t, objects(t, values, sets...))
}

// environment gives the variables of the pod; one from a Secret reads as
// "secret NAME/KEY".
func environment(d *appsv1.Deployment) map[string]string {
	env := map[string]string{}
	for _, v := range d.Spec.Template.Spec.Containers[0].Env {
		env[v.Name] = v.Value
		if v.ValueFrom != nil && v.ValueFrom.SecretKeyRef != nil {
			env[v.Name] = "secret " + v.ValueFrom.SecretKeyRef.Name + "/" + v.ValueFrom.SecretKeyRef.Key
		}
	}
	return env
}

func TestHardenedByDefault(t *testing.T) {
	t.Parallel()
	// The present chart's defaults are empty contexts: they must not soften ours.
	pod := deployment(t, load(t, "testdata/established-defaults.yaml")).Spec.Template.Spec
	if c := pod.SecurityContext; !*c.RunAsNonRoot || *c.RunAsUser != 65532 || c.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Errorf("got pod security context %+v", c)
	}
	c := pod.Containers[0].SecurityContext
	if *c.AllowPrivilegeEscalation || !*c.ReadOnlyRootFilesystem || len(c.Capabilities.Drop) != 1 || c.Capabilities.Drop[0] != "ALL" || c.Capabilities.Add != nil {
		t.Errorf("got container security context %+v", c)
	}
	if *pod.EnableServiceLinks {
		t.Error("the variables of every Service of the namespace are set")
	}
	if account := only[*corev1.ServiceAccount](t, objects(t, nil, credentials)); *account.AutomountServiceAccountToken {
		t.Error("the ServiceAccount mounts its token")
	}
}

func TestGracePeriodOutlastsTheDrain(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, values string
		want         int64
	}{
		{name: "default", want: 60},
		{name: "longer drain", values: `env: {normal: {SHUTDOWN_TIMEOUT_SECONDS: 120}}`, want: 135},
		{name: "fraction", values: `env: {normal: {SHUTDOWN_TIMEOUT_SECONDS: "1.5"}}`, want: 17},
		{name: "removed", values: `env: {normal: {SHUTDOWN_TIMEOUT_SECONDS: null}}`, want: 60},
		{name: "explicit", values: `terminationGracePeriodSeconds: 46`, want: 46},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := deployment(t, parse(t, test.values), credentials)
			if got := *d.Spec.Template.Spec.TerminationGracePeriodSeconds; got != test.want {
				t.Errorf("got %d s, want %d s", got, test.want)
			}
		})
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, values string
		want         map[string]string // "" where the variable must not be set
	}{
		{
			name: "defaults",
			want: map[string]string{
				"HTTP_ADDR": ":8080", "STREAMER_NAME": "KAFKA", "PORT_API_BASE_URL": "https://api.getport.io",
				"KAFKA_CONSUMER_AUTO_OFFSET_RESET": "largest", "GITLAB_URL": "https://gitlab.com/",
				"PORT_ORG_ID": "", "KAFKA_CONSUMER_GROUP_ID": "",
				"PORT_CLIENT_ID":     "secret agent-port-agent/PORT_CLIENT_ID",
				"PORT_CLIENT_SECRET": "secret agent-port-agent/PORT_CLIENT_SECRET",
				"GOMEMLIMIT":         strconv.Itoa(256 << 20 * 9 / 10),
			},
		},
		{
			name:   "numbers and switches",
			values: `env: {normal: {MAX_EVENT_BYTES: 16777216, WEBHOOK_INVOKER_TIMEOUT: 1.5, WEBHOOK_VERIFY_SSL: false, POLLING_BACKOFF_FACTOR: 2.0}}`,
			want:   map[string]string{"MAX_EVENT_BYTES": "16777216", "WEBHOOK_INVOKER_TIMEOUT": "1.5", "WEBHOOK_VERIFY_SSL": "false", "POLLING_BACKOFF_FACTOR": "2"},
		},
		{
			name:   "plain wins over secret",
			values: `env: {normal: {PORT_ORG_ID: plain}, secret: {PORT_ORG_ID: secret, GITLAB_URL: ""}}`,
			want:   map[string]string{"PORT_ORG_ID": "plain", "GITLAB_URL": "https://gitlab.com/"},
		},
		{
			name:   "secret where plain is empty",
			values: `env: {normal: {PORT_ORG_ID: ""}, secret: {PORT_ORG_ID: org}}`,
			want:   map[string]string{"PORT_ORG_ID": "secret agent-port-agent/PORT_ORG_ID"},
		},
		{name: "own memory limit", values: `env: {normal: {GOMEMLIMIT: 100MiB}}`, want: map[string]string{"GOMEMLIMIT": "100MiB"}},
		{name: "memory limit in decimal", values: `resources: {limits: {memory: 500M}}`, want: map[string]string{"GOMEMLIMIT": "450000000"}},
		{name: "memory limit as a number", values: `resources: {limits: {memory: 500000000}}`, want: map[string]string{"GOMEMLIMIT": ""}},
		{name: "no memory limit", values: `resources: {limits: {memory: null}}`, want: map[string]string{"GOMEMLIMIT": ""}},
		{name: "the mapping's former path", values: "env: {normal: {INVOCATIONS_PATH: /app/invocations.json}}\ninvocations: '[]'", want: map[string]string{"INVOCATIONS_PATH": "/etc/port-agent/mapping/invocations.json"}},
		{name: "own path without a mapping", values: "env: {normal: {INVOCATIONS_PATH: /data/a.json}}", want: map[string]string{"INVOCATIONS_PATH": "/data/a.json"}},
		{name: "port", values: `http: {port: 9000}`, want: map[string]string{"HTTP_ADDR": ":9000"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			env := environment(deployment(t, parse(t, test.values), credentials))
			for name, want := range test.want {
				if got := env[name]; got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
		})
	}
}

// TestSecretHoldsWhatWasWritten renders values that YAML or Helm could take for
// something else than text, and compares the bytes.
func TestSecretHoldsWhatWasWritten(t *testing.T) {
	t.Parallel()
	for _, want := range []string{
		"0123", "1e5", "1_000", "0x1F", "0o17", "123456789012345678901", "1:30", ".5", ".inf", "yes", "y", "on", "True", "null", "~",
		"2001-01-01", " padded ", "tail\n", "\n\n", "a\tb", "line\r\nline\r\n", "-----BEGIN KEY-----\nMIIE\n-----END KEY-----\n",
		"{{ .Values }}", "a: b", "# no comment", "- item", "'", "\"", "\\n", "%", "@x", "`x`", "&a", "*a", "!!int 3", "|", ">-",
		"é€😀", "\u0085", "\u2028", "\ufeffa", "\x00", "\x7f",
	} {
		all := objects(t, map[string]any{"env": map[string]any{"secret": map[string]any{
			"PORT_CLIENT_ID": "id", "PORT_CLIENT_SECRET": "canary-secret", "TOKEN": want, "my-group_sub.my-project": want}}})
		data := only[*corev1.Secret](t, all).Data
		for _, name := range []string{"TOKEN", "my-group_sub.my-project"} {
			if got := string(data[name]); got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
	}
}

func TestExistingSecret(t *testing.T) {
	t.Parallel()
	all := objects(t, load(t, "testdata/existing-secret.yaml"))
	if got := every[*corev1.Secret](all); len(got) != 0 {
		t.Errorf("rendered %d Secrets beside the existing one", len(got))
	}
	if got := every[*corev1.ServiceAccount](all); len(got) != 0 {
		t.Errorf("rendered %d ServiceAccounts beside the existing one", len(got))
	}
	pod := only[*appsv1.Deployment](t, all).Spec.Template.Spec
	if got := pod.Containers[0].EnvFrom; len(got) != 1 || got[0].SecretRef.Name != "port-credentials" {
		t.Errorf("got envFrom %+v", got)
	}
	if got := pod.ServiceAccountName; got != "port-agent-irsa" {
		t.Errorf("got account %q", got)
	}
	// Without a name it is the one that the release would have made.
	d := deployment(t, nil, "secret.useExistingSecret=true")
	if got := d.Spec.Template.Spec.Containers[0].EnvFrom[0].SecretRef.Name; got != "agent-port-agent" {
		t.Errorf("got Secret %q", got)
	}
}

// TestMapping looks where the mapping lies in the container and that its text
// arrives as it was given.
func TestMapping(t *testing.T) {
	t.Parallel()
	const text = "[\n  {\"enabled\": \".a > \\\"é\\\" and true\",\n\t\"id\": 12345678901234567890}\n]"
	tests := []struct {
		name, path string
		values     map[string]any
		want       string
	}{
		{name: "text", path: "/etc/port-agent/mapping/invocations.json", values: map[string]any{"invocations": text}, want: text},
		{name: "text under the old name", path: "/etc/port-agent/mapping/control_the_payload_config.json", values: map[string]any{"controlThePayloadConfig": "\n" + text + "\n\n"}, want: text},
		{name: "list", path: "/etc/port-agent/mapping/invocations.json", values: parse(t, `invocations: [{enabled: ".a > 1 and \"<&>\"", id: 12345678901}]`), want: `[{"enabled":".a > 1 and \"<&>\"","id":12345678901}]`},
		{name: "list under the old name", path: "/etc/port-agent/mapping/control_the_payload_config.json", values: parse(t, `controlThePayloadConfig: [{}]`), want: `[{}]`},
		{name: "byte order mark", path: "/etc/port-agent/mapping/invocations.json", values: map[string]any{"invocations": "\ufeff" + text}, want: text},
		{name: "CRLF", path: "/etc/port-agent/mapping/invocations.json", values: map[string]any{"invocations": strings.ReplaceAll(text, "\n", "\r\n") + "\r\n"}, want: strings.ReplaceAll(text, "\n", "\r\n")},
		{name: "object", path: "/etc/port-agent/mapping/invocations.json", values: map[string]any{"invocations": `{"$schema": "x", "rules": ` + text + `}`}, want: `{"$schema": "x", "rules": ` + text + `}`},
		{name: "object of YAML", path: "/etc/port-agent/mapping/invocations.json", values: parse(t, `invocations: {rules: [{name: "é"}]}`), want: `{"rules":[{"name":"é"}]}`},
		{name: "existing ConfigMap", path: "/etc/port-agent/mapping/invocations.json", values: parse(t, `invocationsConfigMap: {name: shared, key: a.json}`)},
		{name: "none"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			all := objects(t, test.values, credentials)
			pod := only[*appsv1.Deployment](t, all).Spec.Template.Spec
			mounts := pod.Containers[0].VolumeMounts
			if test.path == "" {
				if len(mounts) != 0 {
					t.Fatalf("got mounts %+v, want none", mounts)
				}
				return
			}
			// A file mounted alone, with subPath, never changes in a running pod.
			folder, file := path.Split(test.path)
			if len(mounts) != 1 || mounts[0].MountPath+"/" != folder || mounts[0].SubPath != "" || !mounts[0].ReadOnly {
				t.Errorf("got mounts %+v, want %s", mounts, folder)
			}
			if items := pod.Volumes[0].ConfigMap.Items; len(items) != 1 || items[0].Path != file {
				t.Errorf("got files %+v, want %s", items, file)
			}
			if got := environment(only[*appsv1.Deployment](t, all))["INVOCATIONS_PATH"]; got != test.path {
				t.Errorf("got INVOCATIONS_PATH %q, want %q", got, test.path)
			}
			configs := every[*corev1.ConfigMap](all)
			if test.want == "" {
				if ref := pod.Volumes[0].ConfigMap; len(configs) != 0 || ref.Name != "shared" || ref.Items[0].Key != "a.json" {
					t.Errorf("got volume %+v and %d ConfigMaps", ref, len(configs))
				}
				return
			}
			if got := configs[0].Data[file]; got != test.want || !json.Valid([]byte(got)) {
				t.Errorf("got mapping %q, want %q", got, test.want)
			}
		})
	}
}

func TestChecksumsRollOut(t *testing.T) {
	t.Parallel()
	checksums := func(sets ...string) map[string]string {
		return deployment(t, nil, append(sets, credentials)...).Spec.Template.Annotations
	}
	certificate := "selfSignedCertificate.enabled=true,selfSignedCertificate.certificate=-----BEGIN CERTIFICATE-----"
	base := checksums()
	tests := []struct{ name, set, changed string }{
		{"mapping", `invocations=[]`, "checksum/mapping"},
		{"mapping under the old name", `controlThePayloadConfig=[]`, "checksum/mapping"},
		{"another ConfigMap", `invocationsConfigMap.name=a`, "checksum/mapping"},
		{"secret", "env.secret.OTHER=a", "checksum/secret"},
		{"certificate", certificate, "checksum/certificate"},
		{"labels", "extraLabels.a=b", ""},
		{"plain variable", "env.normal.A=b", ""},
	}
	for _, test := range tests {
		got := checksums(test.set)
		for _, key := range []string{"checksum/mapping", "checksum/secret", "checksum/certificate"} {
			if changed := got[key] != base[key]; changed != (key == test.changed) {
				t.Errorf("%s: %s changed: %v", test.name, key, changed)
			}
		}
	}
	if maps.Equal(checksums(certificate), checksums(certificate+"2")) {
		t.Error("another certificate has the same checksums")
	}
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	d := deployment(t, load(t, "testdata/documented-several-certificates.yaml")).Spec.Template.Spec
	var paths []string
	for _, mount := range d.Containers[0].VolumeMounts {
		paths = append(paths, mount.MountPath)
	}
	if got, want := strings.Join(paths, " "), "/usr/local/share/ca-certificates/cert.crt /usr/local/share/ca-certificates/cert2.crt"; got != want {
		t.Errorf("got certificates %q, want %q", got, want)
	}
	if source := d.Volumes[0].Secret; source.SecretName != "primary-cert" || source.Items[0].Key != "ca.crt" || source.Items[0].Path != "cert.crt" {
		t.Errorf("got volume %+v", source)
	}
	all := objects(t, load(t, "testdata/documented-certificate.yaml"))
	for _, secret := range every[*corev1.Secret](all) {
		if secret.Name == "agent-port-agent-cert" && strings.HasPrefix(string(secret.Data["crt"]), "-----BEGIN CERTIFICATE-----") {
			return
		}
	}
	t.Error("the certificate is in no Secret")
}

func TestRollout(t *testing.T) {
	t.Parallel()
	rolling := deployment(t, nil, credentials).Spec.Strategy
	if rolling.RollingUpdate == nil || rolling.RollingUpdate.MaxUnavailable.IntValue() != 0 {
		t.Errorf("got strategy %+v: a mapping that does not load would stop the work", rolling)
	}
	recreate := deployment(t, nil, credentials, "rolloutStrategy=Recreate").Spec.Strategy
	if recreate.Type != appsv1.RecreateDeploymentStrategyType || recreate.RollingUpdate != nil {
		t.Errorf("got strategy %+v", recreate)
	}
}

// TestUpgradeInPlace holds what a cluster does not let an upgrade change, and
// what the present chart has left there, so that switching charts is one
// `helm upgrade`.
func TestUpgradeInPlace(t *testing.T) {
	t.Parallel()
	all := objects(t, load(t, "testdata/documented-certificate.yaml"))
	d := only[*appsv1.Deployment](t, all)
	want := map[string]string{"app.kubernetes.io/name": "port-agent", "app.kubernetes.io/instance": "agent"}
	if got := d.Spec.Selector.MatchLabels; d.Name != "agent-port-agent" || !maps.Equal(got, want) {
		t.Errorf("got Deployment %s with selector %v, want %v", d.Name, got, want)
	}
	types := map[string]corev1.SecretType{}
	for _, secret := range every[*corev1.Secret](all) {
		types[secret.Name] = secret.Type
	}
	if want := map[string]corev1.SecretType{"agent-port-agent": "opaque", "agent-port-agent-cert": "Opaque"}; !maps.Equal(types, want) {
		t.Errorf("got Secrets %v, want %v", types, want)
	}
	// The release name stands alone where it holds the chart's.
	for set, want := range map[string]string{"nameOverride=agent": "agent", "fullnameOverride=own": "own", "nameOverride=x": "agent-x"} {
		if got := deployment(t, nil, credentials, set).Name; got != want {
			t.Errorf("%s: got name %q, want %q", set, got, want)
		}
	}
}
