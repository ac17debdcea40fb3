package app

import (
	"errors"
	"os"
	"strings"
	"sync"
)

// ReadOffline reads the settings of what works without Port and without
// Kafka: the mapping, the pipeline and the requests to backends. Credentials
// are read where they are set, and none is required.
func ReadOffline() (Config, error) {
	var c Config
	errs := []error{read(&c.Port)}
	for _, p := range []part{&c.Transform, &c.Invoker, &c.Agent, &c.Follow} {
		errs = append(errs, read(p), p.Validate())
	}
	return c, errors.Join(errs...)
}

var environment sync.Mutex

// OfflineFrom is ReadOffline for an environment that is given in full, such as
// that of a test case. A name that ends in _FILE is ignored: such an
// environment is data and must not make the agent read files.
//
// The settings are read from the process's environment, so that is replaced
// while OfflineFrom runs. Calls wait for each other; no other goroutine may
// read or change the environment meanwhile.
func OfflineFrom(environ []string) (Config, error) {
	environment.Lock()
	defer environment.Unlock()
	own := os.Environ()
	defer replaceEnv(own)
	replaceEnv(environ)
	for _, v := range environ {
		if name, _, _ := strings.Cut(v, "="); strings.HasSuffix(name, "_FILE") {
			os.Unsetenv(name)
		}
	}
	return ReadOffline()
}

func replaceEnv(environ []string) {
	os.Clearenv()
	for _, v := range environ {
		name, value, _ := strings.Cut(v, "=")
		_ = os.Setenv(name, value) // refuses names that no variable can have
	}
}
