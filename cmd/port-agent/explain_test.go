package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// credentials are the variables that a developer's machine may have set and
// that would change what explain says.
var credentials = []string{"PORT_CLIENT_SECRET", "GITHUB_TOKEN", "GITHUB_API_URL", "GITLAB_URL", "AZURE_DEVOPS_URL",
	"PORT_API_BASE_URL", "INVOCATIONS_PATH", "CONTROL_THE_PAYLOAD_CONFIG_PATH", "ON_NO_MATCH", "STRICT_MAPPING", "MAX_EVENT_BYTES",
	"JENKINS_URL", "JENKINS_USER_ID", "JENKINS_USER", "JENKINS_API_TOKEN", "GITLAB_TOKEN", "AZURE_DEVOPS_EXT_PAT", "AZURE_DEVOPS_PAT",
	"GITHUB_APP_ID", "GITHUB_APP_PRIVATE_KEY", "GITHUB_APP_INSTALLATION_ID", "FOLLOW"}

// setEnv sets the environment of a test: vars, and of credentials no others.
func setEnv(t *testing.T, vars map[string]string) {
	t.Helper()
	for _, name := range credentials {
		t.Setenv(name, "") // puts back afterwards what was there
		os.Unsetenv(name)
	}
	for name, value := range vars {
		t.Setenv(name, value)
	}
}

// runCommand runs a command in process.
func runCommand(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = dispatch(args, &out, &errs)
	return code, out.String(), errs.String()
}

// explained runs explain -json and decodes what it prints.
func explained(t *testing.T, args ...string) (v map[string]any) {
	t.Helper()
	code, out, errs := runCommand(append([]string{"explain", "-json"}, args...)...)
	if code != exitOK || errs != "" {
		t.Fatalf("explain %q = %d, %s", args, code, errs)
	}
	readInto(t, "explanation", []byte(out), &v)
	return v
}

func readInto(t *testing.T, what string, data []byte, v any) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(v); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func readFile(t *testing.T, file string, v any) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	readInto(t, file, data, v)
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

func pretty(v any) string {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err.Error()
	}
	return string(b)
}

const examples = "../../examples"

// exampleDirs are the folders of the examples.
func exampleDirs(t *testing.T) []string {
	t.Helper()
	events, err := filepath.Glob(filepath.Join(examples, "*", "event.json"))
	if err != nil || len(events) < 16 {
		t.Fatalf("%d examples (%v), want 16 or more", len(events), err)
	}
	for i := range events {
		events[i] = filepath.Dir(events[i])
	}
	return events
}

// exampleEnv is the environment of an example.
func exampleEnv(t *testing.T, dir string) map[string]string {
	t.Helper()
	var vars map[string]string
	if file := filepath.Join(dir, "env.json"); exists(file) {
		readFile(t, file, &vars)
	}
	return vars
}

func exampleArgs(dir string) []string {
	args := []string{"-mapping", filepath.Join(dir, "invocations.json"), "-event", filepath.Join(dir, "event.json")}
	if file := filepath.Join(dir, "response.json"); exists(file) {
		args = append(args, "-response", file)
	}
	if file := filepath.Join(dir, "poll.json"); exists(file) {
		args = append(args, "-poll", file)
	}
	return args
}

func TestExplainExamples(t *testing.T) {
	for _, dir := range exampleDirs(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			vars := exampleEnv(t, dir)
			if vars == nil {
				vars = map[string]string{}
			}
			vars["PORT_CLIENT_SECRET"] = "a-dummy-secret-for-the-examples-only"
			setEnv(t, vars)
			got := explained(t, append(exampleArgs(dir), "-show-secrets")...)
			if w, _ := got["warnings"].([]any); len(w) > 0 {
				t.Errorf("warnings = %v, want none", w)
			}
			var request any
			readFile(t, filepath.Join(dir, "request.json"), &request)
			if !reflect.DeepEqual(got["request"], request) {
				t.Errorf("request = %s\nwant %s", pretty(got["request"]), pretty(request))
			}
			var report any
			if file := filepath.Join(dir, "report.json"); exists(file) {
				readFile(t, file, &report)
			} else if exists(filepath.Join(dir, "response.json")) {
				report = map[string]any{}
			}
			if !reflect.DeepEqual(got["report"], report) {
				t.Errorf("report = %s\nwant %s", pretty(got["report"]), pretty(report))
			}
			var poll any
			if file := filepath.Join(dir, "poll-report.json"); exists(file) {
				readFile(t, file, &poll)
			}
			if !reflect.DeepEqual(got["poll"], poll) {
				t.Errorf("poll report = %s\nwant %s", pretty(got["poll"]), pretty(poll))
			}
		})
	}
}

// corpusCase is one rule, one event, and what the rule makes of it.
type corpusCase struct {
	Name           string
	Mapping, Event json.RawMessage
	Enabled        bool
	Request        map[string]any
	Reports        map[string]map[string]any
}

