package main

import (
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"port-agent/agent/port/porttest"
)

// canaries are secrets of every kind that an agent meets. None of them may
// appear in its log, its errors, its metrics or anything that Port is told.
var canaries = map[string]string{
	"PORT_CLIENT_SECRET":   testSecret,
	"decrypted field":      `canary-decrypted-"quoted"-<Zürich>&co`,
	"GitLab trigger token": "canary-gitlab-5f2e",
	"GITHUB_TOKEN":         "canary-github-77aa",
	"header from env":      "canary-authorization-31c0",
	"password in a URL":    "canary-url-password-9d",
	"token in a query":     "canary-query-token-e4",
	"GITLAB_TOKEN":         "canary-gitlab-read-60b",
	"JENKINS_API_TOKEN":    "canary-jenkins-8c13",
}

// accessToken is how the stand-in's tokens look.
var accessToken = regexp.MustCompile("token-[A-Z2-7]{26}")

// encrypt makes an encrypted field as Port does.
func encrypt(t *testing.T, plain string) string {
	t.Helper()
	block, err := aes.NewCipher([]byte(testSecret[:32]))
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCMWithNonceSize(block, 16)
	if err != nil {
		t.Fatal(err)
	}
	nonce := make([]byte, 16)
	rand.Read(nonce)
	return base64.StdEncoding.EncodeToString(gcm.Seal(nonce, nonce, []byte(plain), nil))
}

// echo is a backend that gives away whatever it was sent: in JSON, as text, in
// base64, escaped, in headers.
func echo(status int) func(http.ResponseWriter, *http.Request, string, int) {
	return func(w http.ResponseWriter, r *http.Request, run string, _ int) {
		secret := canaries["decrypted field"]
		if r.Header.Get("X-Api-Key") == "" {
			secret = "the backend was sent none" // what it knows from elsewhere is its own
		}
		all := map[string]any{
			"headers": r.Header, "url": r.URL.String(), "query": r.URL.Query(), "auth": r.Header.Get("Authorization"),
			"field": secret, "in base64": base64.StdEncoding.EncodeToString([]byte("user:" + secret)), "escaped": url.QueryEscape(secret),
			"nested": fmt.Sprintf("%q", secret),
		}
		if strings.Contains(run, "gitlab") {
			all["token"] = canaries["GitLab trigger token"]
			all["id"], all["project_id"] = 1, 1 // of the pipeline
		}
		all["workflow_run_id"] = 1                                                                            // GitHub's
		all["jobs"] = map[string]any{"a": map[string]any{"triggered": true, "id": 1, "url": "queue/item/1/"}} // Jenkins's
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Echo", r.Header.Get("Authorization"))
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(all)
	}
}

