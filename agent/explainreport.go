package agent

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"port-agent/agent/redact"
	"port-agent/invoker"
	"port-agent/transform"
)

// Answer is a recorded answer of a backend, as a file holds it. Of text and
// json either may be missing; what is missing is made from the other.
type Answer struct {
	StatusCode int               `json:"statusCode"` // 0: 200
	Headers    map[string]string `json:"headers"`
	Text       string            `json:"text"`
	JSON       json.RawMessage   `json:"json"`
}

func (a *Answer) hasJSON() bool { return len(a.JSON) > 0 && string(a.JSON) != "null" }

// response is the answer as it came in. Where text and json are not the same,
// a success takes the json, of which a backend reads link and id, and a
// failure the text, which its summary quotes.
func (a *Answer) response() *invoker.Response {
	res := &invoker.Response{StatusCode: a.StatusCode, Header: make(http.Header, len(a.Headers)), Body: []byte(a.Text)}
	if res.StatusCode == 0 {
		res.StatusCode = http.StatusOK
	}
	for name, value := range a.Headers {
		res.Header.Set(name, value)
	}
	if !a.hasJSON() || a.Text != "" && res.StatusCode/100 != 2 {
		return res
	}
	given := invoker.Response{Body: a.JSON}
	v, _ := given.JSON()
	if text, ok := res.JSON(); !ok || !reflect.DeepEqual(text, v) {
		res.Body = a.JSON
	}
	return res
}

// value is the answer as expressions of a report see it.
func (a *Answer) value() map[string]any {
	v := a.response().Value()
	if a.Text != "" {
		v["text"] = a.Text
	}
	if a.hasJSON() {
		given := invoker.Response{Body: a.JSON}
		v["json"], _ = given.JSON()
	}
	return v
}

// report fills in what Port would be told. Of an event without a run Port is
// told nothing; then it is what the rule's report alone gives.
func (e *Explainer) report(ctx context.Context, x *Explanation, answer *Answer, polls []Answer) {
	out := outcome{err: x.Err}
	look := func(*Report) {}
	if x.Err == nil {
		if answer == nil || x.Request == nil {
			return
		}
		out.res = answer.response()
		out.err = e.Invoker.Judge(x.Request, out.res)
		x.Refused = out.err
		x.Retried, _ = invoker.Retryable(out.err, x.Request, x.retryStatuses())
		if out.err == nil && x.Run != "" {
			look = e.follow(ctx, x, answer, out.res, polls)
			out.followed = x.Followed.Place != ""
		}
	}
	// An agent of its own: its counters and its log are thrown away.
	a := &Agent{Deps: Deps{Redactor: redact.New(), Metrics: NewMetrics(prometheus.NewRegistry(), "")}, log: zerolog.Nop()}
	j := &job{ev: &Event{}, run: x.Run, sync: x.Sync, rule: new(transform.Rule), req: x.Request, redactor: a.Redactor, log: a.log}
	rep := a.compose(j, out)
	if x.Run == "" {
		rep = new(Report)
	}
	if out.res != nil {
		fields, warnings := x.Rule.Report(ctx, map[string]any{"body": x.Root, "request": x.Request.Value(), "response": answer.value()})
		x.Warnings = append(x.Warnings, warnings...)
		a.overrideReport(j, fields, rep)
		finish(j, rep)
		for _, note := range j.notes {
			x.Warnings = append(x.Warnings, transform.Warning{Field: "report.status", Message: strings.TrimPrefix(note, "Mapping: ")})
		}
	}
	if IsNodeRun(x.Run) {
		*rep = nodeReport(*rep)
	}
	look(rep)
	x.Warnings = append(x.Warnings, x.Followed.warnings()...)
	x.Report = rep
}

func (x *Explanation) retryStatuses() []int {
	if x.Rule.Retry == nil {
		return nil
	}
	return x.Rule.Retry.Statuses
}

// nodeReport leaves of a report what a workflow node run has room for: how it
// ended and, of a failure, why.
func nodeReport(rep Report) Report {
	if rep.Status == "" {
		return Report{}
	}
	node := Report{Status: rep.Status, Response: rep.Response, StatusCode: rep.StatusCode}
	if rep.Status == StatusFailure {
		node.Summary = rep.Summary
	}
	return node
}
