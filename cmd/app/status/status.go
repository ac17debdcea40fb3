// Package status holds the state of an agent at one moment in one value, and prints it
// in three forms: JSON, text for a terminal, and a page for a browser. The sentence at
// the top says whether the agent works or what is wrong.
//
// The value holds no secret, body, header or input, and no person's name or
// address. Package app makes it; the command status reads its JSON from a
// running agent and prints the text.
package status

import (
	"time"

	"port-agent/agent/activity"
	"port-agent/agent/kafka"
	"port-agent/agent/port"
)

// Status is one agent at one moment.
type Status struct {
	Time    time.Time `json:"time"`
	Started time.Time `json:"started"`
	Version string    `json:"version"`
	Health  Health    `json:"health"`
	Source  Source    `json:"source"`
	Slots   Slots     `json:"slots"`
	activity.Snapshot
	Port     port.State `json:"port"`
	Mapping  Mapping    `json:"mapping"`
	Settings []Setting  `json:"settings"` // those that differ from their defaults
}

// Health is the diagnosis.
type Health struct {
	Working  bool   `json:"working"`
	Sentence string `json:"sentence"`
	Page     string `json:"page,omitempty"` // where the documentation says what to do
}

// Source is where events come from.
type Source struct {
	Kind        string `json:"kind"` // KAFKA or POLLING
	Connected   bool   `json:"connected"`
	kafka.State        // empty without Kafka, except for Error: why it is not connected, as far as it is known
}

// Slots are the limits of concurrent requests to backends.
type Slots struct {
	Limit   int `json:"limit"`
	PerHost int `json:"perHost"`
	Used    int `json:"used"`
	Waiting int `json:"waiting"`
}

// Mapping is the mapping in use.
type Mapping struct {
	File       string    `json:"file"` // empty: the built-in rule
	Hash       string    `json:"hash"`
	Loaded     time.Time `json:"loaded"`
	Labels     []string  `json:"rules"`              // of its rules, in order
	Rejected   string    `json:"rejected,omitempty"` // why the current content of the file is not in use
	RejectedAt time.Time `json:"rejectedAt,omitzero"`
}

// Setting is a setting that differs from its default. The value of a secret is
// [redacted].
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}
