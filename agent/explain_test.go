package agent

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"

	"port-agent/agent/event"
	"port-agent/invoker"
)

func recorded(res *invoker.Response) *Answer { return &Answer{res, res.Value()} }

// explainer explains with what f works with.
func explainer(f *fixture) *Explainer {
	return &Explainer{Secret: f.Secret, Mapping: f.Mapping(), Invoker: f.backend.Invoker, Follower: f.Follower, OnNoMatch: f.cfg.OnNoMatch}
}

const explainMapping = `[
	{"name": "not this", "enabled": ".action == \"other\""},
	{"name": "this", "url": ".payload.properties.url // \"https://ci.internal/hook\"", "headers": {"X-Key": ".payload.properties.password"},
	 "body": {"service": ".payload.properties.service"}, "fieldsToDecryptPaths": ["payload.properties.password"],
	 "report": {"link": ".response.json.url", "externalRunId": ".response.json.id", "status": ".response.json.status", "summary": ".response.json.text"}}
]`

// TestExplainTellsWhatHandleDoes takes events through the pipeline and through
// an explanation of it, and compares what goes out.
func TestExplainTellsWhatHandleDoes(t *testing.T) {
	t.Parallel()
	const method = "payload.action.invocationMethod"
	tests := []struct {
		name    string
		mapping string
		onNone  string
		members []any
		status  int
		body    string
	}{
		{name: "accepted", status: 200, body: `{"ok":true}`},
		{name: "accepted, synchronous", members: []any{synchronized, true}, status: 200, body: `{"ok":true}`},
		{name: "accepted, synchronous, text", members: []any{synchronized, true}, status: 200, body: "done"},
		{name: "accepted, synchronous, empty", members: []any{synchronized, true}, status: 204},
		{name: "refused", status: 400, body: "no such job"},
		{name: "refused, synchronous", members: []any{synchronized, "true"}, status: 422, body: `{"why":"full"}`},
		{name: "refused after retries", status: 503, body: "later"},
		{name: "redirected", status: 302, body: "moved"},
		{name: "rule reports", mapping: explainMapping, status: 201, body: `{"url":"https://ci.internal/7","id":7,"status":"success"}`},
		{name: "rule reports a failure", mapping: explainMapping, status: 200, body: `{"status":"FAILURE","text":"no"}`},
		{name: "rule leaves it open", mapping: explainMapping, members: []any{synchronized, true}, status: 200, body: `{"status":"IN_PROGRESS"}`},
		{name: "rule reports what Port does not know", mapping: explainMapping, status: 500, body: `{"status":"BROKEN"}`},
		{name: "encrypted", mapping: explainMapping, members: []any{"payload.properties.password", encrypted(t, "hush-hush")}, status: 200},
		{name: "not encrypted", mapping: explainMapping, members: []any{"payload.properties.password", "plain"}, status: 200},
		{name: "no URL", mapping: `[{"url": ".nothing"}]`, status: 200},
		{name: "not resolved", mapping: explainMapping, members: []any{"payload.properties.url", "https://{{ .host }}/"}, status: 200},
		{name: "no rule", mapping: `[{"enabled": false}]`, status: 200},
		{name: "no rule, to be reported", mapping: `[{"enabled": false}]`, onNone: "fail", status: 200},
		{name: "no token", members: []any{method + ".type", "GITLAB", method + ".groupName", "g", method + ".projectName", "p"}, status: 201},
		{name: "jenkins", members: []any{method + ".url", "https://ci.internal/generic-webhook-trigger/invoke"}, status: 200,
			body: `{"jobs":{"a":{"triggered":true,"id":5,"url":"queue/item/5/"}}}`},
		{name: "jenkins triggers nothing", members: []any{method + ".url", "https://ci.internal/generic-webhook-trigger/invoke"}, status: 200,
			body: `{"jobs":{"a":{"triggered":false}}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				if tt.mapping == "" {
					tt.mapping = builtIn
				}
				f := newFixture(t, tt.mapping, func(c *Config) {
					if tt.onNone != "" {
						c.OnNoMatch = tt.onNone
					}
				})
				f.backend.do = func(_ context.Context, req *invoker.Request) (*invoker.Response, error) {
					res := answered(tt.status, tt.body)
					return res, f.backend.Judge(req, res)
				}
				ev := runEvent(t, "r_1", tt.members...)
				record := slices.Clone(ev.Record)
				f.settle(t, ev)
				answer := recorded(answered(tt.status, tt.body))
				x, err := explainer(f).Explain(t.Context(), record, answer, false)
				if err != nil {
					t.Fatal(err)
				}
				compareRequest(t, x, f.backend.requests())
				compareReport(t, x, f.port.report(t, "r_1"))
			})
		})
	}
}

func compareRequest(t *testing.T, x *Explanation, sent []*invoker.Request) {
	t.Helper()
	if x.Signature != nil || !x.ForAgent {
		t.Errorf("signature = %v, for the agent %t; want a genuine event for it", x.Signature, x.ForAgent)
	}
	if explained := x.Request != nil && x.Err == nil; explained != (len(sent) > 0) {
		t.Fatalf("request explained: %t (%v), %d sent", explained, x.Err, len(sent))
	}
	if len(sent) == 0 {
		return
	}
	got, want := x.Request, sent[0]
	if x.Retried != (len(sent) > 1) {
		t.Errorf("Retried = %t, but %d were sent", x.Retried, len(sent))
	}
	if got.Method != want.Method || got.URL.String() != want.URL.String() || string(got.Body) != string(want.Body) || !reflect.DeepEqual(got.Header, want.Header) {
		t.Errorf("request = %s %s %v %s\nwant %s %s %v %s", got.Method, got.URL, got.Header, got.Body, want.Method, want.URL, want.Header, want.Body)
	}
}

func compareReport(t *testing.T, x *Explanation, want Report) {
	t.Helper()
	var got Report
	if x.Report != nil {
		got = *x.Report
		got.StatusCode = want.StatusCode // of an action run Port is not told of it
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("report = %+v\nwant %+v", got, want)
	}
}

func TestExplainWithoutSecret(t *testing.T) {
	t.Parallel()
	f := newFixture(t, explainMapping)
	e := explainer(f)
	e.Secret = ""
	ev := runEvent(t, "r_1", "payload.properties.password", encrypted(t, "hush-hush"))
	x, err := e.Explain(t.Context(), ev.Record, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	if !errors.Is(x.Signature, ErrUnchecked) || x.Err != nil || x.Request == nil || x.Report != nil {
		t.Fatalf("explanation = %+v, want a request, unchecked", x)
	}
	if got := x.Request.Header.Get("X-Key"); got != event.NotDecrypted {
		t.Errorf("X-Key = %q, want %q", got, event.NotDecrypted)
	}
	if want := []string{"payload.properties.password"}; !reflect.DeepEqual(x.Encrypted, want) {
		t.Errorf("Encrypted = %q, want %q", x.Encrypted, want)
	}
}

func TestExplainChange(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `[{"report": {"link": ".response.json.url"}}]`)
	x, err := explainer(f).Explain(t.Context(), changeEvent(t, "context.runId", "r_1").Record, recorded(answered(200, `{"url":"https://ci.internal"}`)), false)
	if err != nil {
		t.Fatal(err)
	}
	if !x.ChangeLog || x.Run != "" || x.Signature != nil {
		t.Errorf("change %t, run %q, signature %v; want a change without both", x.ChangeLog, x.Run, x.Signature)
	}
	if want := (Report{Link: "https://ci.internal"}); x.Report == nil || !reflect.DeepEqual(*x.Report, want) {
		t.Errorf("report = %+v, want what the rule gives", x.Report)
	}
}

func TestExplainOrderByThatFails(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `[{"orderBy": ".action.name"}]`)
	x, err := explainer(f).Explain(t.Context(), runEvent(t, "r_1").Record, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	if len(x.Warnings) != 1 || x.Warnings[0].Field != "orderBy" || x.Warnings[0].Expr != ".action.name" {
		t.Errorf("warnings = %+v, want one about orderBy", x.Warnings)
	}
}

func TestExplainRefusesWhatIsNoEvent(t *testing.T) {
	t.Parallel()
	f := newFixture(t, builtIn)
	for _, record := range []string{"", "[]", `{"a":1`, `{"a":1,"a":2}`} {
		if _, err := explainer(f).Explain(t.Context(), []byte(record), nil, false); !errors.Is(err, event.ErrMalformed) {
			t.Errorf("Explain(%q) = %v, want %v", record, err, event.ErrMalformed)
		}
	}
}
