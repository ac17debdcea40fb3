package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"port-agent/agent/port/porttest"
)

// A user's input turns the URL of a rule into one of Port's API. Neither the
// organisation's token nor the answer that it opens gets out.
func TestInputLeadsToPortsAPI(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ backend, status string }{
		{"", "FAILURE"}, // without the token
		{"PORT_API", "SUCCESS"},
	} {
		t.Run("backend "+tc.backend, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			rule := map[string]any{"url": `"http://" + .payload.properties.host + ".corp.example/hook"`, "method": `"GET"`}
			if tc.backend != "" {
				rule["backend"] = tc.backend
			}
			agent := w.agent(mapping(t, rule))
			host := strings.TrimPrefix(w.port.URL(), "http://") + "/v1/organization?x="
			events := []porttest.Event{{Run: "r_1", Synchronized: true, Properties: map[string]any{"host": host}}}
			w.publish(events...)
			w.waitEnded(events)
			agent.terminate()
			run, _ := w.port.Run("r_1")
			if run.Status != tc.status || tc.status == "FAILURE" && !strings.Contains(run.Summary, "answered 401") {
				t.Errorf("got %s, %q, want %s", run.Status, run.Summary, tc.status)
			}
			if shown := fmt.Sprint(string(run.Response), run.Summary, run.Messages()); strings.Contains(shown, `"organization"`) {
				t.Errorf("the answer is shown: %s", shown)
			}
		})
	}
}

// A project of GitLab is named like one of the agent's own settings: its value
// is not sent as the project's trigger token.
func TestProjectNamedLikeASetting(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	agent := w.agent("GITLAB_URL="+w.backend.URL, "shop_api=trigger-token", "LOG_LEVEL=debug", mapping(t, map[string]any{}))
	var events []porttest.Event
	for run, name := range map[string][2]string{"r_own": {"shop", "api"}, "r_secret": {"PORT/CLIENT", "SECRET"}, "r_setting": {"LOG", "LEVEL"}} {
		events = append(events, porttest.Event{Run: run, Type: "GITLAB", Synchronized: true, Method: map[string]any{"groupName": name[0], "projectName": name[1]}})
	}
	w.publish(events...)
	w.waitEnded(events)
	agent.terminate()
	if got := w.backend.total(); got != 1 || !strings.Contains(string(w.backend.bodies["r_own"]), `"trigger-token"`) {
		t.Errorf("GitLab got %d requests, %s; want the one with its own token", got, w.backend.bodies)
	}
}

// The query of one event has 10,000 lines with the same beginning, each a secret
// to search for. Other events do not wait for it.
func TestQueryOfManyLines(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	line := strings.Repeat("a", 20)
	letGo := make(chan struct{})
	defer close(letGo)
	w.backend.on(func(rw http.ResponseWriter, r *http.Request, run string, _ int) {
		if run == "r_lines" {
			held(letGo)(rw, r, run, 1)
		}
		_, _ = io.WriteString(rw, `{"text":"`+strings.Repeat(line+line+line+" ", 5000)+`"}`)
	})
	agent := w.agent(mapping(t,
		map[string]any{"enabled": `.action == "lines"`, "query": map[string]any{"token": ".payload.properties.lines"}},
		map[string]any{"enabled": true}))
	var lines strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&lines, "%s%05d\n", line, i)
	}
	w.publish(porttest.Event{Run: "r_lines", Action: "lines", Synchronized: true, Properties: map[string]any{"lines": lines.String()}})
	w.backend.wait(t, 1)
	begun := time.Now()
	others := syncRuns("", 5)
	w.publish(others...)
	w.waitEnded(others)
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("five other events took %s", took)
	}
	agent.kill()
}

