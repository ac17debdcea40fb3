// Package world is Port without Port: an in-memory Kafka with an organisation's
// topics, a stand-in for Port's API, and the settings that point an agent at
// them. The sandbox tells its story there and the benchmark measures there.
package world

import (
	"context"
	"fmt"

	"port-agent/agent/kafka/kafkatest"
	"port-agent/agent/port/porttest"
)

// What every world's Port knows the agent by.
const (
	ClientID = "sandbox-client"
	// ClientSecret signs the world's events. It opens nothing else.
	ClientSecret = "sandbox-client-secret-of-40-characters-x"
)

// World is one at work. Its methods are for one goroutine at a time.
type World struct {
	Kafka *kafkatest.Cluster
	Org   string // the organisation of the moment; empty: none yet
}

// Start starts Kafka.
func Start() (*World, error) {
	kafka, err := kafkatest.Start()
	if err != nil {
		return nil, err
	}
	return &World{Kafka: kafka}, nil
}

// Close ends Kafka.
func (w *World) Close() { w.Kafka.Close() }

// Runs is the topic of the organisation's runs.
func (w *World) Runs() string { return w.Org + ".runs" }

func (w *World) changes() string { return w.Org + ".change.log" }

// Found makes the topics of an organisation, in the place of the one before.
func (w *World) Found(ctx context.Context, org string, partitions int) error {
	if w.Org != "" {
		for _, topic := range []string{w.Runs(), w.changes()} {
			if err := w.Kafka.DeleteTopic(ctx, topic); err != nil {
				return err
			}
		}
	}
	w.Org = org
	for _, topic := range []string{w.Runs(), w.changes()} {
		if err := w.Kafka.CreateTopic(ctx, topic, partitions); err != nil {
			return err
		}
	}
	return nil
}

// API is cfg as the stand-in for Port's API of this world needs it.
func (w *World) API(cfg porttest.Config) porttest.Config {
	cfg.ClientID, cfg.ClientSecret, cfg.OrgID = ClientID, ClientSecret, w.Org
	cfg.Kafka = &porttest.KafkaCredentials{Brokers: w.Kafka.Brokers}
	return cfg
}

// Settled reports whether the agent's group has committed the end of every
// partition: nothing is left to do for any event.
func (w *World) Settled(ctx context.Context) (bool, error) {
	committed, err := w.Kafka.Committed(ctx, w.Org+".port-agent", w.Runs())
	if err != nil {
		return false, fmt.Errorf("read commits: %w", err)
	}
	ends, err := w.Kafka.Ends(ctx, w.Runs())
	if err != nil {
		return false, fmt.Errorf("read ends: %w", err)
	}
	for p, end := range ends {
		if commit, any := committed[p]; !any || commit.Offset < end {
			return false, nil
		}
	}
	return true, nil
}

// Environment points an agent at an organisation whose API is at a URL.
func Environment(org, api, mapping string) [][2]string {
	return [][2]string{
		{"PORT_CLIENT_ID", ClientID},
		{"PORT_CLIENT_SECRET", ClientSecret},
		{"PORT_ORG_ID", org},
		{"PORT_API_BASE_URL", api},
		{"STREAMER_NAME", "KAFKA"},
		{"KAFKA_CONSUMER_SECURITY_PROTOCOL", "plaintext"},
		{"KAFKA_CONSUMER_AUTHENTICATION_MECHANISM", "none"},
		{"INVOCATIONS_PATH", mapping},
		{"STATUS_ADDR", "127.0.0.1:0"},
	}
}
