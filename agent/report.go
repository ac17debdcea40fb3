package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"port-agent/agent/activity"
	"port-agent/agent/event"
	"port-agent/invoker"
	"port-agent/transform"
)

// report says in the log and to Port how an invocation ended. Where its
// pipeline is to be followed, it returns the followed to run. An error means that
// Port has not taken it before ctx ended: the event stays unsettled.
func (a *Agent) report(ctx context.Context, j *job, out outcome) (*followed, error) {
	j.work.At(activity.Reporting, "")
	if j.run == "" {
		a.count(j, out, StatusSuccess)
		return nil, nil
	}
	f, why := a.watchRun(ctx, j, out)
	if why != "" {
		j.runLog.note(LevelWarn, j.redactor.String(why))
	}
	out.followed = f != nil
	rep := a.compose(j, out)
	a.count(j, out, rep.Status)
	if f == nil {
		return nil, a.reportEnd(ctx, j, out, rep)
	}
	var err error
	if rep.Status == "" {
		if err = f.reportTrigger(ctx, out, rep); err == nil {
			return f, nil
		}
	} else { // the rule's report ends the run
		err = a.reportEnd(ctx, j, out, rep)
	}
	a.follows.release(j.ev)
	return nil, err
}

// reportEnd tells Port the last of the agent: how the run ended, or that it goes
// on and its backend ends it.
func (a *Agent) reportEnd(ctx context.Context, j *job, out outcome, rep *Report) error {
	level, last := LevelInfo, closing(rep.Status, j.closingLine(out))
	if out.err != nil {
		level = LevelError
	}
	if rep.Status != "" && !IsNodeRun(j.run) {
		rep.Kind, rep.Lines = j.kind, j.runLog.finish(ctx, level, last)
		return a.send(ctx, j, rep)
	}
	// The response goes first, and last what the run's page can do without: the
	// line between them is what a next owner goes by if the agent stops here.
	if err := a.sendResponse(ctx, j, rep); err != nil {
		return err
	}
	j.runLog.close(ctx, level, last)
	return a.send(ctx, j, rep)
}

// sendResponse tells Port the response of an action run alone, and takes it out of
// rep.
func (a *Agent) sendResponse(ctx context.Context, j *job, rep *Report) error {
	if rep.Response == nil || IsNodeRun(j.run) {
		return nil
	}
	response := Report{Response: rep.Response}
	rep.Response = nil
	return a.send(ctx, j, &response)
}

// send tells Port, unless there is nothing to tell.
func (a *Agent) send(ctx context.Context, j *job, rep *Report) error {
	if rep.Empty() {
		return nil
	}
	err := a.Reporter.Report(ctx, j.run, *rep)
	if err == nil || errors.Is(err, ErrRejected) || errors.Is(err, ErrRunEnded) { // the reporter logs and counts a refusal
		return nil
	}
	return fmt.Errorf("report run: %w", err)
}

// compose returns what is reported to Port: what follows from the answer, overridden
// field by field by the rule's report.
func (a *Agent) compose(j *job, out outcome) *Report {
	rep := new(Report)
	if res := out.res; res != nil {
		rep.ExternalRunID = res.ExternalRunID
		if res.Link != "" {
			rep.Link = res.Link
		}
		if j.sync {
			rep.StatusCode = res.StatusCode
		}
		if j.sync && len(res.Body) > 0 && !j.req.HideAnswer {
			shown := *res
			shown.Body = j.redactor.Bytes(res.Body) // before it is cut
			rep.Response = responseOf(&shown)
		}
	}
	switch {
	case out.err != nil:
		rep.Status, rep.Summary = StatusFailure, out.err.Error()
	case j.sync && !out.followed:
		rep.Status = StatusSuccess
	}
	if out.res != nil && j.rule.HasReport() {
		a.applyRule(j, out.res, rep)
	}
	finish(j, rep)
	return rep
}

// finish takes out of a report what must not leave, and then what cannot be
// shown.
func finish(j *job, rep *Report) {
	rep.Summary = j.redactor.String(rep.Summary)
	rep.Link = editLinks(rep.Link, j.redactor.String)
	rep.ExternalRunID = j.redactor.String(rep.ExternalRunID)
	rep.StatusLabel = j.redactor.String(rep.StatusLabel)
	link := rep.Link
	for _, note := range rep.Clean() {
		j.runLog.note(LevelWarn, note)
		j.warnings = append(j.warnings, transform.Warning{Field: "report", Message: note})
	}
	if j.recorded != nil {
		rep.Link = link // an explanation shows what the rule gives; the note says that Port does not get it
	}
}

