package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"port-agent/agent/kafka/kafkatest"
	"port-agent/agent/port/porttest"
	"port-agent/cmd/sandbox/world"
)

// publishFile signs the event of a file and appends it to a topic. Headers
// that the file holds are replaced.
func publishFile(ctx context.Context, file, brokers, topic string, out io.Writer) error {
	if brokers == "" {
		return errors.New("-publish needs -brokers, which -serve prints")
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read event: %w", err)
	}
	var message map[string]any
	dec := json.NewDecoder(strings.NewReader(string(text)))
	dec.UseNumber()
	if err := dec.Decode(&message); err != nil {
		return fmt.Errorf("read event %s: %w", file, err)
	}
	delete(message, "headers")
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	c, err := kafkatest.Connect(strings.Split(brokers, ",")...)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Produce(ctx, topic, 0, porttest.Sign(world.ClientSecret, time.Now(), message)); err != nil {
		return err
	}
	fmt.Fprintf(out, "published %s to %s\n", file, topic)
	return nil
}
