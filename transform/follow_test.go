package transform

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

const followIn = `{"body":{"id":"r_1"},"request":{"url":"https://h/"},"response":{"json":{"id":7,"url":null}},
	"poll":{"statusCode":200,"json":{"state":"ok","log":["a",null,"b"],"n":3}}}`

func followRule(t *testing.T, follow string) *Follow {
	t.Helper()
	return parse(t, `[{"name":"n","follow":`+follow+`}]`, Config{}).Rules[0].Follow
}

func TestFollowKinds(t *testing.T) {
	t.Parallel()
	if f := parse(t, `[{"name":"n"}]`, Config{}).Rules[0].Follow; f != nil {
		t.Errorf("a rule without follow gives %+v", f)
	}
	if f := followRule(t, `false`); !f.Off || f.Generic() {
		t.Errorf("false gives %+v", f)
	}
	if f := followRule(t, `true`); f.Off || f.Generic() {
		t.Errorf("true gives %+v", f)
	}
	f := followRule(t, `{"interval": 0.5, "timeout": 90000, "success": ["SUCCESS", "UNSTABLE"], "project": ".body.id"}`)
	if f.Off || f.Generic() || f.Interval != time.Second/2 || f.Timeout != 25*time.Hour || strings.Join(f.Success, " ") != "SUCCESS UNSTABLE" {
		t.Errorf("got %+v", f)
	}
	if project, err := f.Project(t.Context(), decode(t, followIn)); err != nil || project == nil || *project != "r_1" {
		t.Errorf("project %v, %v", project, err)
	}
}

func TestFollowPlace(t *testing.T) {
	t.Parallel()
	tests := []struct{ url, want, err string }{
		{`"https://h/runs/\(.response.json.id)"`, "https://h/runs/7", ""},
		{`.response.json.url`, "", ""},
		{`.response.json.id`, "", `rule 0 "n", field follow.url: gave a number, not text`},
		{`.body.id.x`, "", `rule 0 "n", field follow.url: expected an object but got: string`},
	}
	for _, test := range tests {
		f := followRule(t, `{"done": "true", "url": `+asJSON(test.url)+`}`)
		got, err := f.Place(t.Context(), decode(t, followIn))
		if (err == nil) != (test.err == "") || err != nil && err.Error() != test.err {
			t.Errorf("%s: error %v, want %s", test.url, err, test.err)
		}
		if (got == nil) != (test.want == "") || got != nil && *got != test.want {
			t.Errorf("%s gives %v, want %q", test.url, got, test.want)
		}
	}
}

func TestFollowRequest(t *testing.T) {
	t.Parallel()
	tests := []struct{ follow, want, err string }{
		{``, `{"URL":null,"Method":"GET","Headers":null,"Query":null,"Body":null,"HasBody":false}`, ""},
		{`"method": "\"post\"", "headers": {"A": "env.TOKEN", "B": ".response.json.url"}, "body": {"id": ".body.id"}`,
			`{"URL":null,"Method":"POST","Headers":{"A":"tok"},"Query":null,"Body":{"id":"r_1"},"HasBody":true}`, ""},
		{`"method": ".request.method"`, `{"URL":null,"Method":"GET","Headers":null,"Query":null,"Body":null,"HasBody":false}`, ""},
		{`"method": "\"DE\" + \"LETE\""`, "", `rule 0 "n", field follow.method: gave neither GET nor POST`},
		{`"headers": {"A": "[]"}`, "", `rule 0 "n", field follow.headers.A: gave a list; a header is text, a number or a boolean`},
	}
	for _, test := range tests {
		follow := `{"url": "\"https://h/\"", "done": "true"`
		if test.follow != "" {
			follow += ", " + test.follow
		}
		req, _, err := followRule(t, follow+"}").Request(t.Context(), decode(t, followIn))
		if err != nil {
			if err.Error() != test.err {
				t.Errorf("%s: error %v, want %s", test.follow, err, test.err)
			}
			continue
		}
		if got, _ := json.Marshal(req); string(got) != test.want || test.err != "" {
			t.Errorf("%s gives %s, want %s%s", test.follow, got, test.want, test.err)
		}
	}
}

