// Package kafka is the agent's source of events: it is a member of Port's
// consumer group, reads the partitions it is given, hands every record to the
// agent, and commits what is settled.
//
// It knows nothing of what a record says, of mappings or of Port's API. Only
// cmd imports it. Together with package batch, which takes its codecs, it is the
// only one that imports kafka-go.
//
// The path of a record: fetch, unpack (package batch), track (package ledger),
// handle, settle, commit. Commits go to the first unsettled event of a partition;
// what is settled or started beyond it travels in the commit's metadata.
package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"port-agent/agent"
	"port-agent/invoker"
)

const clientID = "port-agent"

// Handler handles one event. A nil error means that the event is settled. With
// any other, which it returns only after ctx has ended, the event is left to the
// partition's next owner. Each event has a goroutine of its own.
type Handler func(ctx context.Context, ev *agent.Event) error

// Credentials say how to connect to the cluster.
type Credentials struct {
	Brokers  []string
	Username string
	Password invoker.Secret
}

// Config holds the settings that are about Kafka.
type Config struct {
	Local            bool     `envconfig:"USING_LOCAL_PORT_INSTANCE"`
	Brokers          []string `envconfig:"KAFKA_CONSUMER_BOOTSTRAP_SERVERS"`
	GroupID          string   `envconfig:"KAFKA_CONSUMER_GROUP_ID"`
	SecurityProtocol string   `envconfig:"KAFKA_CONSUMER_SECURITY_PROTOCOL" default:"plaintext"`
	Mechanism        string   `envconfig:"KAFKA_CONSUMER_AUTHENTICATION_MECHANISM" default:"none"`
	SessionTimeoutMS int      `envconfig:"KAFKA_CONSUMER_SESSION_TIMEOUT_MS" default:"10000"`
	AutoOffsetReset  string   `envconfig:"KAFKA_CONSUMER_AUTO_OFFSET_RESET" default:"earliest"`
	RunsTopic        string   `envconfig:"KAFKA_RUNS_TOPIC"`
	ChangeLogTopic   string   `envconfig:"KAFKA_CHANGE_LOG_TOPIC"`
	Delivery         string   `envconfig:"DELIVERY" default:"exactly-once"`

	// DrainTimeout is how long a handler may take to return once its context
	// has ended. Other members of the group wait that long for a rebalance.
	DrainTimeout time.Duration `ignored:"true"`
	// MaxEventBytes is the size of the largest record that is read.
	MaxEventBytes int `ignored:"true"`
	// watchInterval is the time between two looks at topics and their ends.
	watchInterval time.Duration
}

// Values of DELIVERY.
const (
	exactlyOnce = "exactly-once"
	atLeastOnce = "at-least-once"
)

// Validate returns one error that lists every invalid setting.
func (c *Config) Validate() error {
	var errs []error
	fault := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Local && len(c.Brokers) == 0 {
		fault("KAFKA_CONSUMER_BOOTSTRAP_SERVERS is required where USING_LOCAL_PORT_INSTANCE is true")
	}
	if _, ok := securityProtocols[strings.ToUpper(c.SecurityProtocol)]; !ok {
		fault("KAFKA_CONSUMER_SECURITY_PROTOCOL: %q is none of plaintext, SSL, SASL_PLAINTEXT, SASL_SSL", c.SecurityProtocol)
	} else if _, ok := mechanisms[strings.ToUpper(c.Mechanism)]; !ok {
		fault("KAFKA_CONSUMER_AUTHENTICATION_MECHANISM: %q is none of none, PLAIN, SCRAM-SHA-256, SCRAM-SHA-512", c.Mechanism)
	} else if c.sasl() && strings.EqualFold(c.Mechanism, "none") {
		fault("KAFKA_CONSUMER_AUTHENTICATION_MECHANISM is required where KAFKA_CONSUMER_SECURITY_PROTOCOL is %s", c.SecurityProtocol)
	} else if c.sasl() && c.Local {
		fault("KAFKA_CONSUMER_SECURITY_PROTOCOL: %s needs credentials, and USING_LOCAL_PORT_INSTANCE asks Port for none", c.SecurityProtocol)
	}
	if c.SessionTimeoutMS < 1000 || c.SessionTimeoutMS > 1_800_000 {
		fault("KAFKA_CONSUMER_SESSION_TIMEOUT_MS: %d is not between 1000 and 1800000", c.SessionTimeoutMS)
	}
	if _, ok := offsetResets[strings.ToLower(c.AutoOffsetReset)]; !ok {
		fault("KAFKA_CONSUMER_AUTO_OFFSET_RESET: %q is none of earliest, smallest, beginning, latest, largest, end", c.AutoOffsetReset)
	}
	if c.Delivery != exactlyOnce && c.Delivery != atLeastOnce {
		fault("DELIVERY: %q is neither exactly-once nor at-least-once", c.Delivery)
	}
	return errors.Join(errs...)
}

// ForOrg returns c with group and topics named after the organisation where they
// are not set.
func (c Config) ForOrg(org string) Config {
	c.GroupID = cmp.Or(c.GroupID, org+".port-agent")
	c.RunsTopic = cmp.Or(c.RunsTopic, org+".runs")
	c.ChangeLogTopic = cmp.Or(c.ChangeLogTopic, org+".change.log")
	return c
}

func (c *Config) sessionTimeout() time.Duration {
	return time.Duration(c.SessionTimeoutMS) * time.Millisecond
}

func (c *Config) topics() []string { return []string{c.RunsTopic, c.ChangeLogTopic} }
