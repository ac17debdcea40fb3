package interop

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"port-agent/agent/port/porttest"
)

// verify checks a signature of ours with OpenSSL: HMAC-SHA256 over the
// timestamp, a dot and the body, in base64 behind "v1,".
const verify = `#!/bin/sh
want="v1,$(printf '%s.%s' "$TIMESTAMP" "$BODY" | openssl dgst -sha256 -hmac "$SECRET" -binary | openssl base64 -A)"
[ "$SIGNATURE" = "$want" ] && echo genuine || { echo "forged: want $want"; exit 1; }
`

// TestDebianWebhook sends signed requests to Debian's webhook server: its own
// rule checks the sha1= signature of Azure DevOps and Jenkins, and OpenSSL the
// sha256 one of webhooks.
func TestDebianWebhook(t *testing.T) {
	dir, port := t.TempDir(), freePort(t)
	script := write(t, dir, "verify", verify, 0o700)
	fromHeader := func(header, variable string) map[string]any {
		return map[string]any{"source": "header", "name": header, "envname": variable}
	}
	hooks, err := json.Marshal([]map[string]any{
		{
			"id": "sha1", "execute-command": "/bin/echo", "include-command-output-in-response": true,
			"pass-arguments-to-command":                []any{map[string]any{"source": "string", "name": "genuine"}},
			"trigger-rule-mismatch-http-response-code": 403,
			"trigger-rule": map[string]any{"match": map[string]any{
				"type": "payload-hmac-sha1", "secret": clientSecret, "parameter": map[string]any{"source": "header", "name": "X-Port-Signature"}}},
		},
		{
			"id": "sha256", "execute-command": script, "include-command-output-in-response": true,
			"pass-environment-to-command": []any{
				fromHeader("X-Port-Signature", "SIGNATURE"), fromHeader("X-Port-Timestamp", "TIMESTAMP"),
				map[string]any{"source": "raw-request-body", "envname": "BODY"},
				map[string]any{"source": "string", "name": clientSecret, "envname": "SECRET"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	log := &output{}
	server := exec.Command("webhook", "-ip", "127.0.0.1", "-port", fmt.Sprint(port), "-hooks", write(t, dir, "hooks.json", string(hooks), 0o600), "-verbose")
	server.Stdout, server.Stderr = log, log
	background(t, server)
	reachable(t, port, log)

	base := fmt.Sprintf(`"http://127.0.0.1:%d/hooks/`, port)
	w := start(t, []map[string]any{
		{"enabled": `.action == "azure"`, "backend": "AZURE_DEVOPS", "url": base + `sha1"`},
		{"enabled": `.action == "jenkins"`, "backend": "WEBHOOK", "url": base + `sha1"`}, // the other signature: must be refused
		{"enabled": `.action == "webhook"`, "url": base + `sha256"`},
	})
	for action, want := range map[string]string{"azure": "SUCCESS", "webhook": "SUCCESS", "jenkins": "FAILURE"} {
		run := w.run(porttest.Event{Run: "r_" + action, Action: action, Synchronized: true, Properties: map[string]any{"name": `é "quoted" </b> \ 😀`}})
		if run.Status != want {
			t.Errorf("%s ended with %s, want %s: %s %q\n%s", action, run.Status, want, run.Response, run.Messages(), log)
		}
		if got := string(run.Response); want == "SUCCESS" && !strings.Contains(got, "genuine") {
			t.Errorf("%s: got response %s, want genuine", action, got)
		}
	}
	w.noSecret("canary")
}
