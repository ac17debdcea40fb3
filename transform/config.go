package transform

import (
	"cmp"
	"fmt"
	"time"
)

// Config says where the mapping is and how its expressions are run.
type Config struct {
	// Path is the mapping file. LegacyPath, its older name, is used where
	// Path is empty. With neither, the usual places are searched: see File.
	Path       string `envconfig:"INVOCATIONS_PATH"`
	LegacyPath string `envconfig:"CONTROL_THE_PAYLOAD_CONFIG_PATH"`
	// Strict makes Request fail where an expression fails at run time, instead
	// of taking null for its value.
	Strict bool `envconfig:"STRICT_MAPPING"`
	// TimeoutMS is how many milliseconds one expression may take, 1 to 60,000.
	// The zero value stands for 1,000.
	TimeoutMS int `envconfig:"MAPPING_TIMEOUT_MS" default:"1000"`
}

const (
	defaultTimeoutMS = 1000
	maxTimeoutMS     = 60_000
)

// Validate returns an error for a setting out of its range.
func (c Config) Validate() error {
	if c.TimeoutMS < 1 || c.TimeoutMS > maxTimeoutMS {
		return fmt.Errorf("MAPPING_TIMEOUT_MS is %d: it must be between 1 and %d", c.TimeoutMS, maxTimeoutMS)
	}
	return nil
}

func (c Config) timeout() time.Duration {
	return time.Duration(cmp.Or(max(0, c.TimeoutMS), defaultTimeoutMS)) * time.Millisecond
}