func TestFollowProgress(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, follow, want, err string
		warnings                int
	}{
		{"not over", `"done": ".poll.json.end"`, `{"Done":false,"Status":"","StatusLabel":"","Summary":"","Link":null,"Log":null}`, "", 0},
		{"over", `"done": ".poll.json.state == \"ok\""`, `{"Done":true,"Status":"SUCCESS","StatusLabel":"","Summary":"","Link":null,"Log":null}`, "", 0},
		{"all", `"done": "true", "status": "\"FAILURE\"", "statusLabel": ".poll.json.n", "summary": "\"run \\(.body.id)\"", "link": [".request.url"], "log": ".poll.json.log"`,
			`{"Done":true,"Status":"FAILURE","StatusLabel":"3","Summary":"run r_1","Link":["https://h/"],"Log":["a","b"]}`, "", 0},
		{"one line", `"done": "false", "log": "\"x\""`, `{"Done":false,"Status":"","StatusLabel":"","Summary":"","Link":null,"Log":["x"]}`, "", 0},
		{"status is read when done", `"done": "false", "status": "error"`, `{"Done":false,"Status":"","StatusLabel":"","Summary":"","Link":null,"Log":null}`, "", 0},
		{"others fail", `"done": "false", "summary": ".body.id.x", "log": ".body.id.x", "link": ".body.id.x", "statusLabel": ".body.none"`,
			`{"Done":false,"Status":"","StatusLabel":"","Summary":"","Link":null,"Log":null}`, "", 3},
		{"done fails", `"done": ".body.id.x"`, "", `rule 0 "n", field follow.done: expected an object but got: string`, 0},
		{"done is text", `"done": "\"true\""`, "", `rule 0 "n", field follow.done: gave text, neither true nor false`, 0},
		{"status is unknown", `"done": "true", "status": ".poll.json.state"`, "", `rule 0 "n", field follow.status: gave neither SUCCESS nor FAILURE`, 0},
		{"status is null", `"done": "true", "status": ".poll.none"`, "", `rule 0 "n", field follow.status: gave neither SUCCESS nor FAILURE`, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := followRule(t, `{"url": "\"https://h/\"", `+test.follow+`}`)
			p, warnings, err := f.Progress(t.Context(), decode(t, followIn))
			if err != nil {
				var failed *ExprError
				if !errors.As(err, &failed) || err.Error() != test.err {
					t.Errorf("error %v, want %s", err, test.err)
				}
				return
			}
			if got, _ := json.Marshal(p); string(got) != test.want || test.err != "" || len(warnings) != test.warnings {
				t.Errorf("got %s, %v; want %s%s and %d warnings", got, warnings, test.want, test.err, test.warnings)
			}
		})
	}
}

func TestCheckFollow(t *testing.T) {
	t.Parallel()
	tests := []struct{ follow, want string }{
		{`{"url": "\"https://h\"", "done": ".poll.json.x"}`, ""},
		{`1`, `follow: is a number, neither a boolean nor an object`},
		{`{"url": "\"https://h\""}`, `follow: has url, but no done: the run would never end; "done" is jq on .poll that gives true when it is over`},
		{`{"done": ".poll ="}`, `follow.done: the expression ends too early; follow.done: is ignored without url: the backend's own follower works`},
		{`{"url": "1", "done": "1", "success": ["A"]}`, `follow.success: is ignored beside url`},
		{`{"success": [], "interval": 0, "timeout": 604801}`, `follow.interval: is 0: it must be more than 0 and at most 86400 seconds; follow.timeout: is 604801: it must be more than 0 and at most 604800 seconds; follow.success: is an empty list of end states`},
		{`{"url": "1", "done": "1", "headers": {"A": ".response.json.token"}, "body": {"x": [".\"response\""]}}`,
			`follow.headers.A: .response is gone after a restart of the agent: it is null in the polls after that; read it in url, or take it from .body or env; follow.body.x[0]: .response is gone after a restart of the agent: it is null in the polls after that; read it in url, or take it from .body or env`},
		{`{"intervall": 5}`, `follow: unknown key "intervall" is ignored; did you mean "interval"?`},
	}
	for _, test := range tests {
		var got []string
		for _, f := range check(`[{"follow": `+test.follow+`}]`, testEnv) {
			if f.Line == 0 {
				t.Errorf("%s has no place", f)
			}
			f.File, f.Rule, f.Warning = "", -1, false
			got = append(got, f.Error())
		}
		if s := strings.Join(got, "; "); s != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", test.follow, s, test.want)
		}
	}
}
