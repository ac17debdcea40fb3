package agent

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"port-agent/agent/activity"
	"port-agent/agent/redact"
)

// A backend repeats a text in its answer, and the rule puts that into every
// field of the report. Words stay, byte for byte, wherever they come from;
// secrets go from everything that leaves the agent.
func TestWordsStayAndSecretsGo(t *testing.T) {
	t.Parallel()
	const decrypted = `hunter2 "quoted" <&> Zürich`
	basic := base64.StdEncoding.EncodeToString([]byte("bot:url-password-1"))
	quote := func(v string) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	tests := []struct {
		name, text string
		stays      bool
	}{
		{"value of a query parameter", "production", true},
		{"value of a header", "cluster-seven", true},
		{"idempotency key", "key-of-the-order", true},
		{"key that sorts", "by-creation-date", true},
		{"input", "shopping-cart", true},
		{"secret of another run", "secret-of-another-run", true},
		{"short secret inside of text", "a pin1 b", true},
		{"word of the agent", "redacted", true},
		{"client secret", testSecret, false},
		{"client secret in base64", base64.StdEncoding.EncodeToString([]byte(testSecret)), false},
		{"decrypted input", decrypted, false},
		{"decrypted input for a query", url.QueryEscape(decrypted), false},
		{"decrypted input for a path", url.PathEscape(decrypted), false},
		{"decrypted input in base64", base64.StdEncoding.EncodeToString([]byte("user:" + decrypted)), false},
		{"decrypted input in JSON", `{"p":` + quote(decrypted) + `}`, false},
		{"decrypted input in JSON in JSON", quote(quote(decrypted)), false},
		{"token in the query", "query-token-1", false},
		{"key in a header", "header-key-1", false},
		{"credentials without their scheme", "bearer-credentials-1", false},
		{"password of the URL", "url-password-1", false},
		{"password of the URL in base64", basic, false},
	}
	const rule = `[{"fieldsToDecryptPaths": ["payload.properties.password", "payload.properties.pin"],
		"query": {"environment": "\"production\"", "token": "\"query-token-1\"", "sort_key": "\"by-creation-date\""},
		"headers": {"X-Cluster": "\"cluster-seven\"", "X-Api-Key": "\"header-key-1\"", "Proxy-Authorization": "\"Bearer bearer-credentials-1\"",
			"Idempotency-Key": "\"key-of-the-order\""},
		"report": {"summary": "\"it said: \" + .response.json.v", "link": "\"https://x/#\" + .response.json.v", "externalRunId": ".response.json.v",
			"statusLabel": ".response.json.v"}}]`
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, rule, func(c *Config) { c.DetailedLogging = true })
			members := func(password string) []any {
				return []any{synchronized, true, "payload.properties.password", encrypted(t, password), "payload.properties.pin", encrypted(t, "pin1"),
					"payload.properties.service", "shopping-cart", "payload.action.invocationMethod.url", "https://bot:url-password-1@ci.internal/hook"}
			}
			body := `{ "v": ` + quote(tt.text) + ` }`
			f.backend.do = inTurn(accepts(200, `{"v":"x"}`), accepts(200, body), says(500, body, 0))
			f.settle(t, runEvent(t, "r_other", members("secret-of-another-run")...))
			f.settle(t, runEvent(t, "r_ok", members(decrypted)...))
			f.settle(t, runEvent(t, "r_fail", members(decrypted)...))

			_, fromHere, _ := strings.Cut(f.log.String(), `"run":"r_ok"`)
			shown := map[string]string{"run's log": strings.Join(f.port.messages("r_fail"), "\n"), "log": fromHere}
			for _, run := range []string{"r_ok", "r_fail"} {
				rep := f.port.report(t, run)
				shown["response of "+run] = string(rep.Response)
				shown["summary of "+run], shown["link of "+run] = rep.Summary, fmt.Sprint(rep.Link)
				shown["label of "+run], shown["id of "+run] = rep.StatusLabel, rep.ExternalRunID
			}
			for where, text := range shown {
				switch has := strings.Contains(text, tt.text) || strings.Contains(text, strings.Trim(quote(tt.text), `"`)); {
				case tt.stays && !has:
					t.Errorf("%s lacks %q: %s", where, tt.text, text)
				case !tt.stays && has:
					t.Errorf("%s shows %q: %s", where, tt.text, text)
				}
			}
			for _, where := range []string{"response of r_ok", "label of r_ok", "id of r_ok"} { // where a short secret would stand alone
				if tt.stays && strings.Contains(shown[where], redact.Mark) {
					t.Errorf("%s: %s", where, shown[where])
				}
			}
			if got := shown["response of r_ok"]; tt.stays && got != body {
				t.Errorf("response: got %s, want %s", got, body)
			}
			families, err := f.registry.Gather()
			if err != nil {
				t.Fatal(err)
			}
			if metrics := fmt.Sprint(families); !tt.stays && strings.Contains(metrics, tt.text) {
				t.Errorf("metrics show %q", tt.text)
			}
		})
	}
}

// A secret too short to be searched for inside of texts goes where it stands
// alone.
func TestShortSecretGoesWhereItStandsAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `[{"fieldsToDecryptPaths": ["payload.properties.pin"], "report": {"statusLabel": ".response.json.pin"}}]`)
	f.backend.do = accepts(200, `{"pin":"4711","count":47110}`)
	f.settle(t, runEvent(t, "r_1", synchronized, true, "payload.properties.pin", encrypted(t, "4711")))
	rep := f.port.report(t, "r_1")
	if got, want := string(rep.Response), `{"pin":"[redacted]","count":47110}`; got != want {
		t.Errorf("response: got %s, want %s", got, want)
	}
	if rep.StatusLabel != redact.Mark {
		t.Errorf("label: got %s, want it redacted", rep.StatusLabel)
	}
}

// A host that a secret input names is shown nowhere, the status page included.
func TestSecretHostIsNotShown(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `[{"fieldsToDecryptPaths": ["payload.properties.host"], "url": "\"https://\" + .payload.properties.host + \"/x\""}]`)
	f.Activity = activity.New()
	f.backend.do = says(500, "no", 0)
	f.settle(t, runEvent(t, "r_1", "payload.properties.host", encrypted(t, "secret-host.internal")))
	if got := f.backend.requests()[0].Host(); got != "secret-host.internal:443" {
		t.Fatalf("the request went to %s", got)
	}
	status, err := json.Marshal(f.Activity.Snapshot(10))
	if err != nil {
		t.Fatal(err)
	}
	for where, text := range map[string]string{
		"status": string(status), "log": f.log.String(), "run's log": strings.Join(f.port.messages("r_1"), "\n"), "report": fmt.Sprint(f.port.report(t, "r_1")),
	} {
		if strings.Contains(text, "secret-host") || !strings.Contains(text, redact.Mark) {
			t.Errorf("%s: want the host redacted: %s", where, text)
		}
	}
}
