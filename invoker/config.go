package invoker

import (
	"errors"
	"fmt"
	"math"
)

// Config holds the settings of the package.
type Config struct {
	// Timeout is how long one attempt may take, in seconds, from its start to
	// the header of the answer, and then again for each pause while the body
	// comes. In all an attempt takes at most ten times as long.
	Timeout float64 `envconfig:"WEBHOOK_INVOKER_TIMEOUT" default:"30"`

	GitLabURL      string `envconfig:"GITLAB_URL" default:"https://gitlab.com/"`
	AzureDevOpsURL string `envconfig:"AZURE_DEVOPS_URL" default:"https://dev.azure.com"`
	GitHubAPIURL   string `envconfig:"GITHUB_API_URL" default:"https://api.github.com"`
	GitHubToken    Secret `envconfig:"GITHUB_TOKEN"`

	// The GitHub App takes the place of GitHubToken. Without an installation
	// id, the installation is looked up for each owner of a repository.
	GitHubAppID           string `envconfig:"GITHUB_APP_ID"`
	GitHubAppKey          Secret `envconfig:"GITHUB_APP_PRIVATE_KEY"`
	GitHubAppInstallation string `envconfig:"GITHUB_APP_INSTALLATION_ID"`

	// What reads pipelines. Each is sent to its own base URL and nowhere else;
	// AzurePAT also starts pipelines by the Runs API.
	JenkinsURL     string `envconfig:"JENKINS_URL"`
	JenkinsUserID  string `envconfig:"JENKINS_USER_ID"`
	JenkinsUser    string `envconfig:"JENKINS_USER"` // where JenkinsUserID is empty
	JenkinsToken   Secret `envconfig:"JENKINS_API_TOKEN"`
	GitLabToken    Secret `envconfig:"GITLAB_TOKEN"`
	AzureExtPAT    Secret `envconfig:"AZURE_DEVOPS_EXT_PAT"`
	AzureDevOpsPAT Secret `envconfig:"AZURE_DEVOPS_PAT"` // where AzureExtPAT is empty
}

// Validate names every setting that cannot be used.
func (c Config) Validate() error {
	var errs []error
	if !(c.Timeout > 0) || c.Timeout > math.MaxInt32 {
		errs = append(errs, fmt.Errorf("WEBHOOK_INVOKER_TIMEOUT: %v is not a number of seconds above 0", c.Timeout))
	}
	for _, v := range []struct{ name, value string }{
		{"GITLAB_URL", c.GitLabURL}, {"AZURE_DEVOPS_URL", c.AzureDevOpsURL}, {"GITHUB_API_URL", c.GitHubAPIURL}, {"JENKINS_URL", c.JenkinsURL},
	} {
		unset := v.name == "JENKINS_URL" && v.value == ""
		if _, err := NewCredential(v.value, nil); err != nil && !unset {
			errs = append(errs, fmt.Errorf("%s: not an http or https URL without user info and query", v.name))
		}
	}
	errs = append(errs, c.validateCredentials())
	return errors.Join(errs...)
}
