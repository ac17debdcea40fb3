package app

import "errors"

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
