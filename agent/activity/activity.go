// Package activity keeps what the agent does and has recently done, for its status
// page: the events that are not settled, the last runs, the failures of the last hour
// by kind, the hits of the rules, and the minutes of the last hour. All but the
// unsettled events have a fixed limit.
//
// It holds no body, header or input of an event, and no person's name. The caller
// redacts texts. Package agent writes to it, cmd reads it.
package activity

import "time"

// Sizes of what is kept.
const (
	keptRuns     = 100
	keptFailures = 200 // kinds of failures
	keptRules    = 2000
	keptMinutes  = 60
	longestText  = 300 // bytes of one text
)

// State is the step of the pipeline that an event is in.
type State string

// States of an event, in the order of the pipeline.
const (
	Preparing State = "preparing"
	Ordered   State = "waits for its turn"   // an event of the same entity is before it
	Asking    State = "asks Port"            // whether the event was carried out before
	Queued    State = "waits for a slot"     // of its host, or of the agent
	Sent      State = "waits for the answer" // of its backend
	Retrying  State = "waits for a retry"
	Reporting State = "reports to Port"
	Followed  State = "followed"
)

// Event is an event that is not settled.
type Event struct {
	Topic     string    `json:"topic"`
	Partition int       `json:"partition"`
	Offset    int64     `json:"offset"`
	Run       string    `json:"run,omitempty"`
	Action    string    `json:"action,omitempty"`
	Rule      string    `json:"rule,omitempty"`
	Backend   string    `json:"backend,omitempty"`
	Host      string    `json:"host,omitempty"`
	State     State     `json:"state"`
	Detail    string    `json:"detail,omitempty"` // of the state: when the retry is, or the pipeline's label
	Since     time.Time `json:"since"`            // of the state
	Arrived   time.Time `json:"arrived"`
}

// Run is an event whose work has ended.
type Run struct {
	Time     time.Time `json:"time"`
	Run      string    `json:"run,omitempty"`
	Action   string    `json:"action,omitempty"`
	Rule     string    `json:"rule,omitempty"`
	Backend  string    `json:"backend,omitempty"`
	Host     string    `json:"host,omitempty"`
	Status   int       `json:"status,omitempty"` // that the backend answered
	Attempts int       `json:"attempts"`
	Seconds  float64   `json:"seconds"`
	Result   string    `json:"result"`           // "SUCCESS", "FAILURE" or "IN_PROGRESS"
	Reason   string    `json:"reason,omitempty"` // of a failure, one of the agent's closed set; empty: it is none
}

// Failure counts failures of one kind within the last hour.
type Failure struct {
	Reason string    `json:"reason"`
	Rule   string    `json:"rule,omitempty"`
	Host   string    `json:"host,omitempty"`
	Status int       `json:"status,omitempty"`
	Count  int       `json:"count"`
	First  time.Time `json:"first"` // to the minute
	Last   time.Time `json:"last"`
	Run    string    `json:"run,omitempty"` // the last one
}

// Rule counts what a rule has done since the agent started.
type Rule struct {
	Label    string    `json:"rule"`
	Hits     int       `json:"hits"`
	Failures int       `json:"failures"`
	LastHit  time.Time `json:"lastHit,omitzero"`
}

// Minute sums up the work that ended within one minute.
type Minute struct {
	Time    time.Time `json:"time"`
	OK      int       `json:"ok"`
	Failed  int       `json:"failed"`
	Slowest float64   `json:"slowest"` // seconds
	Median  float64   `json:"median"`  // seconds, of the first 200
}

// Host is one host's requests.
type Host struct {
	Name    string    `json:"name"`
	Used    int       `json:"used"`    // requests that wait for an answer
	Waiting int       `json:"waiting"` // events that wait for a slot
	Oldest  time.Time `json:"oldest,omitzero"`
}

// Snapshot is what a Log holds at one moment.
type Snapshot struct {
	Unsettled int       `json:"unsettled"`
	Oldest    []Event   `json:"oldest"`   // the oldest that are not followed
	Followed  []Event   `json:"followed"` // the oldest that are
	Following int       `json:"following"`
	Hosts     []Host    `json:"hosts"`    // those with requests under way or waiting, the busiest first
	Runs      []Run     `json:"runs"`     // the last first
	Failures  []Failure `json:"failures"` // the last first
	Rules     []Rule    `json:"rules"`
	Minutes   []Minute  `json:"minutes"` // the last hour, the oldest first
}
