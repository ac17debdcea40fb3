package transform

import "strings"

// environment is what expressions see as env and $ENV.
type environment struct {
	list []string // as os.Environ gives it
	set  map[string]bool
}

func newEnvironment(environ []string) *environment {
	e := &environment{list: environ, set: make(map[string]bool, len(environ))}
	for _, kv := range environ {
		if name, _, ok := strings.Cut(kv, "="); ok {
			e.set[name] = true
		}
	}
	return e
}

func (e *environment) load() []string { return e.list }
