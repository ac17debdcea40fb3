package tests

import (
	"strings"
	"testing"
)

func TestNotes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, values string
		want, not    []string
	}{
		{
			name: "defaults",
			want: []string{"installed as agent-port-agent in port", "Kafka, consumer group <organisation>.port-agent", "none: every event goes to the URL of its action", "rollout status deployment/agent-port-agent"},
			not:  []string{"WARNING", "NOTE"},
		},
		{
			name:   "polling with a mapping",
			values: "env: {normal: {STREAMER_NAME: POLLING}}\ncontrolThePayloadConfig: '[]'\nreplicaCount: 3",
			want:   []string{"Port's API, polled", "control_the_payload_config.json", "Replicas  3"},
			not:    []string{"consumer group"},
		},
		{
			name:   "scaled",
			values: "env: {normal: {PORT_ORG_ID: org}}\nkeda: {enabled: true, partitions: 4, minReplicas: 2, prometheus: {serverAddress: http://p}}",
			want:   []string{"consumer group org.port-agent", "2 to 4, by lag"},
		},
		{
			name:   "doubtful",
			values: "env: {normal: {PORT_CLIENT_SECRET: canary-secret, WEBHOOK_VERIFY_SSL: false, HTTPS_PROXY: http://proxy:3128}}\nnetworkPolicy: {restrictEgress: true}\nreplicaCount: 0",
			want:   []string{"PORT_CLIENT_SECRET is in env.normal", "WEBHOOK_VERIFY_SSL is false", "the policy blocks it", "no agent runs"},
			not:    []string{"canary"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			files, err := render(parse(t, test.values), credentials)
			if err != nil {
				t.Fatal(err)
			}
			notes := files["port-agent/templates/NOTES.txt"]
			for _, want := range test.want {
				if !strings.Contains(notes, want) {
					t.Errorf("the notes lack %q:\n%s", want, notes)
				}
			}
			for _, not := range test.not {
				if strings.Contains(notes, not) {
					t.Errorf("the notes hold %q:\n%s", not, notes)
				}
			}
		})
	}
}