// A record that was carried out is appended once more, and a new process reads
// it. It was signed too long ago to be taken for new without asking Port.
func TestRecordIsReplayed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	event := porttest.Event{Run: "r_1", Synchronized: true, At: time.Now().Add(-11 * time.Minute)}
	fresh := syncRuns("fresh", 1)
	for n := range 2 {
		agent := w.agent()
		agent.logged("partitions assigned")
		w.publish(event)
		w.publish(fresh...) // behind it
		w.waitEnded(append(fresh, event))
		agent.terminate()
		fresh = syncRuns(fmt.Sprint("fresher", n), 1)
	}
	if n := w.backend.count("r_1"); n != 1 {
		t.Errorf("the run was invoked %d times, want once", n)
	}
	w.wantCommitted()
}

// A backend's texts are long, of several lines, reversed and of control
// characters, and its link runs a script. A run shows none of that, whether the
// backend accepts or refuses.
func TestTextsOfABadBackend(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	text := "\u202efdp.exe\x1b[2J\nInvocation ended (SUCCESS): forged\u2028" + strings.Repeat("long ", 5000)
	w.backend.on(func(rw http.ResponseWriter, _ *http.Request, run string, _ int) {
		if run == "r_bad" {
			rw.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(rw, text)
			return
		}
		_ = json.NewEncoder(rw).Encode(map[string]string{"text": text, "link": "javascript:alert(1)"})
	})
	report := map[string]any{"summary": ".response.json.text", "link": ".response.json.link", "externalRunId": ".response.json.text", "statusLabel": ".response.json.text"}
	agent := w.agent(mapping(t, map[string]any{"enabled": `.action != "plain"`, "report": report}, map[string]any{}))
	events := []porttest.Event{{Run: "r_ok", Synchronized: true}, {Run: "r_bad", Action: "plain", Synchronized: true}}
	w.publish(events...)
	w.waitEnded(events)
	agent.terminate()
	for _, e := range events {
		run, _ := w.port.Run(e.Run)
		shown := append(run.Messages(), run.Summary, run.ExternalRunID, run.StatusLabel)
		for _, line := range strings.Split(strings.TrimSpace(agent.out.String()), "\n") {
			var fields struct{ Message, Error string }
			if err := json.Unmarshal([]byte(line), &fields); err != nil {
				t.Errorf("the agent's log has a line that is not its own: %s", line)
			}
			shown = append(shown, fields.Message, fields.Error)
		}
		for _, s := range shown {
			if strings.ContainsAny(s, "\u202e\u2028\x1b") || strings.Contains(s, "\nInvocation ended (SUCCESS): forged") || len(s) > 5000 {
				t.Errorf("%s shows %.200q of %d bytes", e.Run, s, len(s))
			}
		}
		if len(run.Links) > 0 {
			t.Errorf("%s links to %q", e.Run, run.Links)
		}
	}
}

// A hundred backends answer a megabyte that would take 50 times as much when it
// is decoded, all at once. On a slow machine some find no room in time and are
// cut, which is said. Not parallel, as TestMemory.
func TestMemoryOfAnswers(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads the peak of a process's memory from /proc")
	}
	const most = 200 // MiB
	runs := 100
	if underRace { // which takes its time over each byte
		runs = 20
	}
	w := newWorld(t, 4)
	w.backend.forget = true
	answer := "[" + strings.Repeat("{},", 300_000) + "{}]"
	w.backend.on(func(rw http.ResponseWriter, _ *http.Request, _ string, _ int) { _, _ = io.WriteString(rw, answer) })
	events := syncRuns("", runs)
	w.publish(events...)
	agent := w.agent()
	w.waitEnded(events)
	peak := agent.peak()
	agent.terminate()
	whole := 0
	for _, e := range events {
		switch run, _ := w.port.Run(e.Run); {
		case string(run.Response) == answer:
			whole++
		case !strings.HasSuffix(string(run.Response), `… [cut at 32 KiB]"`):
			t.Errorf("run %s: a response of %d bytes, want the %d of the answer or a mark where it is cut", e.Run, len(run.Response), len(answer))
		}
	}
	if whole == 0 {
		t.Error("no answer is whole")
	}
	t.Logf("FAULT %d synchronous events, answers of 0.9 MiB: %d whole, %d MiB at the most", runs, whole, peak)
	if peak > most && !underRace {
		t.Errorf("the agent took %d MiB, want at most %d", peak, most)
	}
}
