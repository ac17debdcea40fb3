package porttest

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ofRun passes a handler the run that the path names.
func (s *Server) ofRun(h func(run *Run, body []byte) answer) handler {
	return func(r *http.Request, body []byte) answer {
		id := r.PathValue("id")
		run, ok := s.runs[id]
		if !ok && s.cfg.KnownOnly {
			return refuse(http.StatusNotFound, "not_found", "the action run with the provided identifier was not found")
		}
		if !ok {
			run = s.add(id)
		}
		if node := strings.HasPrefix(r.URL.Path, "/v1/workflows/"); node != run.Node {
			return refuse(http.StatusNotFound, "not_found", "a run of the other kind")
		}
		defer s.noteEnd(run, run.Ended())
		return h(run, body)
	}
}

var exhausted = refuse(http.StatusUnprocessableEntity, "run_exhausted", "action run already finished execution")

func getRun(run *Run, _ []byte) answer {
	return answer{body: map[string]any{"ok": true, "run": run.object()}}
}

// object is the run as Port shows it.
func (r *Run) object() map[string]any {
	if r.Node {
		return map[string]any{"identifier": r.ID, "status": r.Status, "result": r.Result, "output": r.Output}
	}
	return map[string]any{
		"id": r.ID, "status": r.Status, "statusLabel": r.StatusLabel, "summary": r.Summary,
		"link": r.Links, "externalRunId": r.ExternalRunID, "endedAt": nil, "createdAt": r.made, "payload": r.payload,
	}
}

// pageSize is how many runs Port lists at once.
const pageSize = 1000

// listRuns returns the action runs that go on, the newest first, in pages that
// next leads on from.
func (s *Server) listRuns(r *http.Request, _ []byte) answer {
	query := r.URL.Query()
	limit, err := strconv.Atoi(cmp.Or(query.Get("limit"), strconv.Itoa(pageSize)))
	if err != nil || limit < 1 || limit > pageSize {
		return invalid("limit must be a number from 1 to 1000")
	}
	runs := []map[string]any{}
	answered := map[string]any{"ok": true}
	begun := query.Get("next") == ""
	for _, id := range slices.Backward(s.order) {
		run := s.runs[id]
		begun = begun || id == query.Get("next")
		if !begun || run.Node || query.Get("active") == "true" && run.Ended() {
			continue
		}
		if len(runs) == limit {
			answered["next"] = id
			break
		}
		runs = append(runs, run.object())
	}
	answered["runs"] = runs
	return answer{body: answered}
}

func getLogs(run *Run, _ []byte) answer {
	logs := make([]map[string]any, len(run.Logs))
	for i, l := range run.Logs {
		logs[i] = map[string]any{"runId": run.ID, "message": l.Message, "level": l.Level, "createdAt": l.At}
	}
	if run.Node {
		return answer{body: map[string]any{"ok": true, "logs": logs}}
	}
	return answer{body: map[string]any{"ok": true, "runLogs": logs}}
}

func patchRun(run *Run, body []byte) answer {
	var ask struct {
		Status        *string         `json:"status"`
		StatusLabel   *string         `json:"statusLabel"`
		Link          json.RawMessage `json:"link"`
		Summary       *string         `json:"summary"`
		ExternalRunID *string         `json:"externalRunId"`
	}
	if a := decode(body, &ask); a != nil {
		return *a
	}
	if run.Ended() {
		return exhausted
	}
	if ask.Status != nil && !final(*ask.Status) {
		return invalid("status must be SUCCESS or FAILURE")
	}
	links, ok := parseLinks(ask.Link)
	if !ok {
		return invalid("link must be a string or a list of strings")
	}
	if links != nil {
		run.Links = links
	}
	set(&run.Status, ask.Status)
	set(&run.StatusLabel, ask.StatusLabel)
	set(&run.Summary, ask.Summary)
	set(&run.ExternalRunID, ask.ExternalRunID)
	return answer{}
}

// final reports whether an action run can be given that status.
func final(status string) bool { return status == "SUCCESS" || status == "FAILURE" }

func set(field, value *string) {
	if value != nil {
		*field = *value
	}
}

func parseLinks(raw json.RawMessage) ([]string, bool) {
	if raw == nil {
		return nil, true
	}
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return []string{one}, true
	}
	var many []string
	err := json.Unmarshal(raw, &many)
	return many, err == nil
}

func patchResponse(run *Run, body []byte) answer {
	var ask struct {
		Response json.RawMessage `json:"response"`
	}
	if a := decode(body, &ask); a != nil {
		return *a
	}
	if len(ask.Response) == 0 || !strings.ContainsRune(`{["`, rune(ask.Response[0])) {
		return invalid("response must be an object, a list or text")
	}
	run.Response = ask.Response
	return answer{}
}

func (s *Server) postLog(run *Run, body []byte) answer {
	var ask struct {
		Message     *string `json:"message"`
		Status      *string `json:"terminationStatus"`
		StatusLabel *string `json:"statusLabel"`
	}
	if a := decode(body, &ask); a != nil {
		return *a
	}
	if run.Ended() {
		run.LateLogs++
		return exhausted
	}
	if ask.Message == nil {
		return invalid("message is required")
	}
	if ask.Status != nil && !final(*ask.Status) {
		return invalid("terminationStatus must be SUCCESS or FAILURE")
	}
	s.keep(run, "", *ask.Message)
	set(&run.Status, ask.Status)
	set(&run.StatusLabel, ask.StatusLabel)
	return answer{status: http.StatusCreated}
}

func (s *Server) postNodeLogs(run *Run, body []byte) answer {
	var ask struct {
		Logs []struct {
			Level   string `json:"level"`
			Message string `json:"message"`
		} `json:"logs"`
	}
	if a := decode(body, &ask); a != nil {
		return *a
	}
	if run.Ended() {
		run.LateLogs++
		return exhausted
	}
	if len(ask.Logs) == 0 {
		return invalid("logs is required")
	}
	for _, l := range ask.Logs {
		switch l.Level {
		case "INFO", "WARN", "ERROR", "DEBUG":
		default:
			return invalid("level must be INFO, WARN, ERROR or DEBUG")
		}
	}
	for _, l := range ask.Logs {
		s.keep(run, l.Level, l.Message)
	}
	return answer{status: http.StatusCreated}
}

func (s *Server) keep(run *Run, level, message string) {
	if !s.cfg.NoHistory {
		run.Logs = append(run.Logs, Log{Level: level, Message: message, At: time.Now()})
	}
}

func patchNode(run *Run, body []byte) answer {
	var ask struct {
		Status string          `json:"status"`
		Result string          `json:"result"`
		Output json.RawMessage `json:"output"`
	}
	if a := decode(body, &ask); a != nil {
		return *a
	}
	if run.Ended() {
		return exhausted
	}
	switch {
	case ask.Status != Completed && ask.Status != InProgress:
		return invalid("status must be COMPLETED or IN_PROGRESS")
	case ask.Status == Completed && ask.Result != "SUCCESS" && ask.Result != "FAILED" && ask.Result != "CANCELLED":
		return invalid("result must be SUCCESS, FAILED or CANCELLED")
	}
	run.Status, run.Result = ask.Status, ask.Result
	if ask.Output != nil {
		run.Output = ask.Output
	}
	return answer{}
}
