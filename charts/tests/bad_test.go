package tests

import (
	"strings"
	"testing"
)

// TestBadValues holds every refusal to a sentence that says what to change.
func TestBadValues(t *testing.T) {
	t.Parallel()
	const org = ",env.normal.PORT_ORG_ID=org"
	tests := []struct {
		name   string
		values string
		set    string
		want   string
	}{
		{name: "no client id", set: "env.secret.PORT_CLIENT_SECRET=s", want: "env.secret.PORT_CLIENT_ID is empty"},
		{name: "no client secret", set: "env.secret.PORT_CLIENT_ID=i", want: "env.secret.PORT_CLIENT_SECRET is empty"},
		{name: "inline and existing secret", set: credentials + ",secret.useExistingSecret=true,secret.name=a", want: "env.secret.PORT_CLIENT_ID and secret.useExistingSecret are both set"},
		{name: "existing secret as text", set: credentials + ",secret.name=a", values: `secret: {useExistingSecret: "true"}`, want: "are both set"},
		{name: "polling in a group", set: credentials + ",env.normal.STREAMER_NAME=POLLING,env.normal.KAFKA_CONSUMER_GROUP_ID=g", want: `STREAMER_NAME is POLLING and KAFKA_CONSUMER_GROUP_ID is "g"`},
		{name: "unknown source", set: credentials + ",env.normal.STREAMER_NAME=KafkaToWebhookStreamer", want: `STREAMER_NAME is "KafkaToWebhookStreamer": it must be KAFKA or POLLING`},
		{name: "drain of nothing", set: credentials + ",env.normal.SHUTDOWN_TIMEOUT_SECONDS=0", want: "between 1 and 3600"},
		{name: "mapping is no JSON", set: credentials, values: `invocations: '[{"enabled": tru}]'`, want: "invocations is not valid JSON: invalid character"},
		{name: "mapping is an object", set: credentials, values: `invocations: '{"enabled": true}'`, want: "invocations must be a JSON array of rules"},
		{name: "mapping object of YAML", set: credentials, values: `invocations: {enabled: true}`, want: "invocations must be a JSON array of rules"},
		{name: "mapping object cut short", set: credentials, values: `invocations: '{"rules": ['`, want: "invocations is not valid JSON"},
		{name: "number that YAML rounds", set: credentials, values: `invocations: [{body: {ids: [1, 123456789012345678]}}]`, want: "invocations[0].body.ids[1] is a number of more than 15 digits"},
		{name: "key that YAML reads as a boolean", set: credentials, values: `invocations: [{body: {on: .a}}]`, want: "invocations[0].body has the key true: YAML reads y, yes and on as true"},
		{name: "no image", set: credentials, values: `image: {repository: ""}`, want: "image.repository is empty: build the image"},
		{name: "secret in octal", set: credentials, values: `env: {secret: {TOKEN: 0123456}}`, want: "env.secret.TOKEN is not text"},
		{name: "secret that YAML rounds", set: credentials, values: `env: {secret: {TOKEN: 123456789012345678}}`, want: "env.secret.TOKEN is not text"},
		{name: "secret that YAML reads as a boolean", set: credentials, values: `env: {secret: {TOKEN: yes}}`, want: "env.secret.TOKEN is not text"},
		{name: "secret that --set reads as a number", set: credentials + ",env.secret.TOKEN=123", want: "or use --set-string"},
		{name: "variable that YAML rounds", set: credentials, values: `env: {normal: {ACCOUNT: 123456789012345678}}`, want: "env.normal.ACCOUNT is a number of more than 15 digits"},
		{name: "secret's name with a space", set: credentials, values: `env: {secret: {"A B": x}}`, want: "env.secret.A B cannot be a variable's name"},
		{name: "secret's name of a GitLab group", set: credentials, values: `env: {secret: {"group/project": x}}`, want: "env.secret.group/project cannot be a variable's name"},
		{name: "variable's name with a digit in front", set: credentials, values: `env: {normal: {"7UP": x}}`, want: "env.normal.7UP cannot be a variable's name"},
		{name: "secret's name of dots", set: credentials, values: `env: {secret: {"..a": x}}`, want: "cannot be a variable's name"},
		{name: "mapping of the values and another path", set: credentials + ",env.normal.INVOCATIONS_PATH=/data/a.json", values: `invocations: '[]'`, want: "INVOCATIONS_PATH is /data/a.json, and the values give a mapping too"},
		{name: "mapping's path twice", set: credentials, values: "invocations: '[]'\nextraEnv: [{name: INVOCATIONS_PATH, value: a}]", want: "extraEnv sets INVOCATIONS_PATH, which is set already"},
		{name: "mapping of numbers", set: credentials, values: `controlThePayloadConfig: '[{}, 1]'`, want: "controlThePayloadConfig: rule 1 must be an object"},
		{name: "mapping of one text", set: credentials, values: `invocations: '["a"]'`, want: "invocations"},
		{name: "mapping list of texts", set: credentials, values: `invocations: [a]`, want: "/invocations/0"},
		{name: "mapping cut short", set: credentials, values: `invocations: '[{"enabled": true}'`, want: "invocations is not valid JSON"},
		{name: "two mappings", set: credentials, values: "invocations: '[]'\ncontrolThePayloadConfig: '[]'", want: "invocations and controlThePayloadConfig are both set"},
		{name: "mapping inline and in a ConfigMap", set: credentials, values: "invocations: '[]'\ninvocationsConfigMap: {name: a}", want: "invocations and invocationsConfigMap.name are both set"},
		{name: "mapping file inside the chart", set: credentials + ",controlThePayloadConfigFile=a.json", want: "--set-file invocations=FILE"},
		{name: "mapping too large", set: credentials, values: `invocations: '[{"a": "` + strings.Repeat("x", 1<<20) + `"}]'`, want: "a ConfigMap holds 1 MiB"},
		{name: "certificate missing", set: credentials + ",selfSignedCertificate.enabled=true", want: "selfSignedCertificate.enabled needs a PEM certificate"},
		{name: "certificate is a path", set: credentials + ",selfSignedCertificate.enabled=true,selfSignedCertificate.certificate=/ca.crt", want: "needs a PEM certificate"},
		{name: "certificate secret without a name", set: credentials + ",selfSignedCertificate.enabled=true,selfSignedCertificate.secret.useExistingSecret=true", want: "needs selfSignedCertificate.secret.name"},
		{name: "certificate twice", set: credentials + ",selfSignedCertificate.enabled=true,selfSignedCertificate.certificate=x,selfSignedCertificate.secret.useExistingSecret=true", want: "are both set: choose one"},
		{name: "grace period too short", set: credentials + ",terminationGracePeriodSeconds=45", want: "terminationGracePeriodSeconds is 45 and SHUTDOWN_TIMEOUT_SECONDS is 45"},
		{name: "drain longer than the grace period", set: credentials + ",terminationGracePeriodSeconds=60,env.normal.SHUTDOWN_TIMEOUT_SECONDS=90", want: "would be killed before the agent has finished"},
		{name: "drain is no number", set: credentials + ",env.normal.SHUTDOWN_TIMEOUT_SECONDS=1m", want: `SHUTDOWN_TIMEOUT_SECONDS is "1m"`},
		{name: "budget of none", set: credentials + ",podDisruptionBudget.maxUnavailable=0", want: "a node could never be drained"},
		{name: "budget of no percent", set: credentials, values: `podDisruptionBudget: {maxUnavailable: 0%}`, want: "a node could never be drained"},
		{name: "budget keeps the only replica", set: credentials + ",podDisruptionBudget.minAvailable=1", want: "minAvailable 1 of 1 replicas lets no pod be evicted"},
		{name: "budget keeps all", set: credentials + ",replicaCount=4", values: `podDisruptionBudget: {minAvailable: 100%}`, want: "minAvailable 100% of 4 replicas"},
		{name: "budget both ways", set: credentials + ",replicaCount=4,podDisruptionBudget.minAvailable=1,podDisruptionBudget.maxUnavailable=2", want: "choose one"},
		{name: "budget of nothing", set: credentials, values: `podDisruptionBudget: {maxUnavailable: null}`, want: "needs maxUnavailable or minAvailable"},
		{name: "KEDA and polling", set: credentials + org + ",keda.enabled=true,keda.partitions=2,env.normal.STREAMER_NAME=POLLING", want: "STREAMER_NAME is POLLING: switch one of them off"},
		{name: "KEDA without partitions", set: credentials + org + ",keda.enabled=true", want: "needs keda.partitions"},
		{name: "KEDA with idle replicas", set: credentials + org + ",keda.enabled=true,keda.partitions=2,keda.minReplicas=3", want: "keda.minReplicas is 3 and keda.partitions is 2"},
		{name: "KEDA without organisation", set: credentials + ",keda.enabled=true,keda.partitions=2", want: "needs env.normal.PORT_ORG_ID"},
		{name: "KEDA without Prometheus", set: credentials + org + ",keda.enabled=true,keda.partitions=2", want: "needs keda.prometheus.serverAddress"},
		{name: "KEDA to zero by its own metric", set: credentials + org + ",keda.enabled=true,keda.partitions=2,keda.minReplicas=0,keda.prometheus.serverAddress=http://p", want: "keda.minReplicas must be at least 1"},
		{name: "KEDA without brokers", set: credentials + org + ",keda.enabled=true,keda.partitions=2,keda.trigger=kafka", want: "needs keda.kafka.bootstrapServers"},
		{name: "KEDA without Kafka credentials", set: credentials + org + ",keda.enabled=true,keda.partitions=2,keda.trigger=kafka,keda.kafka.bootstrapServers=a:1", want: "KEDA cannot ask Port for the credentials"},
		{name: "KEDA with two Kafka credentials", set: credentials + org + ",keda.enabled=true,keda.partitions=2,keda.trigger=kafka,keda.kafka.bootstrapServers=a:1,keda.kafka.secretName=a,keda.kafka.authenticationRef=b", want: "are both set: choose one"},
		{name: "ServiceMonitor without Service", set: credentials + ",serviceMonitor.enabled=true,service.enabled=false", want: "serviceMonitor.enabled needs service.enabled"},
		{name: "alert that is not there", set: credentials + ",prometheusRule.enabled=true,prometheusRule.alerts.PortAgentLag.enabled=false", want: "prometheusRule.alerts.PortAgentLag is no alert of this chart; there are PortAgentEventsStuck"},
		{name: "address of the server", set: credentials + ",env.normal.HTTP_ADDR=:9000", want: "use http.port"},
		{name: "variable twice", set: credentials, values: `extraEnv: [{name: GITLAB_URL, value: a}]`, want: "extraEnv sets GITLAB_URL, which is set already"},
		{name: "unknown key", set: credentials + ",networkpolicy.enabled=true", want: "additional properties 'networkpolicy' not allowed"},
		{name: "unknown nested key", set: credentials + ",keda.maxReplicas=3", want: "additional properties 'maxReplicas' not allowed"},
		{name: "negative replicas", set: credentials + ",replicaCount=-1", want: "/replicaCount"},
		{name: "replicas in words", set: credentials, values: `replicaCount: two`, want: "/replicaCount"},
		{name: "object taken away", set: credentials, values: `networkPolicy: null`, want: "missing property 'networkPolicy'"},
		{name: "volume of the chart's name", set: credentials, values: `extraVolumes: [{name: mapping, emptyDir: {}}]`, want: `extraVolumes has a volume "mapping"`},
		{name: "mount over the mapping", set: credentials, values: "invocations: '[]'\nextraVolumes: [{name: a, emptyDir: {}}]\nextraVolumeMounts: [{name: a, mountPath: /etc/port-agent/mapping/}]", want: "mount at /etc/port-agent/mapping, where the mapping of the values is"},
		{name: "mount below the mapping", set: credentials, values: "invocations: '[]'\nextraVolumes: [{name: a, emptyDir: {}}]\nextraVolumeMounts: [{name: a, mountPath: /etc/port-agent/mapping/a}]", want: "mount at /etc/port-agent/mapping/a, inside the folder of the mapping"},
		{name: "two mounts in one place", set: credentials, values: "extraVolumes: [{name: a, emptyDir: {}}]\nextraVolumeMounts: [{name: a, mountPath: /a}, {name: a, mountPath: /a}]", want: "mount at /a, where another of them is"},
		{name: "unknown strategy", set: credentials + ",rolloutStrategy=Blue", want: "/rolloutStrategy"},
		{name: "list as a variable", set: credentials, values: `env: {normal: {EGRESS_ALLOW: [a, b]}}`, want: "/env/normal/EGRESS_ALLOW"},
		{name: "privileged port", set: credentials + ",http.port=80", want: "/http/port"},
		{name: "CIDR without a length", set: credentials + ",networkPolicy.kafka.cidrs[0]=10.0.0.1", want: "/networkPolicy/kafka/cidrs/0"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := render(parse(t, test.values), test.set)
			if err == nil {
				t.Fatalf("rendered, want an error with %q", test.want)
			}
			if got := err.Error(); !strings.Contains(got, test.want) {
				t.Errorf("got error %q, want one with %q", got, test.want)
			}
			if strings.Contains(err.Error(), "canary-secret") {
				t.Errorf("the error holds the secret: %v", err)
			}
		})
	}
}
