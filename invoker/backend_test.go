package invoker

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"testing"

	"port-agent/invoker/wire"
	"port-agent/invoker/wire/wiretest"
)

func TestChoose(t *testing.T) {
	t.Parallel()
	i := newInvoker(t, testConfig(), testDeps())
	azureURL := "https://dev.azure.com/acme/_apis/public/distributedtask/webhooks/deploy?api-version=6.0-preview"
	for _, tc := range []struct {
		name, rule, kind, url string
		ruleURL               *string
		want                  string
	}{
		{name: "webhook", kind: "WEBHOOK", url: "https://ci.test/hook", want: Webhook},
		{name: "no type", url: "https://ci.test/hook", want: Webhook},
		{name: "unknown type", kind: "SOMETHING", url: "https://ci.test/hook", want: Webhook},
		{name: "azure", kind: "AZURE_DEVOPS", want: AzureDevOps},
		{name: "azure as the docs spell it", kind: "AZURE-DEVOPS", want: AzureDevOps},
		{name: "azure by URL", kind: "WEBHOOK", url: azureURL, want: AzureDevOps},
		{name: "gitlab", kind: "GITLAB", want: GitLab},
		{name: "gitlab whatever the URL", kind: "GITLAB", ruleURL: &azureURL, want: GitLab},
		{name: "github", kind: "GITHUB", want: GitHub},
		{name: "jenkins by URL", url: "https://ci.test/jenkins/generic-webhook-trigger/invoke?token=t", want: Jenkins},
		{name: "jenkins with a slash", url: "https://ci.test/generic-webhook-trigger/invoke/", want: Jenkins},
		{name: "jenkins by the rule's URL", kind: "WEBHOOK", url: "https://x.test", ruleURL: ptr("http://j/generic-webhook-trigger/invoke"), want: Jenkins},
		{name: "not jenkins", url: "https://ci.test/generic-webhook-trigger/invoke/more", want: Webhook},
		{name: "port", url: "https://API.port.test:443/v1/blueprints/x/entities", want: PortAPI},
		{name: "port without TLS", url: "http://api.port.test/v1/x", want: Webhook},
		{name: "port on another port", url: "https://api.port.test:8443/v1/x", want: Webhook},
		{name: "the rule decides", rule: "jenkins", kind: "GITLAB", url: azureURL, want: Jenkins},
		{name: "the rule decides for webhook", rule: "WEBHOOK", url: azureURL, want: Webhook},
		{name: "azure by rule", rule: "AZURE-DEVOPS", want: AzureDevOps},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			target := Target{Method: ReadMethod(map[string]any{"type": tc.kind, "url": tc.url}), Rule: Override{Backend: tc.rule, URL: tc.ruleURL}}
			got, err := i.Choose(target)
			if err != nil || got != tc.want {
				t.Errorf("got %q, %v, want %q", got, err, tc.want)
			}
		})
	}
	if _, err := i.Choose(Target{Rule: Override{Backend: "TEAMCITY"}}); err == nil || !strings.Contains(err.Error(), "TEAMCITY") {
		t.Errorf("unknown backend: got %v", err)
	}
}

// checkAzure checks a signature as Azure DevOps does: sha1= and the HMAC-SHA1
// of the raw body in hex, nothing else.
func checkAzure(t *testing.T, seen wiretest.Exchange) {
	t.Helper()
	mac := hmac.New(sha1.New, []byte(testSigner))
	mac.Write(seen.Body)
	if got, want := seen.Header.Get(headerSignature), "sha1="+hex.EncodeToString(mac.Sum(nil)); got != want {
		t.Errorf("signature: got %s, want %s", got, want)
	}
	if got := seen.Header.Get(headerTimestamp); got != "" {
		t.Errorf("timestamp: got %s, want none", got)
	}
}

// acceptsJenkins checks a signature as the whitelist of the Generic Webhook
// Trigger plugin does: what follows the first "=", if there is one, against
// the HMAC of the raw body in hex, whatever its case, or in base64.
func acceptsJenkins(header string, body []byte) bool {
	if _, after, ok := strings.Cut(header, "="); ok {
		header = after
	}
	mac := hmac.New(sha1.New, []byte(testSigner))
	mac.Write(body)
	sum := mac.Sum(nil)
	return strings.EqualFold(header, hex.EncodeToString(sum)) || header == base64.StdEncoding.EncodeToString(sum)
}

