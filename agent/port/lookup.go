package port

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"port-agent/agent"
)

// runAnswer holds what is read of a run. Action runs come under run with
// their logs elsewhere; node runs come under nodeRun or run.
type runAnswer struct {
	Run     *runObject `json:"run"`
	NodeRun *runObject `json:"nodeRun"`
	runObject
}

type runObject struct {
	Status      string          `json:"status"`
	Link        json.RawMessage `json:"link"`
	EndedAt     json.RawMessage `json:"endedAt"`
	CreatedAt   json.RawMessage `json:"createdAt"`
	Logs        json.RawMessage `json:"logs"`
	NodeRunLogs json.RawMessage `json:"nodeRunLogs"`
}

// messages are those of logs, lists of objects with a message, the oldest first
// where each says when it was written. What has another form is passed over: a
// log is worth less than the run's status.
func messages(logs ...json.RawMessage) []string {
	type line struct {
		Message string    `json:"message"`
		At      time.Time `json:"createdAt"`
	}
	var lines []line
	for _, raw := range logs {
		var list []line
		_ = json.Unmarshal(raw, &list)
		lines = append(lines, list...)
	}
	if !slices.ContainsFunc(lines, func(l line) bool { return l.At.IsZero() }) {
		slices.SortStableFunc(lines, func(a, b line) int { return a.At.Compare(b.At) })
	}
	var all []string
	for _, l := range lines {
		all = append(all, l.Message)
	}
	return all
}

// links are those of a run's page: one, or a list.
func links(raw json.RawMessage) []string {
	var list []string
	if json.Unmarshal(raw, &list) == nil {
		return list
	}
	var one string
	if json.Unmarshal(raw, &one) != nil || one == "" {
		return nil
	}
	return []string{one}
}

// Lookup asks Port how a run stands. The log is asked for only while the run
// has not ended.
func (c *Client) Lookup(ctx context.Context, run string) (agent.RunState, error) {
	details, logs := routeRun, routeLogs
	if agent.IsNodeRun(run) {
		details, logs = routeNode, routeNodeLogs
	}
	var answer runAnswer
	if err := c.repeat(ctx, &call{route: details, id: run, answer: &answer}, nil); err != nil {
		return agent.RunState{}, err
	}
	object := &answer.runObject
	if answer.Run != nil {
		object = answer.Run
	} else if answer.NodeRun != nil {
		object = answer.NodeRun
	}
	state := agent.RunState{Status: object.Status, Ended: object.ended(), Links: links(object.Link), Logs: messages(object.Logs, object.NodeRunLogs)}
	_ = json.Unmarshal(object.CreatedAt, &state.Created) // of another form: unknown
	if state.Ended || len(state.Logs) > 0 {
		return state, nil
	}
	var err error
	state.Logs, err = c.logs(ctx, logs, run)
	return state, err
}

// maxLogFaults is how often Port may fail to give the log of a run that it has
// just told the status of.
const maxLogFaults = 5

// RunLog returns the messages of an action run's log, the oldest first, and none
// where Port does not give them.
func (c *Client) RunLog(ctx context.Context, run string) ([]string, error) {
	return c.logs(ctx, routeLogs, run)
}

// logs asks for the messages of a run's log; none where Port does not give
// them. Unlike the run's status they can be done without.
func (c *Client) logs(ctx context.Context, r *route, run string) ([]string, error) {
	var answer struct {
		RunLogs json.RawMessage `json:"runLogs"`
		Logs    json.RawMessage `json:"logs"`
	}
	err := c.repeat(ctx, &call{route: r, id: run, answer: &answer, max: maxClaimAnswer, faults: maxLogFaults}, nil)
	if err != nil && !errors.Is(err, agent.ErrRejected) {
		return nil, err
	}
	return messages(answer.RunLogs, answer.Logs), nil
}

func (r *runObject) ended() bool {
	switch r.Status {
	case "SUCCESS", "FAILURE", "DECLINED", "CANCELLED", "COMPLETED":
		return true
	}
	return len(r.EndedAt) > 0 && string(r.EndedAt) != "null"
}
