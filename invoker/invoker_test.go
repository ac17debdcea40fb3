package invoker

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"os"
	"strings"
	"testing"

	"port-agent/invoker/wire"
)

const (
	maxAnswer = 1 << 20 // what is read of a body

	testSigner    = "s1gner-canary-0123456789abcdef"
	testToken     = "port-token-canary"
	testGitHub    = "github-token-canary"
	testGitLab    = "gitlab-token-canary"
	testUserAgent = "port-agent/test"
)

func testConfig() Config {
	return Config{
		Timeout: 10, GitHubToken: testGitHub,
		GitLabURL: "https://gitlab.com/", AzureDevOpsURL: "https://dev.azure.com", GitHubAPIURL: "https://api.github.com",
	}
}

func testDeps() Deps {
	return Deps{
		Signer:    testSigner,
		PortAPI:   "https://api.port.test",
		Token:     func(context.Context) (string, error) { return testToken, nil },
		Env:       env(map[string]string{"acme_platform_api": testGitLab}),
		UserAgent: testUserAgent,
	}
}

func env(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := vars[name]; return v, ok }
}

func newInvoker(t testing.TB, cfg Config, deps Deps) *Invoker {
	t.Helper()
	if deps.Wire == nil {
		deps.Wire = newWire(t)
	}
	i, err := New(cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func newWire(t testing.TB) *wire.Client {
	t.Helper()
	c, err := wire.New(wire.Config{VerifySSL: true}, env(nil))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// event is a target with an event of that invocation method and those user
// inputs.
func event(t testing.TB, invocationMethod, properties map[string]any) Target {
	t.Helper()
	root := map[string]any{
		"context": map[string]any{"runId": "r_1"},
		"payload": map[string]any{
			"action":     map[string]any{"identifier": "deploy", "invocationMethod": invocationMethod},
			"properties": properties,
		},
	}
	data, err := marshal(root)
	if err != nil {
		t.Fatal(err)
	}
	return Target{Key: "r_1", Event: data, Root: root, Method: ReadMethod(invocationMethod)}
}

func hook(t testing.TB, url string) Target {
	return event(t, map[string]any{"type": "WEBHOOK", "url": url}, map[string]any{"service": "a&b <c>"})
}

func build(t testing.TB, i *Invoker, target Target) *Request {
	t.Helper()
	req, err := i.Build(target)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// secrets fails the test where a text holds one of the canaries.
func checkSecrets(t testing.TB, what, text string) {
	t.Helper()
	for _, s := range []string{testSigner, testToken, testGitHub, testGitLab, "rule-canary", "query-canary", "password-canary"} {
		if strings.Contains(text, s) {
			t.Errorf("%s holds the secret %s: %s", what, s, text)
		}
	}
}

func ptr[T any](v T) *T { return &v }

func asJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestMain silences the standard logger, as the agent does: net/http quotes
// there what the servers of these tests send unasked.
func TestMain(m *testing.M) {
	log.SetOutput(io.Discard)
	os.Exit(m.Run())
}