func TestAzureDevOps(t *testing.T) {
	t.Parallel()
	s := wiretest.New(t, nil)
	cfg := testConfig()
	cfg.AzureDevOpsURL = s.URL + "/"
	i := newInvoker(t, cfg, testDeps())

	target := event(t, map[string]any{"type": "AZURE_DEVOPS", "org": "acme corp", "webhook": "deploy"}, nil)
	if _, err := i.Do(t.Context(), build(t, i, target)); err != nil {
		t.Fatal(err)
	}
	seen := s.Only(t)
	if got, want := seen.URI, "/acme%20corp/_apis/public/distributedtask/webhooks/deploy?api-version=6.0-preview"; got != want {
		t.Errorf("path: got %s, want %s", got, want)
	}
	if got, want := string(seen.Body), string(target.Event); got != want {
		t.Errorf("body: got %s, want %s", got, want)
	}
	checkAzure(t, seen)
}

func TestAzureDevOpsPayload(t *testing.T) {
	t.Parallel()
	s := wiretest.New(t, nil)
	i := newInvoker(t, testConfig(), testDeps())
	target := event(t, map[string]any{
		"type": "AZURE-DEVOPS", "url": s.URL + azurePath + "deploy",
		"payload": map[string]any{"branch": "<main>", "n": 12345678901},
	}, nil)
	if _, err := i.Do(t.Context(), build(t, i, target)); err != nil {
		t.Fatal(err)
	}
	seen := s.Only(t)
	if got, want := string(seen.Body), `{"branch":"<main>","n":12345678901}`; got != want {
		t.Errorf("body: got %s, want %s", got, want)
	}
	checkAzure(t, seen)
}

