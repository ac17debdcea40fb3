package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"port-agent/agent/activity"
	"port-agent/invoker"
	"port-agent/transform"
)

// report says in the log and to Port how an invocation ended. Where its
// pipeline is to be followed, it returns the followed to run. An error means that
// Port has not taken it before ctx ended: the event stays unsettled.
func (a *Agent) report(ctx context.Context, j *job, out outcome) (*followed, error) {
	a.count(j, out)
	a.logOutcome(j, out)
	j.work.At(activity.Reporting, "")
	if j.run == "" {
		j.keep(out, "")
		return nil, nil
	}
	f, why := a.watchRun(ctx, j, out)
	if why != "" {
		j.notes = append(j.notes, j.redactor.String(why))
	}
	out.followed = f != nil
	rep := a.compose(j, out)
	j.keep(out, rep.Status)
	for _, note := range j.notes {
		j.runLog.note(LevelWarn, note)
	}
	if f != nil {
		if rep.Status == "" { // otherwise the rule's report ends the run
			if err := a.reportFollowed(ctx, f, out, rep); err != nil {
				a.follows.release(j.ev)
				return nil, err
			}
			return f, nil
		}
		a.follows.release(j.ev)
	}
	last := closing(rep.Status, a.closingLine(j, out))
	if rep.Status != "" && !IsNodeRun(j.run) {
		rep.Kind, rep.Lines = j.kind, j.runLog.finish(ctx, levelOf(out), last)
		return nil, a.send(ctx, j, rep)
	}
	// The response goes first, and last what the run's page can do without: the
	// line between them is what a next owner goes by if the agent stops here.
	if rep.Response != nil && !IsNodeRun(j.run) {
		if err := a.sendResponse(ctx, j, rep); err != nil {
			return nil, err
		}
	}
	j.runLog.close(ctx, levelOf(out), last)
	return nil, a.send(ctx, j, rep)
}

// sendResponse tells Port the response alone, and takes it out of rep.
func (a *Agent) sendResponse(ctx context.Context, j *job, rep *Report) error {
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
	if j.sync && out.res != nil {
		rep.StatusCode = out.res.StatusCode
		if len(out.res.Body) > 0 && !j.req.HideAnswer {
			res := *out.res
			res.Body = j.redactor.Bytes(res.Body) // before it is cut
			rep.Response = responseOf(&res)
		}
	}
	if out.res != nil {
		if out.res.Link != "" {
			rep.Link = out.res.Link
		}
		rep.ExternalRunID = out.res.ExternalRunID
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
	rep.Link = j.cleanLinks(rep.Link)
	rep.ExternalRunID = j.redactor.String(rep.ExternalRunID)
	rep.StatusLabel = j.redactor.String(rep.StatusLabel)
	link := rep.Link
	for _, note := range rep.Clean() {
		j.notes = append(j.notes, note)
		j.warnings = append(j.warnings, transform.Warning{Field: "report", Message: note})
	}
	if j.recorded != nil {
		rep.Link = link // an explanation shows what the rule gives; the note says that Port does not get it
	}
}

// cleanLinks returns a link, or a list of them, without secrets.
func (j *job) cleanLinks(link any) any {
	switch link := link.(type) {
	case string:
		return j.redactor.String(link)
	case []string:
		clean := make([]string, len(link))
		for i := range link {
			clean[i] = j.redactor.String(link[i])
		}
		return clean
	}
	return link
}

// applyRule lets the rule's report win where it says something.
func (a *Agent) applyRule(j *job, res *invoker.Response, rep *Report) {
	body, err := a.tree(j)
	if err != nil { // it was decoded before
		j.about(j.log.Error()).Err(err).Msg("event not decoded for report")
		return
	}
	// Each expression is bounded in time by itself; the end of a drain must not
	// look like an expression that fails.
	fields, warnings := j.rule.Report(context.Background(), map[string]any{"body": body, "request": j.req.Value(), "response": j.valueOf(res)})
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

// tree decodes the event again for a report: an event keeps only its text
// while it waits.
func (a *Agent) tree(j *job) (map[string]any, error) {
	if j.root != nil {
		return j.root, nil
	}
	msg, err := Decode(j.body)
	if err != nil {
		return nil, err
	}
	root, _, err := Decrypt(a.Secret.Reveal(), msg.Root, j.rule.DecryptPaths)
	return root, err
}

// valueOf is the backend's answer as expressions see it.
func (j *job) valueOf(res *invoker.Response) map[string]any {
	if j.recorded != nil {
		return j.recorded.Value
	}
	return res.Value()
}

// closingLine is the last line of the run's log: what was done, with which
// rule, how it ended and how long it took.
func (a *Agent) closingLine(j *job, out outcome) string {
	var b strings.Builder
	switch {
	case out.err != nil:
		b.WriteString(out.err.Error())
	default:
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

func levelOf(out outcome) string {
	if out.err != nil {
		return LevelError
	}
	return LevelInfo
}

func (a *Agent) count(j *job, out outcome) {
	event := EventInvoked
	if errors.Is(out.err, errInterrupted) {
		event = EventInterrupted
	}
	a.Metrics.Events.WithLabelValues(j.ev.Topic, event).Inc()
	backend := "none"
	if j.req != nil {
		backend = j.req.Backend
	}
	result := "accepted"
	if out.err != nil {
		result = "failed"
	}
	a.Metrics.Invocations.WithLabelValues(backend, result, reasonOf(out)).Inc()
	if out.attempts > 0 {
		a.Metrics.InvocationSeconds.WithLabelValues(backend).Observe(out.took.Seconds())
	}
}

func (a *Agent) logOutcome(j *job, out outcome) {
	line, msg := j.log.Info(), "run invoked"
	if out.err != nil {
		line, msg = j.log.Error().Err(out.err).Str("reason", reasonOf(out)), "run failed"
	}
	if out.res != nil {
		line = line.Int("status", out.res.StatusCode)
	}
	j.about(line).Int("attempt", out.attempts).Float64("duration_ms", milliseconds(out.took)).Msg(msg)
}

// keep puts the end of an invocation on the status page; status is what Port is
// told.
func (j *job) keep(out outcome, status string) {
	r := activity.Run{Result: cmp.Or(status, statusOpen), Attempts: out.attempts, Seconds: out.took.Seconds()}
	if j.run == "" {
		r.Result = StatusSuccess
	}
	if out.err != nil {
		r.Reason = reasonOf(out)
		r.Result = StatusFailure
	}
	if out.res != nil {
		r.Status = out.res.StatusCode
	}
	j.work.Ended(r)
}
