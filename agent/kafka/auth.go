package kafka

import (
	"crypto/tls"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

const (
	dialTimeout = 10 * time.Second
	callTimeout = 5 * time.Second
	// metadataAge is how long the transport keeps topics, partitions and leaders.
	metadataAge = 2 * time.Second
	// idleTimeout closes idle connections before a broker or a proxy does: a closed
	// one is noticed only when it is used, and each costs a try. The watch over the
	// topics keeps one connection in use.
	idleTimeout = 3 * time.Second
)

type security struct{ tls, sasl bool }

var securityProtocols = map[string]security{
	"PLAINTEXT":      {},
	"SSL":            {tls: true},
	"SASL_PLAINTEXT": {sasl: true},
	"SASL_SSL":       {tls: true, sasl: true},
}

var mechanisms = map[string]func(user, password string) (sasl.Mechanism, error){
	"NONE": nil,
	"PLAIN": func(user, password string) (sasl.Mechanism, error) {
		return plain.Mechanism{Username: user, Password: password}, nil
	},
	"SCRAM-SHA-256": func(user, password string) (sasl.Mechanism, error) {
		return scram.Mechanism(scram.SHA256, user, password)
	},
	"SCRAM-SHA-512": func(user, password string) (sasl.Mechanism, error) {
		return scram.Mechanism(scram.SHA512, user, password)
	},
}

func (c *Config) sasl() bool { return securityProtocols[strings.ToUpper(c.SecurityProtocol)].sasl }

// cluster talks to one Kafka cluster with one set of credentials. It is safe for
// concurrent use.
type cluster struct {
	group     string
	brokers   []string
	maxEvent  int // bytes of the largest record whose value is read
	transport *kafka.Transport
	client    *kafka.Client
	// coordinator is the broker that coordinates the group, nil if it is not known.
	// kafka-go's own client looks it up before every commit; keeping it halves the
	// time that an event waits for its started mark.
	coordinator atomic.Pointer[int]
}

// connect makes no calls. Without a tlsConfig the system's certificate authorities
// are trusted.
func connect(cfg *Config, cred Credentials, tlsConfig *tls.Config) (*cluster, error) {
	sec := securityProtocols[strings.ToUpper(cfg.SecurityProtocol)]
	if !sec.tls {
		tlsConfig = nil
	} else if tlsConfig == nil {
		tlsConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	var mechanism sasl.Mechanism
	if sec.sasl {
		var err error
		if mechanism, err = mechanisms[strings.ToUpper(cfg.Mechanism)](cred.Username, cred.Password.Reveal()); err != nil {
			return nil, fmt.Errorf("prepare %s credentials: %w", cfg.Mechanism, err)
		}
	}
	transport := &kafka.Transport{ClientID: clientID, DialTimeout: dialTimeout, TLS: tlsConfig, SASL: mechanism, MetadataTopics: cfg.topics(),
		MetadataTTL: metadataAge, IdleTimeout: idleTimeout}
	return &cluster{
		group:     cfg.GroupID,
		brokers:   cred.Brokers,
		maxEvent:  cfg.MaxEventBytes,
		transport: transport,
		client:    &kafka.Client{Addr: kafka.TCP(cred.Brokers...), Timeout: callTimeout, Transport: transport},
	}, nil
}

func (c *cluster) close() { c.transport.CloseIdleConnections() }