// corpusEnv is the environment that the corpus was made in.
var corpusEnv = map[string]string{
	"TF_TOKEN": "tf-tok", "CIRCLE_CI_TOKEN": "cc-tok", "WINDMILL_TOKEN": "wm-tok", "OPSGENIE_API_KEY": "og-key",
	"ARGO_WORKFLOW_TOKEN": "argo-tok", "ARGO_WORKFLOW_HOST": "https://argo.example.com", "my-group_sub_my-project": "gl-tok",
}

// TestExplainCorpus asks explain about each rule and event of cases.json in
// the folder that MAPPING_CORPUS names. The corpus says what the rule alone
// gives; explain adds what backend and agent do where the rule is silent.
func TestExplainCorpus(t *testing.T) {
	dir := os.Getenv("MAPPING_CORPUS")
	if dir == "" {
		t.Skip("MAPPING_CORPUS is not set")
	}
	setEnv(t, corpusEnv)
	var corpus struct {
		Responses map[string]json.RawMessage
		Cases     []corpusCase
	}
	readFile(t, filepath.Join(dir, "cases.json"), &corpus)
	if len(corpus.Cases) == 0 {
		t.Fatal("the corpus has no cases")
	}
	files := t.TempDir()
	write := func(name string, data []byte) string {
		file := filepath.Join(files, name)
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	for name, r := range corpus.Responses {
		write(name, r)
	}
	for _, c := range corpus.Cases {
		t.Run(c.Name, func(t *testing.T) {
			mapping := write("mapping", slices.Concat([]byte("["), c.Mapping, []byte("]")))
			args := []string{"-mapping", mapping, "-event", write("event", c.Event), "-show-secrets"}
			got := explained(t, args...)
			if enabled := got["rule"] != nil; enabled != c.Enabled {
				t.Fatalf("rule = %v, want enabled %t; considered: %v", got["rule"], c.Enabled, got["considered"])
			}
			if !c.Enabled {
				return
			}
			request := got["request"].(map[string]any)
			c.checkRequest(t, request)
			for _, name := range slices.Sorted(maps.Keys(c.Reports)) {
				got := explained(t, append(args, "-response", filepath.Join(files, name))...)
				c.checkReport(t, name, got, request["url"] == nil)
			}
		})
	}
}

func (c corpusCase) checkRequest(t *testing.T, got map[string]any) {
	t.Helper()
	var rule map[string]any
	readInto(t, "rule", c.Mapping, &rule)
	want := c.Request
	if body, ok := want["body"].(map[string]any); ok {
		withoutSignature(body)
		withoutSignature(body["port_payload"])
	}
	for _, field := range []string{"url", "method", "headers", "query", "body"} {
		if _, ok := rule[field]; !ok && field != "headers" && field != "query" {
			continue // the backend's own
		}
		if !reflect.DeepEqual(got[field], want[field]) {
			t.Errorf("%s = %s\nwant %s", field, pretty(got[field]), pretty(want[field]))
		}
	}
}

// withoutSignature takes out of an event what Port adds when it signs and the
// agent removes before the mapping sees it: of a GITLAB action all headers.
func withoutSignature(event any) {
	m, _ := event.(map[string]any)
	if method := valueAt(m, "payload", "action", "invocationMethod"); valueAt(method, "type") == "GITLAB" {
		delete(m, "headers")
	}
	headers, _ := m["headers"].(map[string]any)
	delete(headers, "X-Port-Signature")
	delete(headers, "X-Port-Timestamp")
}

func valueAt(v any, path ...string) any {
	for _, name := range path {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

// checkReport looks for each field that the rule gives in what Port is told.
// Of a request that cannot be made Port is told that alone.
func (c corpusCase) checkReport(t *testing.T, response string, got map[string]any, failed bool) {
	t.Helper()
	report, _ := got["report"].(map[string]any)
	if failed && got["report"] != nil {
		return
	}
	for field, want := range c.Reports[response] {
		if want != nil && report[field] != want {
			t.Errorf("report for %s: %s = %v, want %v", response, field, report[field], want)
		}
	}
}

// TestExplainOddFiles tries files as editors and tools leave them.
func TestExplainOddFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"event":    "\ufeff{\"payload\":{\"action\":{\"invocationMethod\":{\"agent\":\"true\",\"url\":\"https://ci.internal\"}}}}\r\n",
		"mapping":  "\ufeff[{}]",
		"response": "\ufeff{\"statusCode\":204}",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	setEnv(t, map[string]string{"MAX_EVENT_BYTES": "20"})
	got := explained(t, "-mapping", filepath.Join(dir, "mapping"), "-event", filepath.Join(dir, "event"), "-response", filepath.Join(dir, "response"))
	if url := valueAt(got, "request", "url"); url != "https://ci.internal" {
		t.Errorf("request = %v, want one to https://ci.internal", got["request"])
	}
	if warnings := pretty(got["warnings"]); !strings.Contains(warnings, "larger than MAX_EVENT_BYTES (20)") {
		t.Errorf("warnings = %s, want one about the size", warnings)
	}
}
