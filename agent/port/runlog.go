package port

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"port-agent/agent"
)

// Log appends lines to a run's log in one call: an action run gets them as
// one message, a node run as a batch. It is dropped while Port asks for fewer
// calls; a run that has ended takes no more lines. Neither is an error.
func (c *Client) Log(ctx context.Context, run string, lines []agent.LogLine) error {
	if len(lines) == 0 {
		return nil
	}
	cl := logCall(run, shown(agent.Report{Lines: lines}).Lines, agent.Report{})
	err := c.once(ctx, cl)
	if errors.Is(err, errDropped) || errors.Is(err, agent.ErrRunEnded) {
		return nil
	}
	return err
}

// once makes a call that waits for nobody, in one attempt.
func (c *Client) once(ctx context.Context, cl *call) error {
	cl.timeout, cl.optional = logTimeout, true
	err := c.try(ctx, cl)
	switch refusal := refusalOf(err); {
	case err == nil:
		c.reported("log", "accepted")
	case refusal.final():
		c.reported("log", "refused")
		err = refusal.forGood(err)
	default:
		c.reported("log", "dropped")
	}
	return err
}

// Progress tells news of a run that goes on.
func (c *Client) Progress(ctx context.Context, run string, news agent.Report) (agent.Report, error) {
	news = shown(news)
	left := news
	left.Lines = nil
	var cl *call
	switch fields, node := runFields(news), agent.IsNodeRun(run); {
	case len(fields) > 0 && !node && (news.Link != nil || len(news.Lines) == 0): // a node run has no place for them while it goes on
		left = agent.Report{Lines: news.Lines}
		cl = &call{route: routeStatus, id: run, value: fields}
	case len(news.Lines) > 0:
		left.StatusLabel = ""
		cl = logCall(run, news.Lines, agent.Report{StatusLabel: news.StatusLabel})
	default:
		return agent.Report{}, nil
	}
	err := c.once(ctx, cl)
	if err == nil || errors.Is(err, agent.ErrRejected) || errors.Is(err, agent.ErrRunEnded) {
		return left, err
	}
	return news, err
}

// logCall adds lines to a run's log, those of an action run together with the
// status and label of with.
func logCall(run string, lines []agent.LogLine, with agent.Report) *call {
	if agent.IsNodeRun(run) {
		type line struct {
			Level   string `json:"level"`
			Message string `json:"message"`
		}
		batch := make([]line, len(lines))
		for i, l := range lines {
			batch[i] = line(l)
		}
		return &call{route: routeNodeLog, id: run, value: map[string]any{"logs": batch}}
	}
	messages := make([]string, len(lines))
	for i, l := range lines {
		messages[i] = l.Message
	}
	return &call{route: routeLog, id: run, value: struct {
		Message string `json:"message"`
		Status  string `json:"terminationStatus,omitempty"`
		Label   string `json:"statusLabel,omitempty"`
	}{strings.Join(messages, "\n"), with.Status, with.StatusLabel}}
}

// maxLines is how many bytes of lines go in one call, which has to stay below
// 1 MiB with all that is escaped.
const maxLines = 384 << 10

// shown is a report as the page of a run can show it. It shares no lines with
// rep; of more than fit the last ones are kept.
func shown(rep agent.Report) agent.Report {
	rep.Lines = slices.Clone(rep.Lines)
	rep.Clean()
	size, first := 0, len(rep.Lines)
	for first > 0 && size <= maxLines {
		first--
		size += len(rep.Lines[first].Message)
	}
	if first > 0 {
		rep.Lines = rep.Lines[first:]
		rep.Lines[0] = agent.LogLine{Level: agent.LevelWarn, Message: fmt.Sprintf("%d lines left out.", first+1)}
	}
	return rep
}
