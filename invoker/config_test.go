package invoker

import (
	"math"
	"strings"
	"testing"
)

func TestValidate(t *testing.T) {
	t.Parallel()
	if err := testConfig().Validate(); err != nil {
		t.Errorf("got %v, want none", err)
	}
	bad := Config{Timeout: -1, GitLabURL: "gitlab.com", AzureDevOpsURL: "ftp://x", GitHubAPIURL: "https://"}
	err := bad.Validate()
	if err == nil {
		t.Fatal("got none, want errors")
	}
	for _, want := range []string{"WEBHOOK_INVOKER_TIMEOUT: -1", "GITLAB_URL: ", "AZURE_DEVOPS_URL: ", "GITHUB_API_URL: "} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s in it", err, want)
		}
	}
	for _, seconds := range []float64{0, math.NaN(), math.Inf(1)} {
		cfg := testConfig()
		cfg.Timeout = seconds
		if cfg.Validate() == nil {
			t.Errorf("%v seconds: got none, want an error", seconds)
		}
	}
	if _, err := New(bad, testDeps()); err == nil {
		t.Error("New: got none, want an error")
	}
}
