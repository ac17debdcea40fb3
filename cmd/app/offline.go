package app

import (
	"errors"
	"os"
	"strings"
)

// ReadOffline reads the settings of what works without Port and without
// Kafka: the mapping, the pipeline and the requests to backends. Credentials
// are read where they are set, and none is required.
func ReadOffline() (Config, error) {
	var c Config
	errs := []error{read(&c.Port)}
	for _, p := range []part{&c.Transform, &c.Invoker, &c.Agent} {
		errs = append(errs, read(p), p.Validate())
	}
	return c, errors.Join(errs...)
}

// Secrets lists what of the settings and of the environment must not be shown.
func Secrets(cfg Config) []string {
	secrets := secretsOf(cfg)
	for _, v := range os.Environ() {
		if name, value, _ := strings.Cut(v, "="); endsSecret(name) {
			secrets = append(secrets, value)
		}
	}
	return secrets
}

// endsSecret knows the endings that keys, passwords and personal access tokens
// go by: SERVICE_KEY, DB_PWD, AZURE_DEVOPS_PAT.
func endsSecret(name string) bool {
	for _, end := range []string{"_KEY", "_PAT", "_PWD", "_PASS"} {
		if strings.HasSuffix(strings.ToUpper(name), end) {
			return true
		}
	}
	return false
}
