package port

import (
	"context"
	"errors"
	"fmt"

	"port-agent/invoker"
)

// KafkaCredentials are what Port gives an organisation to read its topics.
type KafkaCredentials struct {
	Brokers  []string
	Username string
	Password invoker.Secret
}

// ErrNoTopic says that the organisation has no Kafka topic yet.
var ErrNoTopic = errors.New("port has provisioned no kafka topic for this organisation; ask port's support for one, or set STREAMER_NAME=POLLING")

// KafkaCredentials asks Port for the brokers and the credentials of the
// organisation's topics. It fails with ErrNoTopic where there are none.
func (c *Client) KafkaCredentials(ctx context.Context) (KafkaCredentials, error) {
	var answer struct {
		Credentials *struct {
			Brokers  []string `json:"brokers"`
			Username string   `json:"username"`
			Password string   `json:"password"`
		} `json:"credentials"`
	}
	if err := c.repeat(ctx, &call{route: routeKafka, answer: &answer, attempts: maxAttempts}, nil); err != nil {
		return KafkaCredentials{}, fmt.Errorf("get kafka credentials: %w", forbidden(err))
	}
	if answer.Credentials == nil || len(answer.Credentials.Brokers) == 0 {
		return KafkaCredentials{}, ErrNoTopic
	}
	got := answer.Credentials
	return KafkaCredentials{Brokers: got.Brokers, Username: got.Username, Password: invoker.Secret(got.Password)}, nil
}

// Organization is the id of the organisation: PORT_ORG_ID, or what Port says
// where that is unset.
func (c *Client) Organization(ctx context.Context) (string, error) {
	if c.cfg.OrgID != "" {
		return c.cfg.OrgID, nil
	}
	var answer struct {
		Organization struct {
			ID string `json:"id"`
		} `json:"organization"`
	}
	if err := c.repeat(ctx, &call{route: routeOrganization, answer: &answer, attempts: maxAttempts}, nil); err != nil {
		return "", fmt.Errorf("get the organisation (PORT_ORG_ID is unset): %w", forbidden(err))
	}
	if answer.Organization.ID == "" {
		return "", errors.New("get the organisation: port gave no id; set PORT_ORG_ID")
	}
	return answer.Organization.ID, nil
}

// Streamers that an organisation may be set to.
const (
	StreamerKafka   = "KAFKA"
	StreamerPolling = "POLLING"
)

// SetStreamer tells Port where this organisation's agent takes its events
// from, in one attempt. The agent works without it, so an error deserves a
// warning and no more.
func (c *Client) SetStreamer(ctx context.Context, name string) error {
	settings := map[string]any{"settings": map[string]any{"portAgentStreamerName": name}}
	if err := c.try(ctx, &call{route: routeStreamer, value: settings}); err != nil {
		return fmt.Errorf("set the organisation's streamer to %s: %w", name, err)
	}
	return nil
}
