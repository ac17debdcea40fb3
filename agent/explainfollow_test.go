package agent

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"port-agent/invoker"
	"port-agent/invoker/follow"
)

const followMapping = `[{"url": "\"https://ci.internal/jobs\"", "report": {"link": ".response.json.url"}, "follow": {
	"url": ".response.json.url", "headers": {"Authorization": "\"Bearer token-of-the-rule\""},
	"done": ".poll.json.ended", "status": "if .poll.json.ok then \"SUCCESS\" else \"FAILURE\" end",
	"statusLabel": ".poll.json.state", "summary": ".poll.json.why", "log": ".poll.json.lines"}}]`

// TestExplainFollow looks at recorded answers of a pipeline.
func TestExplainFollow(t *testing.T) {
	t.Parallel()
	const trigger = `{"url":"https://ci.internal/jobs/7"}`
	const place = "rule https://ci.internal/jobs/7"
	line := func(level, text string) LogLine { return LogLine{Level: level, Message: text} }
	tests := []struct {
		name     string
		mapping  string
		mode     string
		members  []any
		response string
		polls    []string
		place    string
		warning  string // in its text; empty: there is none
		want     *Report
		status   string // of the report of the trigger
	}{
		{name: "no poll", response: trigger, place: place},
		{name: "goes on", response: trigger, polls: []string{`{"state":"building","lines":["checked out","built"]}`}, place: place,
			want: &Report{StatusLabel: "building", Lines: []LogLine{line(LevelInfo, "checked out"), line(LevelInfo, "built")}}},
		{name: "succeeded", response: trigger, polls: []string{`{"ended":true,"ok":true,"why":"all green"}`}, place: place,
			want: &Report{Status: StatusSuccess, Summary: "all green", Lines: []LogLine{line(LevelInfo, closing(StatusSuccess, "all green"))}}},
		{name: "failed", response: trigger, polls: []string{`{"ended":true,"why":"stage Deploy"}`}, place: place,
			want: &Report{Status: StatusFailure, Summary: "stage Deploy", Lines: []LogLine{line(LevelError, closing(StatusFailure, "stage Deploy"))}}},
		{name: "synchronous, ends with its pipeline", members: []any{synchronized, true}, response: trigger, place: place},
		{name: "done fails", response: trigger, polls: []string{`{"ended":"soon"}`}, place: place, warning: "neither true nor false"},
		{name: "no place", response: `{}`, polls: []string{`{}`}, warning: "follow.url gave null"},
		{name: "switched off", mode: "off", response: trigger, polls: []string{`{}`}},
		{name: "nothing to follow", mapping: `[{"url": "\"https://ci.internal/jobs\""}]`, response: trigger, polls: []string{`{}`}},
		{name: "nothing to follow, synchronous", mapping: `[{"url": "\"https://ci.internal/jobs\""}]`, members: []any{synchronized, true}, response: trigger, status: StatusSuccess},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.mapping == "" {
				tt.mapping = followMapping
			}
			e := explainer(newFixture(t, tt.mapping))
			e.Follower = follow.New(follow.Config{Mode: tt.mode, TimeoutSeconds: 60}, &tape{answers: tt.polls})
			x, err := e.Explain(t.Context(), runEvent(t, "r_1", tt.members...).Record, recorded(answered(200, tt.response)), len(tt.polls) > 0)
			if err != nil {
				t.Fatal(err)
			}
			if x.Pipeline != tt.place {
				t.Errorf("pipeline = %q, want %q", x.Pipeline, tt.place)
			}
			if !reflect.DeepEqual(x.Poll, tt.want) {
				t.Errorf("report = %+v\nwant %+v", x.Poll, tt.want)
			}
			if x.Report.Status != tt.status {
				t.Errorf("status of the trigger = %q, want %q", x.Report.Status, tt.status)
			}
			var said string
			for _, w := range x.Warnings {
				said += w.Message
			}
			if !strings.Contains(said, tt.warning) || (said == "") != (tt.warning == "") {
				t.Errorf("warnings = %q, want %q", said, tt.warning)
			}
		})
	}
}

// tape answers looks in order.
type tape struct {
	follow.Invoker
	answers []string
}

func (t *tape) Fetch(context.Context, invoker.FetchRequest) (*invoker.Response, error) {
	if len(t.answers) == 0 {
		return nil, errors.New("no answer is recorded")
	}
	res := answered(200, t.answers[0])
	t.answers = t.answers[1:]
	return res, nil
}

func (t *tape) Credential(string) *invoker.Credential { return nil }

func (t *tape) Seal(string) string { return "seal" }
