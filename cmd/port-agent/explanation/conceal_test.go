package explanation

import (
	"encoding/json"
	"reflect"
	"testing"

	"port-agent/agent"
	"port-agent/agent/event"
)

func TestConcealText(t *testing.T) {
	t.Parallel()
	c := newConcealer(false, []string{"from-the-environment"}, new(agent.Explanation))
	for text, want := range map[string]string{
		"https://ci.corp.example/a?b=c#d":                "https://ci.corp.example/a?b=c#d",
		"https://bot:pass@ci.corp.example/a@b":           "https://[redacted]@ci.corp.example/a@b",
		"see https://t0ken@h/x and http://a:b@h":         "see https://[redacted]@h/x and http://[redacted]@h",
		"https://h/x?api_key=12&n=1&sig=a%2Fb&code=7#f":  "https://h/x?api_key=[redacted]&n=1&sig=[redacted]&code=7#f",
		"mail to ada@corp.example, from-the-environment": "mail to ada@corp.example, [redacted]",
		"https://h/x?token=":                             "https://h/x?token=",
	} {
		if got := c.text(text); got != want {
			t.Errorf("text(%q) = %q, want %q", text, got, want)
		}
		if got := (concealer{}).text(text); got != text {
			t.Errorf("with secrets, text(%q) = %q", text, got)
		}
	}
}

func TestConcealValue(t *testing.T) {
	t.Parallel()
	c := newConcealer(false, []string{"hush-hush"}, &agent.Explanation{Secrets: []string{"battery staple"}})
	var v, want any
	for text, to := range map[string]any{
		`{"a":{"db_password":"x","passwords":["y",1,{"z":"w"}],"token":"","secret":null,"tokens":3},"key":"PROJ-1","code":"0"}`:                   &v,
		`{"a":{"db_password":"[redacted]","passwords":["[redacted]",1,{"z":"w"}],"token":"","secret":null,"tokens":3},"key":"PROJ-1","code":"0"}`: &want,
	} {
		if err := json.Unmarshal([]byte(text), to); err != nil {
			t.Fatal(err)
		}
	}
	if got := c.value(v); !reflect.DeepEqual(got, want) {
		t.Errorf("value = %v, want %v", got, want)
	}
	if got, want := c.value([]any{"a battery staple", "hush-hush", event.NotDecrypted}), []any{"a [redacted]", redacted, event.NotDecrypted}; !reflect.DeepEqual(got, want) {
		t.Errorf("value = %v, want %v", got, want)
	}
}
