package follow

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// Config holds the settings of the package. The credentials are settings of
// package invoker, which uses some of them for triggers too.
type Config struct {
	// Mode is auto or off. Off: no run is followed, whatever its rule says.
	Mode string `envconfig:"FOLLOW" default:"auto"`
	// TimeoutSeconds is how long a run is followed unless its rule says.
	TimeoutSeconds float64 `envconfig:"FOLLOW_TIMEOUT_SECONDS" default:"86400"`
	// MaxRuns bounds the runs followed at once, per partition.
	MaxRuns int `envconfig:"FOLLOW_MAX_RUNS" default:"400"`
}

// maxRuns keeps followed runs well below the 1,000 events that a partition
// may have unsettled at once.
const maxRuns = 900

// Validate names every setting that cannot be used.
func (c *Config) Validate() error {
	var errs []error
	if m := strings.ToLower(c.Mode); m != "auto" && m != "off" {
		errs = append(errs, fmt.Errorf("FOLLOW: %q is neither auto nor off", c.Mode))
	}
	if !(c.TimeoutSeconds >= 1) || c.TimeoutSeconds > math.MaxInt32 {
		errs = append(errs, fmt.Errorf("FOLLOW_TIMEOUT_SECONDS: %v is not a number of seconds from 1", c.TimeoutSeconds))
	}
	if c.MaxRuns < 1 || c.MaxRuns > maxRuns {
		errs = append(errs, fmt.Errorf("FOLLOW_MAX_RUNS: %d is not between 1 and %d", c.MaxRuns, maxRuns))
	}
	return errors.Join(errs...)
}

// Off reports whether nothing is followed.
func (c *Config) Off() bool { return strings.EqualFold(c.Mode, "off") }

// Timeout is how long a run is followed unless its rule says.
func (c *Config) Timeout() time.Duration {
	return time.Duration(c.TimeoutSeconds * float64(time.Second))
}
