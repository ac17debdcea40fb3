package transform

import "strings"

// environment is what the expressions of one mapping share: the variables they
// see as env and $ENV, and what bounds them together.
type environment struct {
	values  map[string]any // never changed
	heavy   chan struct{}  // holds a value while a heavy evaluation runs
	regexes regexCache
}

// newEnvironment takes the variables as os.Environ gives them.
func newEnvironment(environ []string) *environment {
	e := &environment{values: make(map[string]any, len(environ)), heavy: make(chan struct{}, 1)}
	for _, kv := range environ {
		if name, value, ok := strings.Cut(kv, "="); ok && name != "" {
			e.values[name] = value
		}
	}
	return e
}
