package app

import (
	"context"
	"errors"
	"strings"

	"port-agent/agent"
	"port-agent/agent/kafka"
)

// Tail reads events beside the agent's consumer group, see kafka.Tail.
func (a *App) Tail(ctx context.Context, r kafka.Range, take func(ev *agent.Event, dropped error) error) error {
	if strings.ToUpper(a.cfg.Process.Streamer) == sourcePolling {
		return errors.New("STREAMER_NAME is POLLING: runs are claimed from Port one by one, and there is no topic to read; the agent's log and `port-agent status` show them")
	}
	org, err := a.port.Organization(ctx)
	if err != nil {
		return err
	}
	cred, err := a.kafkaCredentials(ctx)
	if err != nil {
		return err
	}
	cfg := a.cfg.Kafka.ForOrg(org)
	cfg.MaxEventBytes = a.cfg.Agent.MaxEventBytes
	return kafka.Tail(ctx, cfg, cred, a.kafkaTLS, r, take)
}
