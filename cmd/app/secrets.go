package app

import (
	"strings"

	"port-agent/invoker"
)

// Secrets lists what of the settings and of the environment must not be shown.
// environ is the environment, as os.Environ returns it: mappings read their
// credentials from variables of any name.
func Secrets(cfg Config, environ []string) []string {
	i := cfg.Invoker
	secrets := []string{cfg.Port.ClientSecret.Reveal(), i.GitHubToken.Reveal(), i.GitHubAppKey.Reveal(), i.JenkinsToken.Reveal(),
		i.GitLabToken.Reveal(), i.AzureExtPAT.Reveal(), i.AzureDevOpsPAT.Reveal()}
	for _, v := range environ {
		if name, value, _ := strings.Cut(v, "="); invoker.NamesSecret(name) {
			secrets = append(secrets, value)
		}
	}
	return secrets
}
