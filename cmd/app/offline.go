package app

import (
	"errors"
	"os"
	"strings"
	"sync"
)

// ReadOffline reads the settings that are needed without Port and Kafka: those of
// the mapping, the pipeline and the requests to backends. It also reads credentials
// that are set, and requires none.
func ReadOffline() (Config, error) {
	var c Config
	errs := []error{read(&c.Port)}
	for _, p := range []part{&c.Transform, &c.Wire, &c.Invoker, &c.Agent, &c.Follow} {
		errs = append(errs, read(p), p.Validate())
	}
	return c, errors.Join(errs...)
}

var environment sync.Mutex

// OfflineFrom is ReadOffline for a given environment, such as that of a test case.
// Names that end in _FILE are ignored: such an environment is data and must not make
// the agent read files.
//
// envconfig reads the environment of the process, so OfflineFrom replaces that while
// it runs. Calls wait for each other. No other goroutine may read or change the
// environment meanwhile.
func OfflineFrom(environ []string) (Config, error) {
	environment.Lock()
	defer environment.Unlock()
	defer replaceEnv(os.Environ())
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
