// Package status is what an agent knows of itself at one moment, as one value
// and in three forms: JSON, text for a terminal, and a page for a browser. The
// sentence at its head says whether the agent works or what is wrong.
//
// The value holds no secret, body, header or input, and no person's name or
// address. Package app makes it; the command status reads its JSON from a
// running agent and prints the text.
package status

import (
	"time"

	"port-agent/agent/activity"
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
	Port     Port      `json:"port"`
	Mapping  Mapping   `json:"mapping"`
	Settings []Setting `json:"settings"` // those that differ from their defaults
}

// Health is the diagnosis.
type Health struct {
	Working  bool   `json:"working"`
	Sentence string `json:"sentence"`
	Page     string `json:"page,omitempty"` // where the documentation says what to do
}

// Source is where events come from.
type Source struct {
	Kind       string      `json:"kind"` // KAFKA or POLLING
	Connected  bool        `json:"connected"`
	Error      string      `json:"error,omitempty"` // why not, as far as it is known
	Group      string      `json:"group,omitempty"`
	Generation int32       `json:"generation,omitempty"`
	Partitions []Partition `json:"partitions"`
}

// Partition is one that this member of the group has.
type Partition struct {
	Topic     string `json:"topic"`
	ID        int    `json:"partition"`
	Committed int64  `json:"committed"`
	Position  int64  `json:"position"` // of the next record to read
	End       int64  `json:"end"`      // of the log
	Lag       int64  `json:"lag"`      // less what is followed
	Before    int64  `json:"before"`   // the lag some minutes ago
	Window    int    `json:"window"`   // offsets between the first unsettled event and the position
	Full      bool   `json:"full"`     // the window is full: nothing more is read
}

// Slots are the bounds of the requests to backends under way.
type Slots struct {
	Limit   int `json:"limit"`
	PerHost int `json:"perHost"`
	Used    int `json:"used"`
	Waiting int `json:"waiting"`
}

// Port is Port's API as this agent sees it.
type Port struct {
	Refused bool      `json:"refused"` // it does not take the credentials
	Limited bool      `json:"limited"` // it asks for fewer calls, until Reset
	Left    int       `json:"left"`    // calls that it allows until Reset, -1: it has not said
	Reset   time.Time `json:"reset,omitzero"`
	Error   string    `json:"error,omitempty"` // the last one
	ErrorAt time.Time `json:"errorAt,omitzero"`
	OKAt    time.Time `json:"okAt,omitzero"` // the last call that it took
}

// Mapping is the mapping in force.
type Mapping struct {
	File       string    `json:"file"` // empty: the built-in rule
	Hash       string    `json:"hash"`
	Loaded     time.Time `json:"loaded"`
	Labels     []string  `json:"rules"`              // of its rules, in order
	Rejected   string    `json:"rejected,omitempty"` // why the file as it is now is not in force
	RejectedAt time.Time `json:"rejectedAt,omitzero"`
}

// Setting is a setting that is not at its default; a secret's value is
// [redacted].
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}
