package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"port-agent/agent/port/porttest"
)

// The story is the product's first impression: it comes out right, and it
// tells of every run.
func TestStory(t *testing.T) {
	keepEnvironment(t)
	var out, errs bytes.Buffer
	if code := run(nil, &out, &errs); code != 0 {
		t.Fatalf("exit code %d: %s\n%s", code, errs.String(), out.String())
	}
	for _, want := range []string{"r_async", "r_sync", "r_fail", "r_forged", "answered 500", "no answer yet", "https://buckets.example/42", "told nothing",
		"log    Following jenkins ", "Waiting for next available executor", "label  Queued", "label  Running: Build", "label  Running: Deploy",
		"label  Succeeded", `summary "smoke-tests #42 succeeded after 3 min 10 s"`, "label  Failed",
		`summary "release #42 failed after 3 min 10 s in stage Deploy: script returned exit code 1"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the story does not tell of %q:\n%s", want, out.String())
		}
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, quote, _ := strings.Cut(string(readme), "```text\n2. ")
	quote, _, found := strings.Cut(quote, "```")
	if !found || !strings.Contains(anyNumbers(out.String()), anyNumbers("2. "+quote)) {
		t.Errorf("README.md quotes\n2. %s\nbut the story is\n%s", quote, out.String())
	}
}

var changing = regexp.MustCompile(`127\.0\.0\.1:[0-9]+|[0-9.]+ ?(ms|s)\b`)

// anyNumbers makes ports and times the same.
func anyNumbers(s string) string { return changing.ReplaceAllString(s, "N") }

// A story that comes out wrong is said to be wrong.
func TestWrongStory(t *testing.T) {
	s, err := open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	var out bytes.Buffer
	for _, c := range chapters() {
		if c.status == "" {
			s.port.AddRun(c.event.Run) // told of what it should not know
		}
		if s.tell(&out, 1, c, c.event.At, nil) {
			t.Errorf("%s passes although nothing was invoked", c.event.Run)
		}
	}
}

func TestWrongArguments(t *testing.T) {
	t.Parallel()
	for arg, want := range map[string]struct {
		code int
		text string
	}{"-nonsense": {2, "-nonsense"}, "argument": {2, `unexpected argument "argument"`}, "-help": {0, ""}} {
		var out, errs bytes.Buffer
		if code := run([]string{arg}, &out, &errs); code != want.code || !strings.Contains(errs.String(), want.text) || !strings.Contains(errs.String(), "usage: sandbox") {
			t.Errorf("%s: exit code %d, %q; want %d, %q and the usage", arg, code, errs.String(), want.code, want.text)
		}
	}
}

func TestPublishFileNeedsBrokers(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	if code := run([]string{"-publish", "event.json"}, &out, &errs); code != 1 || !strings.Contains(errs.String(), "-brokers") {
		t.Errorf("exit code %d, %q; want 1 and a word about -brokers", code, errs.String())
	}
}

// keepEnvironment puts the settings back that the sandbox sets for its agent.
func keepEnvironment(t *testing.T) {
	s := &sandbox{port: porttest.NewServer(porttest.Config{Errorf: t.Errorf}), ci: startCI()}
	defer s.port.Close()
	defer s.ci.Close()
	for _, v := range s.environment() {
		t.Setenv(v[0], os.Getenv(v[0]))
	}
}
