// Package agent is the pipeline from an event to its report: decode and verify
// the record, pick the rule, build the request, invoke the backend, tell Port.
//
// It knows no Kafka and no route of Port's API: sources (agent/kafka,
// agent/polling) hand it events, and a Reporter (agent/port) carries its
// reports. It imports invoker and transform, and nothing of cmd.
package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/semaphore"

	"port-agent/agent/activity"
	"port-agent/agent/redact"
	"port-agent/invoker"
	"port-agent/invoker/follow"
	"port-agent/transform"
)

// Config is what the environment says of the pipeline.
type Config struct {
	MaxInFlight        int     `envconfig:"MAX_IN_FLIGHT" default:"512"`
	MaxInFlightPerHost int     `envconfig:"MAX_IN_FLIGHT_PER_HOST" default:"32"`
	OrderBy            string  `envconfig:"ORDER_BY" default:"entity"`
	OnInterrupted      string  `envconfig:"ON_INTERRUPTED" default:"fail"`
	OnNoMatch          string  `envconfig:"ON_NO_MATCH" default:"ignore"`
	OnUnvouched        string  `envconfig:"ON_UNVOUCHED" default:"skip"`
	RetryMaxSeconds    float64 `envconfig:"RETRY_MAX_SECONDS" default:"120"`
	RetryMaxAttempts   int     `envconfig:"RETRY_MAX_ATTEMPTS" default:"6"`
	MaxEventBytes      int     `envconfig:"MAX_EVENT_BYTES" default:"4194304"`
	MaxEventAgeSeconds float64 `envconfig:"MAX_EVENT_AGE_SECONDS"`
	DetailedLogging    bool    `envconfig:"DETAILED_LOGGING"`

	// DrainTimeout is how long an event that was started may take once the
	// context of Handle has ended. Its last tenth is for the report.
	DrainTimeout time.Duration `ignored:"true"`
	// FollowMaxRuns bounds the runs followed at once per partition, 0: no bound.
	FollowMaxRuns int `ignored:"true"`
}

// Validate names everything that is wrong with c.
func (c *Config) Validate() error {
	var errs []error
	fault := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	oneOf := func(name, value, a, b string) {
		if value != a && value != b {
			fault("%s: %q is neither %s nor %s", name, value, a, b)
		}
	}
	positive := func(name string, value int) {
		if value < 1 {
			fault("%s: %d is less than 1", name, value)
		}
	}
	seconds := func(name string, value float64) {
		if !(value >= 0) || value > math.MaxInt32 {
			fault("%s: %v is not a number of seconds from 0 on", name, value)
		}
	}
	positive("MAX_IN_FLIGHT", c.MaxInFlight)
	positive("MAX_IN_FLIGHT_PER_HOST", c.MaxInFlightPerHost)
	oneOf("ORDER_BY", c.OrderBy, "entity", "partition")
	oneOf("ON_INTERRUPTED", c.OnInterrupted, "fail", "retry")
	oneOf("ON_NO_MATCH", c.OnNoMatch, "ignore", "fail")
	oneOf("ON_UNVOUCHED", c.OnUnvouched, "skip", "invoke")
	seconds("RETRY_MAX_SECONDS", c.RetryMaxSeconds)
	positive("RETRY_MAX_ATTEMPTS", c.RetryMaxAttempts)
	positive("MAX_EVENT_BYTES", c.MaxEventBytes)
	seconds("MAX_EVENT_AGE_SECONDS", c.MaxEventAgeSeconds)
	return errors.Join(errs...)
}

// Invoker makes a request of an event's work and sends it. It is implemented by
// *invoker.Invoker, whose methods say what they promise.
type Invoker interface {
	Build(t invoker.Target) (*invoker.Request, error)
	Do(ctx context.Context, req *invoker.Request) (*invoker.Response, error)
}

var _ Invoker = (*invoker.Invoker)(nil)

// Deps is what the pipeline works with.
type Deps struct {
	Secret invoker.Secret // PORT_CLIENT_SECRET: signatures and encrypted fields
	// Mapping returns the mapping in force. It is called once for each event.
	Mapping  func() *transform.Mapping
	Invoker  Invoker
	Reporter Reporter
	Follower *follow.Follower
	Redactor *redact.Redactor
	// LogOutput is where log writes once it has redacted. Lines about an event
	// that has secrets of its own go there through a Redactor of the event.
	LogOutput io.Writer
	Metrics   *Metrics
	Activity  *activity.Log // what is done, for a status page; nil: one of the agent's own
}

// Agent takes events through the pipeline. Its methods may be called from many
// goroutines at once.
type Agent struct {
	cfg Config
	Deps
	log    zerolog.Logger
	signer *invoker.Signer
	slots  *slots
	order  *order
	recent *recent
	graces graces
	seldom map[string]zerolog.Sampler // of log lines, by kind: what may happen to thousands of events at once

	answers *semaphore.Weighted // memory for the answers that are kept

	polls   *slots // of looks at pipelines
	follows follows
}

// New makes an Agent. It starts nothing and makes no calls.
func New(cfg Config, deps Deps, log zerolog.Logger) *Agent {
	if deps.Activity == nil {
		deps.Activity = activity.New()
	}
	deps.Metrics.waiting = deps.Activity.Waiting
	return &Agent{
		cfg: cfg, Deps: deps, log: log,
		signer:  invoker.NewSigner(deps.Secret),
		slots:   newSlots(cfg.MaxInFlight, cfg.MaxInFlightPerHost),
		order:   newOrder(),
		answers: semaphore.NewWeighted(answerBudget),
		polls:   newSlots(pollSlots, pollsPerHost),
		follows: follows{n: map[seat]int{}},
		recent:  newRecent(),
		seldom:  map[string]zerolog.Sampler{EventReplayed: seldom(), EventUnvouched: seldom(), EventSettled: seldom()},
		graces:  graces{finish: cfg.DrainTimeout - cfg.DrainTimeout/reportShare, all: cfg.DrainTimeout},
	}
}

// seldomTime is for how long a second line of a kind is left out of the log.
// The metrics count every event.
const seldomTime = 30 * time.Second

func seldom() zerolog.Sampler { return &zerolog.BurstSampler{Burst: 1, Period: seldomTime} }
