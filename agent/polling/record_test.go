package polling

import (
	"strings"
	"testing"
	"unicode/utf8"

	"port-agent/agent/event"
	"port-agent/agent/port"
)

func TestRecord(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		run     string
		body    string
		want    string
		wantErr string
	}{
		{
			name: "action run", run: "r_1",
			body: `{"type":"WEBHOOK","agent":true,"url":"https://a","headers":{"H":"v"},"body":{"z":1.50,"payload":{"action":{"identifier":"deploy","invocationMethod":{"old":1}},"entity":null},"context":{"runId":"other","entity":"e"},"a":"\u00e9","headers":{"X":"y"}}}`,
			want: `{"z":1.50,"payload":{"action":{"identifier":"deploy","invocationMethod":{"type":"WEBHOOK","agent":true,"url":"https://a","headers":{"H":"v"}}},"entity":null},"context":{"runId":"r_1","entity":"e"},"a":"\u00e9","headers":{"H":"v"}}`,
		},
		{
			name: "empty body", run: `r_"1`,
			body: `{"agent":true,"url":"https://a","body":{}}`,
			want: `{"headers":{},"payload":{"action":{"invocationMethod":{"agent":true,"url":"https://a"}}},"context":{"runId":"r_\"1"}}`,
		},
		{
			name: "nulls", run: "r_1",
			body: `{"agent":true,"headers":null,"body":{"payload":null,"context":null}}`,
			want: `{"payload":{"action":{"invocationMethod":{"agent":true,"headers":null}}},"context":{"runId":"r_1"},"headers":{}}`,
		},
		{
			name: "nothing", run: "r_1", body: ``,
			want: `{"headers":{},"payload":{"action":{"invocationMethod":{}}},"context":{"runId":"r_1"}}`,
		},
		{
			name: "node run", run: "wfnr_1",
			body: `{"type":"WEBHOOK","agent":true,"url":"https://a","headers":{"H":"v"},"body":{"b":1}}`,
			want: `{"headers":{"H":"v"},"payload":{"action":{"invocationMethod":{"type":"WEBHOOK","agent":true,"url":"https://a","headers":{"H":"v"},"body":{"b":1}}}},"context":{"runId":"wfnr_1","nodeConfig":{"type":"WEBHOOK","agent":true,"url":"https://a","headers":{"H":"v"},"body":{"b":1}}}}`,
		},
		{name: "body is a list", run: "r_1", body: `{"body":[1]}`, wantErr: "read the body: not an object"},
		{name: "body is a text", run: "r_1", body: `{"body":"x"}`, wantErr: "read the body: not an object"},
		{name: "payload is a text", run: "r_1", body: `{"body":{"payload":"x"}}`, wantErr: "read payload: not an object"},
		{name: "action is a list", run: "r_1", body: `{"body":{"payload":{"action":[]}}}`, wantErr: "read action: not an object"},
		{name: "payload is a list", run: "r_1", body: `[]`, wantErr: "read the invocation method: not an object"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := record(port.Claimed{ID: test.run, Body: []byte(test.body)})
			if test.wantErr != "" {
				if err == nil || err.Error() != test.wantErr {
					t.Errorf("got error %v, want %s", err, test.wantErr)
				}
				return
			}
			if err != nil || string(got) != test.want {
				t.Errorf("got %s and %v\nwant %s", got, err, test.want)
			}
		})
	}
}

// Whatever Port sends, a record that is made of it is one the agent can read.
func FuzzRecord(f *testing.F) {
	f.Add("r_1", []byte(`{"agent":true,"headers":{},"body":{"payload":{"action":{}},"context":{}}}`))
	f.Add("wfnr_1", []byte(`{"agent":"true","url":"https://a"}`))
	f.Add("", []byte(`{"body":{"\u0070ayload":1}}`))
	f.Add("\xff", []byte(`{"\ud800":1,"body":{"a\ud800":"\ud800"}}`))
	f.Fuzz(func(t *testing.T, id string, body []byte) {
		text, err := record(port.Claimed{ID: id, Body: body})
		if err != nil {
			return
		}
		msg, err := event.Decode(text)
		if err != nil {
			// The agent's own limits, on depth and on the length of integers.
			if strings.Contains(err.Error(), "nested deeper") || strings.Contains(err.Error(), "integer") {
				return
			}
			t.Fatalf("made %q of %q: %v", text, body, err)
		}
		context, _ := msg.Root["context"].(map[string]any)
		if got := context["runId"]; utf8.ValidString(id) && got != id {
			t.Errorf("run id: got %q, want %q", got, id)
		}
	})
}