// applyRule lets the rule's report win where it says something.
func (a *Agent) applyRule(j *job, res *invoker.Response, rep *Report) {
	in, err := a.input(j, res)
	if err != nil { // it was decoded before
		j.about(j.log.Error()).Err(err).Msg("event not decoded for report")
		return
	}
	// Each expression is bounded in time by itself; the end of a drain must not
	// look like an expression that fails.
	fields, warnings := j.rule.Report(context.Background(), in)
	for _, w := range warnings {
		a.mappingFailed(j, w)
	}
	for name, field := range map[string]*string{
		"summary": &rep.Summary, "externalRunId": &rep.ExternalRunID, "statusLabel": &rep.StatusLabel,
	} {
		if v, ok := fields[name]; ok {
			*field = transform.Text(v)
		}
	}
	if v, ok := fields["link"]; ok {
		rep.Link = linkOf(v)
	}
	if v, ok := fields["status"]; ok {
		a.applyStatus(j, transform.Text(v), rep)
	}
}

// applyStatus takes the rule's status where Port knows it.
func (a *Agent) applyStatus(j *job, status string, rep *Report) {
	switch s := strings.ToUpper(status); s {
	case StatusSuccess, StatusFailure:
		rep.Status = s
	case "IN_PROGRESS":
		rep.Status = ""
	default:
		a.mappingFailed(j, transform.Warning{Field: "report", Err: fmt.Errorf("status: %.40q is neither SUCCESS nor FAILURE", status),
			Message: fmt.Sprintf("report.status gave %.40q, which is neither SUCCESS nor FAILURE", status)})
	}
}

// input is what a rule's expressions about an answer see. The event is decoded
// again: while it waits, it keeps only its text. res and the request are nil for a
// run that another process has invoked.
func (a *Agent) input(j *job, res *invoker.Response) (map[string]any, error) {
	in := map[string]any{"body": j.root, "request": nil, "response": nil}
	if j.root == nil {
		msg, err := event.Decode(j.body)
		if err != nil {
			return nil, err
		}
		if in["body"], _, err = event.Decrypt(a.Secret.Reveal(), msg.Root, j.rule.DecryptPaths); err != nil {
			return nil, err
		}
	}
	if j.req != nil {
		in["request"] = j.req.Value()
	}
	if res != nil && j.recorded != nil {
		in["response"] = j.recorded.Value
	} else if res != nil {
		in["response"] = res.Value()
	}
	return in, nil
}

// closingLine is the last line of the run's log: what was done, with which
// rule, how it ended and how long it took.
func (j *job) closingLine(out outcome) string {
	var b strings.Builder
	if out.err != nil {
		b.WriteString(out.err.Error())
	} else {
		fmt.Fprintf(&b, "%s answered %d", j.req.Endpoint(), out.res.StatusCode)
	}
	if out.attempts > 1 {
		fmt.Fprintf(&b, ", %d attempts", out.attempts)
	}
	if out.attempts > 0 {
		b.WriteString(" in " + seconds(out.took))
	}
	if j.rule != nil {
		b.WriteString(" (rule " + j.label + ")")
	}
	return j.redactor.String(b.String())
}

// count says in metrics, log and on the status page how an invocation ended;
// status is what Port is told.
func (a *Agent) count(j *job, out outcome, status string) {
	kind, result, reason, backend := EventInvoked, "accepted", reasonOf(out), cmp.Or(j.backend, "none")
	run := activity.Run{Result: cmp.Or(status, statusOpen), Attempts: out.attempts, Seconds: out.took.Seconds()}
	line, msg := j.log.Info(), "run invoked"
	if out.err != nil {
		result, run.Result, run.Reason = "failed", StatusFailure, reason
		line, msg = j.log.Error().Err(out.err).Str("reason", reason), "run failed"
	}
	if reason == reasonInterrupted {
		kind = EventInterrupted
	}
	a.Metrics.Events.WithLabelValues(j.ev.Topic, kind).Inc()
	a.Metrics.Invocations.WithLabelValues(backend, result, reason).Inc()
	if out.attempts > 0 {
		a.Metrics.InvocationSeconds.WithLabelValues(backend).Observe(out.took.Seconds())
	}
	if out.res != nil {
		run.Status = out.res.StatusCode
		line = line.Int("status", run.Status)
	}
	j.about(line).Int("attempt", out.attempts).Float64("duration_ms", milliseconds(out.took)).Msg(msg)
	j.work.Ended(run)
}
