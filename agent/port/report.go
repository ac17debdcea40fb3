package port

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"port-agent/agent"
)

// Report sends the response of a run, then what its page shows, and its last
// lines together with its status. What Port refuses for good does not keep the
// rest from being sent; the error says what it was. A refusal is logged here,
// where it is decided.
func (c *Client) Report(ctx context.Context, run string, rep agent.Report) error {
	rep = shown(rep)
	if agent.IsNodeRun(run) {
		return c.reportNode(ctx, run, rep)
	}
	var refused error
	if rep.Response != nil {
		cl := &call{route: routeResponse, id: run, body: [][]byte{[]byte(`{"response":`), rep.Response, []byte("}")}}
		if err := c.settled("response", run, c.deliver(ctx, "response", cl)); err != nil {
			refused = fmt.Errorf("send response: %w", err)
			if !errors.Is(err, agent.ErrRejected) {
				return refused
			}
			if n := len(rep.Lines); n > 0 {
				rep.Lines = slices.Insert(rep.Lines, n-1, leftOut("response", err))
			}
		}
	}
	if err := c.reportStatus(ctx, run, rep); err != nil {
		return errors.Join(refused, fmt.Errorf("send status: %w", err))
	}
	return refused
}

// reportStatus sends everything of rep but its response.
func (c *Client) reportStatus(ctx context.Context, run string, rep agent.Report) error {
	if _, apart := c.apart.Load(rep.Kind); len(rep.Lines) == 0 || apart && rep.Status != "" {
		_ = c.Log(ctx, run, rep.Lines) // best effort, as it does not end the run
		return c.patch(ctx, run, rep)
	}
	end := agent.Report{Status: rep.Status, StatusLabel: rep.StatusLabel}
	rep.Status, rep.StatusLabel = "", ""
	if err := c.patch(ctx, run, rep); err != nil {
		if !errors.Is(err, agent.ErrRejected) {
			return err
		}
		rep.Lines = slices.Insert(rep.Lines, len(rep.Lines)-1, leftOut(names(rep), err))
	}
	return c.end(ctx, run, rep.Kind, rep.Lines, end)
}

// end sends lines together with the status and its label, or apart from them
// where Port refuses that.
func (c *Client) end(ctx context.Context, run, kind string, lines []agent.LogLine, end agent.Report) error {
	part := "status"
	if end.Status == "" {
		part = "log"
	}
	err := c.deliver(ctx, part, logCall(run, lines, end))
	if !errors.Is(err, agent.ErrRejected) || end.Status == "" {
		return c.settled(part, run, err)
	}
	_ = c.Log(ctx, run, lines)
	if failed := c.patch(ctx, run, end); failed != nil && !errors.Is(failed, agent.ErrRunEnded) {
		return failed // it is the run that is refused, not how it was told
	}
	if _, known := c.apart.Swap(kind, true); !known {
		c.log.Warn().Str("run", run).Str("kind", kind).Err(err).
			Msg("status and log line sent apart")
	}
	return nil
}

// patch sends the fields of a run. Where Port refuses a status together with
// others, the status goes once more alone.
func (c *Client) patch(ctx context.Context, run string, rep agent.Report) error {
	fields := runFields(rep)
	if len(fields) == 0 {
		return nil
	}
	kind := "status"
	if rep.Status == "" {
		kind = "details"
	}
	err := c.deliver(ctx, kind, &call{route: routeStatus, id: run, value: fields})
	if !errors.Is(err, agent.ErrRejected) || rep.Status == "" || len(fields) == 1 {
		return c.settled(kind, run, err)
	}
	_ = c.settled("details", run, err)
	_ = c.Log(ctx, run, []agent.LogLine{leftOut(names(rep), err)})
	err = c.deliver(ctx, kind, &call{route: routeStatus, id: run, value: map[string]any{"status": rep.Status}})
	return c.settled(kind, run, err)
}

// leftOut is the line that says what of a report Port has refused.
func leftOut(what string, err error) agent.LogLine {
	return agent.LogLine{Level: agent.LevelWarn, Message: fmt.Sprintf("Left out: %s. %s.", what, refusalOf(err).brief())}
}

// names are those of the fields of rep beside its status.
func names(rep agent.Report) string {
	rep.Status = ""
	return strings.Join(slices.Sorted(maps.Keys(runFields(rep))), ", ")
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
	if rep.Link != nil {
		fields["link"] = rep.Link
	}
	return fields
}

// reportNode ends a workflow node run; while it goes on, Port has no field
// for what a report says. A node run has no summary either, so the reason of
// a failure goes into the output, which reaches Port even where the run's log
// does not.
func (c *Client) reportNode(ctx context.Context, run string, rep agent.Report) error {
	if len(rep.Lines) > 0 {
		err := c.settled("log", run, c.deliver(ctx, "log", logCall(run, rep.Lines, agent.Report{})))
		if err != nil && !errors.Is(err, agent.ErrRejected) {
			return fmt.Errorf("send log: %w", err)
		}
	}
	if rep.Status == "" {
		return nil
	}
	output := make(map[string]any, 2)
	if rep.Response != nil || rep.StatusCode != 0 {
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
	if err := c.settled("status", run, c.deliver(ctx, "status", &call{route: routeNodeStatus, id: run, value: fields})); err != nil {
		return fmt.Errorf("send status: %w", err)
	}
	return nil
}

// deliver repeats a call of a report, and counts how often.
func (c *Client) deliver(ctx context.Context, kind string, cl *call) error {
	return c.repeat(ctx, cl, func() { c.reported(kind, "retried") })
}

// settled counts how a repeated call of a report ended, and logs its refusal. A
// run that has already ended needs no report.
func (c *Client) settled(kind, run string, err error) error {
	switch {
	case err == nil, errors.Is(err, agent.ErrRunEnded):
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
