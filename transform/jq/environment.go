package jq

import (
	"strings"
	"time"
)

// Environment is what expressions share: the variables they see as env and $ENV,
// and what bounds them together. It may be used from many goroutines.
type Environment struct {
	values  map[string]any // never changed
	timeout time.Duration  // of one evaluation
	heavy   chan struct{}  // holds a value while a heavy evaluation runs
	regexes regexCache
}

// NewEnvironment takes the variables as os.Environ returns them, and how long one
// evaluation may take.
func NewEnvironment(environ []string, timeout time.Duration) *Environment {
	e := &Environment{timeout: timeout, values: make(map[string]any, len(environ)), heavy: make(chan struct{}, 1)}
	for _, kv := range environ {
		if name, value, ok := strings.Cut(kv, "="); ok && name != "" {
			e.values[name] = value
		}
	}
	return e
}
