package app

import "strings"

// Secrets lists what of the settings and of the environment must not be shown.
// environ is the environment, as os.Environ returns it. Mappings read their credentials from variables of any name, so those are
// told by what they are usually called.
func Secrets(cfg Config, environ []string) []string {
	secrets := []string{cfg.Port.ClientSecret.Reveal(), cfg.Invoker.GitHubToken.Reveal()}
	for _, v := range environ {
		if name, value, _ := strings.Cut(v, "="); namesSecret(strings.ToUpper(name)) {
			secrets = append(secrets, value)
		}
	}
	return secrets
}

// secretWords stand anywhere in the name of a variable that holds a secret,
// secretEndings at its end: DB_PWD, AZURE_DEVOPS_PAT.
var (
	secretWords   = []string{"TOKEN", "SECRET", "PASSWORD", "PASSWD", "API_KEY", "APIKEY", "PRIVATE_KEY", "CREDENTIAL"}
	secretEndings = []string{"_KEY", "_PAT", "_PWD", "_PASS"}
)

func namesSecret(name string) bool {
	for _, word := range secretWords {
		if strings.Contains(name, word) {
			return true
		}
	}
	for _, end := range secretEndings {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}
