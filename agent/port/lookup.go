package port

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

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
	EndedAt     json.RawMessage `json:"endedAt"`
	Logs        []logEntry      `json:"logs"`
	NodeRunLogs []logEntry      `json:"nodeRunLogs"`
}

type logEntry struct {
	Message string `json:"message"`
}

// Lookup asks Port how a run stands. The log is asked for only while the run
// has not ended.
func (c *Client) Lookup(ctx context.Context, run string) (agent.RunState, error) {
	details, logs := routeRun, routeLogs
	if agent.IsNodeRun(run) {
		details, logs = routeNode, routeNodeLogs
	}
	var answer runAnswer
	if err := c.repeat(ctx, call{route: details, id: run, answer: &answer}, nil); err != nil {
		return agent.RunState{}, err
	}
	object := &answer.runObject
	if answer.Run != nil {
		object = answer.Run
	} else if answer.NodeRun != nil {
		object = answer.NodeRun
	}
	state := agent.RunState{Status: object.Status, Ended: object.ended()}
	for _, l := range slices.Concat(object.Logs, object.NodeRunLogs) {
		state.Logs = append(state.Logs, l.Message)
	}
	if state.Ended || len(state.Logs) > 0 {
		return state, nil
	}
	messages, err := c.logs(ctx, logs, run)
	state.Logs = messages
	return state, err
}

// logs asks for the messages of a run's log; none where Port does not give
// them.
func (c *Client) logs(ctx context.Context, r *route, run string) ([]string, error) {
	var answer struct {
		RunLogs []logEntry `json:"runLogs"`
		Logs    []logEntry `json:"logs"`
	}
	err := c.repeat(ctx, call{route: r, id: run, answer: &answer, max: maxClaimAnswer}, nil)
	if errors.Is(err, agent.ErrRejected) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var messages []string
	for _, l := range slices.Concat(answer.RunLogs, answer.Logs) {
		messages = append(messages, l.Message)
	}
	return messages, nil
}

func (r *runObject) ended() bool {
	switch r.Status {
	case "SUCCESS", "FAILURE", "DECLINED", "CANCELLED", "COMPLETED":
		return true
	}
	return len(r.EndedAt) > 0 && string(r.EndedAt) != "null"
}
