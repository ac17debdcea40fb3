package app

import (
	"strings"
	"sync"

	"port-agent/agent/redact"
	"port-agent/invoker"
)

// Secrets lists the values of settings and variables that must not be shown. environ
// is the environment, as os.Environ returns it: mappings read credentials from
// variables of any name.
func Secrets(cfg Config, environ []string) []string {
	var secrets []string
	for _, value := range secretSettings(&cfg) {
		secrets = append(secrets, value.Reveal())
	}
	for _, v := range environ {
		name, value, _ := strings.Cut(v, "=")
		if invoker.NamesSecret(name) && !strings.HasSuffix(name, fileSuffix) { // that is a path
			secrets = append(secrets, value)
		}
	}
	return secrets
}

// secretSettings returns the secret settings of cfg by their names.
func secretSettings(cfg *Config) map[string]invoker.Secret {
	secrets := make(map[string]invoker.Secret)
	for _, s := range settings(cfg.parts()...) {
		if s.value.Type() == secretType {
			secrets[s.name] = invoker.Secret(s.value.String())
		}
	}
	return secrets
}

// issued conceals secrets that the agent receives while it runs, such as tokens. It
// keeps the newest ones only, so that searching does not become slower over time.
type issued struct {
	redactor *redact.Redactor
	most     int

	mu     sync.Mutex
	forget []func() // oldest first
}

func (i *issued) conceal(secret string) {
	forget := i.redactor.Add(secret)
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.forget = append(i.forget, forget); len(i.forget) > i.most {
		i.forget[0]()
		i.forget = i.forget[1:]
	}
}