func TestJenkins(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, answer, wantID, wantLink, wantErr string
		status                                  int
	}{
		{
			name:   "triggered",
			answer: `{"jobs":{"deploy":{"regexpFilterExpression":"","triggered":true,"resolvedVariables":{},"regexpFilterText":"","id":185,"url":"queue/item/185/"}},"message":"Triggered jobs."}`,
			wantID: "185", wantLink: "/jenkins/queue/item/185/",
		},
		{
			name:   "one of two",
			answer: `{"jobs":{"a":{"triggered":false,"id":0,"url":""},"b":{"triggered":true,"id":7,"url":"queue/item/7/"}},"message":"Triggered jobs."}`,
			wantID: "7", wantLink: "/jenkins/queue/item/7/",
		},
		{name: "silent", answer: ""},
		{
			name:   "as old plugins answer",
			answer: `{"status":"ok","data":{"triggerResults":{"team/deploy":{"searchUrl":"","triggered":true,"id":6,"url":"queue/item/6/"}}}}`,
			wantID: "6", wantLink: "/jenkins/queue/item/6/",
		},
		{name: "dry run", answer: `{"jobs":{"a":{"triggered":true,"id":0,"url":""}},"message":"Triggered jobs."}`},
		{
			name:    "disabled",
			answer:  `{"jobs":{"deploy":{"triggered":false,"id":0,"url":null,"regexpFilterText":"","regexpFilterExpression":""}},"message":"Triggered jobs."}`,
			wantErr: "triggered no job: deploy: disabled or not accepted (jobs that answer silently are not listed and may run)",
		},
		{
			name:    "filtered, and an exception",
			answer:  `{"jobs":{"b":"Exception occurred (class x: y)","a":{"triggered":false,"id":0,"regexpFilterText":"dev\nx","regexpFilterExpression":"^main$"}}}`,
			wantErr: `triggered no job: a: its filter text "dev\nx" does not match the expression "^main$"; b: Exception occurred (class x: y) (jobs that answer silently are not listed and may run)`,
		},
		{name: "none", answer: `{"jobs":{},"message":"Did not find any jobs"}`, wantErr: "triggered no job: Did not find any jobs"},
		{name: "none, as old plugins say it", answer: `{"status":"ok","data":{"triggerResults":"Did not find any jobs!\n"}}`, wantErr: "triggered no job: Did not find any jobs!"},
		{name: "nothing behind the colon", answer: `{"jobs":{}}`, wantErr: "triggered no job: the answer names none"},
		{name: "something else", answer: `<html>Sign in</html>`, wantErr: "triggered no job: the answer is not the plugin's"},
		{name: "no job of that token", status: 404, answer: `{"jobs":null,"message":"Did not find any jobs with GenericTrigger configured!"}`,
			wantErr: `answered 404: {"jobs":null,"message":"Did not find any jobs with GenericTrigger configured!"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := wiretest.New(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Query().Get("token") != "query-canary" {
					w.WriteHeader(http.StatusNotFound)
				}
				w.WriteHeader(max(200, tc.status))
				_, _ = w.Write([]byte(tc.answer))
			})
			i := newInvoker(t, testConfig(), testDeps())
			target := hook(t, s.URL+"/jenkins/generic-webhook-trigger/invoke?token=query-canary")
			req := build(t, i, target)
			res, err := i.Do(t.Context(), req)
			seen := s.Only(t)
			if !acceptsJenkins(seen.Header.Get(headerSignature), seen.Body) {
				t.Errorf("the plugin would not accept the signature %q", seen.Header.Get(headerSignature))
			}
			if got, want := string(seen.Body), string(target.Event); got != want {
				t.Errorf("body: got %s, want %s", got, want)
			}
			if tc.wantErr != "" {
				want := "POST " + s.URL + "/jenkins/generic-webhook-trigger/invoke " + tc.wantErr
				if err == nil || err.Error() != want {
					t.Fatalf("error: got %v, want %s", err, want)
				}
				if retry, _ := Retryable(err, req, []int{200}); retry {
					t.Error("retryable: got true, want false")
				}
				if !Sent(err) || Uncertain(err) || res == nil {
					t.Errorf("got sent %t, uncertain %t, response %v", Sent(err), Uncertain(err), res)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if res.ExternalRunID != tc.wantID {
				t.Errorf("id: got %q, want %q", res.ExternalRunID, tc.wantID)
			}
			if got := strings.TrimPrefix(res.Link, s.URL); got != tc.wantLink {
				t.Errorf("link: got %q, want %q", got, tc.wantLink)
			}
		})
	}
}

func TestGitLab(t *testing.T) {
	t.Parallel()
	s := wiretest.New(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte(`{"id":90071992547409931,"web_url":"https://gitlab.test/acme/-/pipelines/9"}`))
	})
	cfg := testConfig()
	cfg.GitLabURL = s.URL
	i := newInvoker(t, cfg, testDeps())
	target := event(t, map[string]any{
		"type": "GITLAB", "groupName": "acme/platform", "projectName": "api", "defaultRef": "trunk",
		"pipelineVariables": map[string]any{"REGION": "eu", "N": 2},
	}, map[string]any{"name": "a<b", "n": 3, "on": true, "tags": []any{"x", 1}, "none": nil})
	req := build(t, i, target)
	res, err := i.Do(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	seen := s.Only(t)
	if got, want := seen.URI, "/api/v4/projects/acme%2Fplatform%2Fapi/trigger/pipeline"; got != want {
		t.Errorf("path: got %s, want %s", got, want)
	}
	want := `{"port_payload":` + string(target.Event) + `,"ref":"trunk","token":"` + testGitLab + `","variables":{"N":"2","REGION":"eu","n":"3","name":"a<b","none":"null","on":"true","tags":"[\"x\",1]"}}`
	if got := string(seen.Body); got != want {
		t.Errorf("body: got %s, want %s", got, want)
	}
	checkV1(t, seen)
	if got, want := res.Link+" "+res.ExternalRunID, "https://gitlab.test/acme/-/pipelines/9 90071992547409931"; got != want {
		t.Errorf("answer: got %s, want %s", got, want)
	}
}

func TestGitLabBody(t *testing.T) {
	t.Parallel()
	i := newInvoker(t, testConfig(), testDeps())
	for _, tc := range []struct {
		name               string
		method, properties map[string]any
		want               string
	}{
		{"the user's ref", map[string]any{"defaultRef": "trunk", "omitPayload": true}, map[string]any{"ref": "v1"}, `{"port_payload":{},"ref":"v1","token":"T","variables":{"ref":"v1"}}`},
		{"no ref", map[string]any{"omitPayload": true}, nil, `{"port_payload":{},"ref":"main","token":"T","variables":{}}`},
		{"no inputs", map[string]any{"omitPayload": "true", "omitUserInputs": true}, map[string]any{"a": 1}, `{"port_payload":{},"ref":"main","token":"T","variables":{}}`},
		{"variables of the method", map[string]any{"omitPayload": true, "omitUserInputs": true, "pipelineVariables": map[string]any{"V": "1"}},
			map[string]any{"a": 1}, `{"port_payload":{},"ref":"main","token":"T","variables":{"V":"1"}}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.method["type"], tc.method["groupName"], tc.method["projectName"] = "GITLAB", "acme/platform", "api"
			req := build(t, i, event(t, tc.method, tc.properties))
			want := strings.ReplaceAll(tc.want, `"T"`, `"`+testGitLab+`"`)
			if got := asJSON(t, req.Value()["body"]); got != want {
				t.Errorf("value: got %s, want %s", got, want)
			}
			res := Response{Response: wire.Response{Body: req.Body}}
			v, _ := res.JSON()
			if got := asJSON(t, v); got != want {
				t.Errorf("bytes: got %s, want %s", got, want)
			}
		})
	}
}

