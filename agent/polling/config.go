package polling

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Config is what the environment says of polling. Times are in seconds,
// fractions allowed.
type Config struct {
	Interval       float64 `envconfig:"POLLING_INTERVAL_SECONDS" default:"10"`
	BatchSize      int     `envconfig:"POLLING_RUNS_BATCH_SIZE" default:"100"`
	InitialBackoff float64 `envconfig:"POLLING_INITIAL_BACKOFF_SECONDS" default:"1"`
	MaxBackoff     float64 `envconfig:"POLLING_MAX_BACKOFF_SECONDS" default:"300"`
	BackoffFactor  float64 `envconfig:"POLLING_BACKOFF_FACTOR" default:"2"`
	BackoffJitter  float64 `envconfig:"POLLING_BACKOFF_JITTER_FACTOR" default:"0.1"`
	MaxFailure     float64 `envconfig:"POLLING_MAX_FAILURE_DURATION_SECONDS" default:"3600"`

	// Window is how many runs the agent works on at once, MAX_IN_FLIGHT.
	Window int `ignored:"true"`
	// Instance is the name by which an agent takes up what it had under way when
	// it was killed: two that run at once must not share one. The host's name,
	// which is the pod's, where empty.
	Instance string `ignored:"true"`
}

// Validate names everything that is wrong with c.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	duration := func(name string, v float64) {
		check(v >= 0 && v <= 1e6, "%s: %v is not a number of seconds", name, v)
	}
	duration("POLLING_INTERVAL_SECONDS", c.Interval)
	duration("POLLING_INITIAL_BACKOFF_SECONDS", c.InitialBackoff)
	duration("POLLING_MAX_BACKOFF_SECONDS", c.MaxBackoff)
	duration("POLLING_MAX_FAILURE_DURATION_SECONDS", c.MaxFailure)
	check(c.BatchSize >= 1, "POLLING_RUNS_BATCH_SIZE: %d is less than 1", c.BatchSize)
	check(c.BackoffFactor >= 1, "POLLING_BACKOFF_FACTOR: %v is less than 1", c.BackoffFactor)
	check(c.BackoffJitter >= 0, "POLLING_BACKOFF_JITTER_FACTOR: %v is negative", c.BackoffJitter)
	return errors.Join(errs...)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// failure is a time of failed polls, from the first to the last.
type failure struct {
	since   time.Time // zero: the last poll succeeded
	backoff float64   // seconds
}

// next is how long to wait after one more failed poll. It is false where
// polling has failed for longer than it may.
func (f *failure) next(cfg Config) (time.Duration, bool) {
	if f.since.IsZero() {
		f.since, f.backoff = time.Now(), cfg.InitialBackoff
	} else {
		f.backoff = min(f.backoff*cfg.BackoffFactor, cfg.MaxBackoff)
	}
	if time.Since(f.since) > seconds(cfg.MaxFailure) {
		return 0, false
	}
	return seconds(f.backoff * (1 + cfg.BackoffJitter*rand.Float64())), true
}