// polled answers a poll of a pipeline that is followed, or returns false. It
// gives away the credential that it was asked with, and notes it in seen.
func polled(w http.ResponseWriter, r *http.Request, seen *sync.Map) bool {
	_, credential, basic := r.BasicAuth()
	if !basic {
		credential = cmp.Or(r.Header.Get("Private-Token"), strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	}
	all := map[string]any{"id": 1, "web_url": "https://ci.example/?t=" + credential, "html_url": "https://ci.example/?t=" + credential,
		"detailed_status": map[string]any{"label": "failed with " + credential}, "yaml_errors": credential, "display_title": credential,
		"name": credential, "conclusion": "failure", "result": "FAILURE", "number": 1, "fullDisplayName": "a with " + credential}
	switch {
	case strings.Contains(r.URL.Path, "/pipelines/"):
		all["status"] = "failed"
	case strings.Contains(r.URL.Path, "/actions/runs/"):
		all["status"] = "completed"
	case strings.HasPrefix(r.URL.Path, "/queue/item/"):
		all["executable"] = map[string]any{"url": "http://" + r.Host + "/job/a/1/"}
	case !strings.HasPrefix(r.URL.Path, "/job/a/1/"):
		return false
	}
	seen.Store(credential, true)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(all)
	return true
}

func TestNoSecretIsShown(t *testing.T) {
	t.Parallel()
	for _, detailed := range []string{"false", "true"} {
		t.Run("DETAILED_LOGGING="+detailed, func(t *testing.T) {
			t.Parallel()
			w, cred := newWorldWithLogin(t, 1)
			w.port.SetKafka(cred)
			var seen sync.Map // credentials of polls
			w.backend.on(func(rw http.ResponseWriter, r *http.Request, run string, nth int) {
				switch {
				case polled(rw, r, &seen):
				case strings.Contains(run, "fail"):
					echo(http.StatusInternalServerError)(rw, r, run, nth)
				case strings.Contains(run, "retry") && nth == 1:
					echo(http.StatusServiceUnavailable)(rw, r, run, nth)
				case strings.Contains(run, "redirect"):
					rw.Header().Set("Location", "http://user:"+canaries["password in a URL"]+"@127.0.0.1:1/?token="+canaries["token in a query"])
					rw.WriteHeader(http.StatusFound)
				default:
					echo(http.StatusOK)(rw, r, run, nth)
				}
			})
			events := canaryEvents(t, w)
			w.publish(events...)
			for _, junk := range []string{testSecret, `{"payload":"` + testSecret + `"}`, testSecret + `{`} {
				if err := w.kafka.Produce(t.Context(), w.runs(), 0, []byte(junk)); err != nil {
					t.Fatal(err)
				}
			}
			statusAddress := statusAddr(t)
			env := []string{"USING_LOCAL_PORT_INSTANCE=false", "KAFKA_CONSUMER_SECURITY_PROTOCOL=SASL_PLAINTEXT",
				"KAFKA_CONSUMER_AUTHENTICATION_MECHANISM=SCRAM-SHA-512", "DETAILED_LOGGING=" + detailed, "LOG_LEVEL=DEBUG",
				"GITLAB_URL=" + w.backend.URL + "/", "group_project=" + canaries["GitLab trigger token"],
				"GITHUB_API_URL=" + w.backend.URL, "GITHUB_TOKEN=" + canaries["GITHUB_TOKEN"],
				"GITLAB_TOKEN=" + canaries["GITLAB_TOKEN"], "JENKINS_URL=" + w.backend.URL, "JENKINS_USER_ID=bot",
				"JENKINS_API_TOKEN=" + canaries["JENKINS_API_TOKEN"], "STATUS_ADDR=" + statusAddress,
				"CI_TOKEN=" + canaries["header from env"], "HTTP_ADDR=127.0.0.1:0", canaryMapping(t)}
			agent := w.agent(env...)
			w.waitEnded(events)
			metrics := agent.get(t, "/metrics")
			page, status := fetch(t, "http://"+statusAddress+"/"), fetch(t, "http://"+statusAddress+"/status.json")
			if !strings.Contains(status, "r_fail") {
				t.Errorf("the status lacks a run: %s", status)
			}
			tail := w.tailOf(env, "-partition", "0", "-offset", "0", "-count", fmt.Sprint(len(events)), "-v")
			<-tail.done
			if text := tail.out.String(); !strings.Contains(text, "r_ok") {
				t.Errorf("tail lacks a run: %s", text)
			}
			agent.terminate()
			for _, name := range []string{"GITLAB_TOKEN", "GITHUB_TOKEN", "JENKINS_API_TOKEN"} {
				if _, ok := seen.Load(canaries[name]); !ok {
					t.Errorf("nothing was followed with %s", name)
				}
			}

			shown := map[string]string{"log": agent.out.String(), "metrics": metrics, "page": page, "status": status, "tail": tail.out.String()}
			for _, e := range events {
				run, _ := w.port.Run(e.Run)
				text, err := json.Marshal(run)
				if err != nil {
					t.Fatal(err)
				}
				shown["run "+e.Run] = string(text)
			}
			secrets := map[string]string{"Kafka password": cred.Password}
			for name, secret := range canaries {
				secrets[name] = secret
			}
			for where, text := range shown {
				for name, secret := range secrets {
					for form, s := range formsOf(secret) {
						if strings.Contains(text, s) {
							t.Errorf("%s shows %s (%s): …%s…", where, name, form, around(text, s))
						}
					}
				}
				if accessToken.MatchString(text) {
					t.Errorf("%s shows an access token", where)
				}
			}
		})
	}
}

// canaryEvents take every path that carries a secret.
func canaryEvents(t *testing.T, w *world) []porttest.Event {
	properties := map[string]any{"secret": encrypt(t, canaries["decrypted field"])}
	withUser := strings.Replace(w.backend.URL, "http://", "http://user:"+canaries["password in a URL"]+"@", 1) + "/hook?token=" + canaries["token in a query"]
	gitlab := map[string]any{"projectName": "project", "groupName": "group", "defaultRef": "main"}
	github := map[string]any{"org": "o", "repo": "r", "workflow": "w.yml", "ref": "main"}
	return []porttest.Event{
		{Run: "r_ok", Synchronized: true, Properties: properties, URL: withUser},
		{Run: "r_fail", Synchronized: true, Properties: properties, URL: withUser},
		{Run: "r_retry", Synchronized: true, Properties: properties, URL: withUser},
		{Run: "r_redirect", Synchronized: true, Properties: properties, URL: withUser},
		{Run: "r_refused", Synchronized: true, Properties: properties, URL: strings.Replace(withUser, w.backend.Listener.Addr().String(), "127.0.0.1:1", 1)},
		{Run: "r_mapping", Action: "bad url", Synchronized: true, Properties: properties, URL: withUser},
		{Run: "r_tampered", Synchronized: true, Properties: map[string]any{"secret": "not" + properties["secret"].(string)}, URL: withUser},
		{Run: "r_gitlab_fail", Type: "GITLAB", Synchronized: true, Method: gitlab},
		{Run: "r_gitlab", Type: "GITLAB", Synchronized: true, Method: gitlab},
		{Run: "r_gitlab_followed", Type: "GITLAB", Method: gitlab},
		{Run: "r_github_followed", Type: "GITHUB", Method: github},
		{Run: "r_jenkins_followed", Properties: properties, URL: w.backend.URL + "/generic-webhook-trigger/invoke?token=" + canaries["token in a query"]},
		{Run: "r_github_fail", Type: "GITHUB", Synchronized: true, Method: github},
		{Run: "wfnr_fail", Synchronized: true, Properties: properties, URL: withUser},
	}
}

func canaryMapping(t *testing.T) string {
	headers := map[string]any{"Authorization": `"Bearer " + env.CI_TOKEN`, "X-Api-Key": `.payload.properties.secret`}
	report := map[string]any{"summary": `"said " + .response.text`, "link": `.response.json.url`, "externalRunId": `.response.json.auth`}
	return mapping(t,
		map[string]any{"enabled": `.payload.action.invocationMethod.type != "WEBHOOK"`},
		map[string]any{"enabled": `.action == "bad url"`, "url": `.payload.properties.secret`, "fieldsToDecryptPaths": []string{"payload.properties.secret"}},
		map[string]any{"enabled": true, "headers": headers, "report": report, "fieldsToDecryptPaths": []string{"payload.properties.secret"},
			"retry": map[string]any{"attempts": 2}},
	)
}

// formsOf are the forms in which a secret gives itself away.
func formsOf(s string) map[string]string {
	quote := func(s string, html bool) string {
		var b strings.Builder
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(html)
		_ = enc.Encode(s)
		return strings.TrimSuffix(b.String()[1:], "\"\n")
	}
	forms := map[string]string{
		"raw": s, "base64": strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(s)), "="),
		"base64url": base64.RawURLEncoding.EncodeToString([]byte(s)), "URL": url.QueryEscape(s), "path": url.PathEscape(s),
		"JSON": quote(s, false), "JSON with HTML escapes": quote(s, true),
		"JSON in JSON": quote(quote(s, false), false), "JSON in JSON with HTML escapes": quote(quote(s, true), true),
	}
	for shift, whole := range []int{0, 2, 3} { // behind something else, such as a user's name and a colon
		encoded := base64.RawStdEncoding.EncodeToString([]byte("::"[:shift] + s))
		forms[fmt.Sprint("base64, shifted by ", shift)] = encoded[whole : (shift+len(s))/3*4]
	}
	return forms
}

func around(text, s string) string {
	i := strings.Index(text, s)
	return text[max(0, i-60):min(len(text), i+len(s)+20)]
}

// get asks the agent's own server, whose address is in its log.
func (p *process) get(t *testing.T, path string) string {
	t.Helper()
	p.logged(`"address":"`)
	_, rest, _ := strings.Cut(p.out.String(), `"address":"`)
	address, _, _ := strings.Cut(rest, `"`)
	return fetch(t, "http://"+address+path)
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