func TestGitLabDecrypted(t *testing.T) {
	t.Parallel()
	i := newInvoker(t, testConfig(), testDeps())
	target := event(t, map[string]any{"type": "GITLAB", "groupName": "acme/platform", "projectName": "api", "omitUserInputs": true}, map[string]any{"password": "cipher"})
	target.Root["payload"].(map[string]any)["properties"].(map[string]any)["password"] = "plain"
	target.Decrypted = true
	if got := string(build(t, i, target).Body); !strings.Contains(got, `"password":"plain"`) || strings.Contains(got, "cipher") {
		t.Errorf("body: got %s", got)
	}
}

func TestGitLabToken(t *testing.T) {
	t.Parallel()
	deps := testDeps()
	deps.Env = env(map[string]string{"g_a/b": "literal", "g_sub_y": "t"})
	g := gitLab{env: deps.Env}
	for _, tc := range []struct{ group, project, want, wantErr string }{
		{"g", "a/b", "literal", ""},
		{"g/sub", "y", "t", ""},
		{"g/sub", "x", "", "the environment variable g_sub_x, which holds the trigger token of g/sub/x, is not set"},
		{"", "x", "", "the invocation method lacks groupName"},
	} {
		got, err := g.token(&Target{Method: Method{Group: tc.group, Project: tc.project}})
		if got != tc.want || (err == nil) != (tc.wantErr == "") || err != nil && err.Error() != tc.wantErr {
			t.Errorf("%s/%s: got %q, %v, want %q, %q", tc.group, tc.project, got, err, tc.want, tc.wantErr)
		}
	}
}

func TestPortAPI(t *testing.T) {
	t.Parallel()
	s := wiretest.New(t, nil)
	deps := testDeps()
	deps.PortAPI = s.URL
	i := newInvoker(t, testConfig(), deps)
	target := event(t, map[string]any{"type": "WEBHOOK", "url": s.URL + "/v1/blueprints/x/entities", "body": map[string]any{"identifier": "a"}}, nil)
	if _, err := i.Do(t.Context(), build(t, i, target)); err != nil {
		t.Fatal(err)
	}
	seen := s.Only(t)
	if got, want := string(seen.Body), `{"identifier":"a"}`; got != want {
		t.Errorf("body: got %s, want %s", got, want)
	}
	if got, want := seen.Header.Get("Authorization"), "Bearer "+testToken; got != want {
		t.Errorf("authorization: got %q, want %q", got, want)
	}
	if got := seen.Header.Get(headerSignature); got != "" {
		t.Errorf("signature: got %q, want none", got)
	}
}

func TestPortAPIToken(t *testing.T) {
	t.Parallel()
	deps := testDeps()
	target := event(t, map[string]any{"url": "https://api.port.test/v1/x"}, nil)
	for _, tc := range []struct {
		token func(context.Context) (string, error)
		want  string
	}{
		{nil, "there is none"},
		{func(context.Context) (string, error) { return "", errors.New("port answered 401") }, "port answered 401"},
	} {
		deps.Token = tc.token
		i := newInvoker(t, testConfig(), deps)
		req := build(t, i, target)
		_, err := i.Do(t.Context(), req)
		want := "POST https://api.port.test/v1/x: get a token for Port's API: " + tc.want
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		if retry, _ := Retryable(err, req, nil); !retry || Sent(err) {
			t.Errorf("got retryable %t, sent %t, want true, false", retry, Sent(err))
		}
	}
}
