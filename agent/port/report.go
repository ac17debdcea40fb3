package port

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"port-agent/agent"
)

// Log appends lines to a run's log in one call: an action run gets them as
// one message, a node run as a batch. It is dropped while Port asks for fewer
// calls; a run that has ended takes no more lines, which is no error.
func (c *Client) Log(ctx context.Context, run string, lines []agent.LogLine) error {
	if len(lines) == 0 {
		return nil
	}
	cl, err := logCall(run, lines)
	if err != nil {
		return err
	}
	if err = c.try(ctx, cl); err == nil {
		c.reported("log", "accepted")
		return nil
	}
	refusal := refusalOf(err)
	switch {
	case refusal.ended():
		c.reported("log", "refused")
		return nil
	case refusal.final():
		c.reported("log", "refused")
		return fmt.Errorf("%w: %w", agent.ErrRejected, err)
	default:
		c.reported("log", "dropped")
		if errors.Is(err, errDropped) {
			return nil
		}
	}
	return err
}

func logCall(run string, lines []agent.LogLine) (*call, error) {
	if agent.IsNodeRun(run) {
		type line struct {
			Level   string `json:"level"`
			Message string `json:"message"`
		}
		batch := make([]line, len(lines))
		for i, l := range lines {
			batch[i] = line(l)
		}
		body, err := encode(map[string]any{"logs": batch})
		return &call{route: routeNodeLog, id: run, body: body, timeout: logTimeout, optional: true}, err
	}
	var text strings.Builder
	for i, l := range lines {
		if i > 0 {
			text.WriteByte('\n')
		}
		text.WriteString(l.Message)
	}
	body, err := encode(struct {
		Message string `json:"message"`
	}{text.String()})
	return &call{route: routeLog, id: run, body: body, timeout: logTimeout, optional: true}, err
}

// Report sends the response of a run and then its status. Where Port refuses
// the response for good the status is sent all the same, and the error says
// what was refused. A refusal is logged here, where it is decided.
func (c *Client) Report(ctx context.Context, run string, rep agent.Report) error {
	if agent.IsNodeRun(run) {
		return c.reportNode(ctx, run, rep)
	}
	var refused error
	if rep.HasResponse {
		err := c.send(ctx, "response", routeResponse, run, map[string]any{"response": rep.Response})
		if err != nil && !errors.Is(err, agent.ErrRejected) {
			return fmt.Errorf("send response: %w", err)
		}
		if err != nil {
			refused = fmt.Errorf("send response: %w", err)
		}
	}
	if fields := runFields(rep); len(fields) > 0 {
		if err := c.send(ctx, "status", routeStatus, run, fields); err != nil {
			return errors.Join(refused, fmt.Errorf("send status: %w", err))
		}
	}
	return refused
}

// runFields are the fields of an action run that rep changes.
func runFields(rep agent.Report) map[string]any {
	fields := make(map[string]any, 5)
	for name, value := range map[string]string{
		"status": rep.Status, "statusLabel": rep.StatusLabel,
		"summary": rep.Summary, "externalRunId": rep.ExternalRunID,
	} {
		if value != "" {
			fields[name] = value
		}
	}
	switch link := rep.Link.(type) {
	case nil:
	case string:
		if link != "" {
			fields["link"] = link
		}
	case []string:
		if len(link) > 0 {
			fields["link"] = link
		}
	default:
		fields["link"] = link
	}
	return fields
}

// reportNode ends a workflow node run; while it goes on, Port has no field
// for what a report says. A node run has no summary either, so the reason of
// a failure goes into the output, which reaches Port even where the run's log
// does not.
func (c *Client) reportNode(ctx context.Context, run string, rep agent.Report) error {
	if rep.Status == "" {
		return nil
	}
	output := make(map[string]any, 2)
	if rep.HasResponse || rep.StatusCode != 0 {
		output["response"] = map[string]any{"status": rep.StatusCode, "data": rep.Response}
	}
	fields := map[string]any{"status": "COMPLETED", "result": "SUCCESS"}
	if rep.Status != agent.StatusSuccess {
		fields["result"] = "FAILED"
		if rep.Summary != "" {
			output["summary"] = rep.Summary
		}
	}
	if len(output) > 0 {
		fields["output"] = output
	}
	if err := c.send(ctx, "status", routeNodeStatus, run, fields); err != nil {
		return fmt.Errorf("send status: %w", err)
	}
	return nil
}

// send repeats a call until it is accepted. A run that has already ended is
// told nothing new: it counts as accepted.
func (c *Client) send(ctx context.Context, kind string, r *route, run string, fields map[string]any) error {
	body, err := encode(fields)
	if err != nil {
		return fmt.Errorf("%w: %w", agent.ErrRejected, err)
	}
	err = c.repeat(ctx, &call{route: r, id: run, body: body}, func() { c.reported(kind, "retried") })
	if refusalOf(err).ended() {
		err = nil
	}
	switch {
	case err == nil:
		c.reported(kind, "accepted")
	case errors.Is(err, agent.ErrRejected):
		c.reported(kind, "refused")
		c.log.Error().Str("run", run).Str("kind", kind).Err(err).Msg("report refused by port")
	default:
		c.reported(kind, "dropped")
	}
	return err
}

func (c *Client) reported(kind, outcome string) {
	c.metrics.Reports.WithLabelValues(kind, outcome).Inc()
}

// encode prints v without escaping <, > and &: a backend's answer comes back
// to Port as it was.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
