package porttest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"port-agent/agent/port/porttest"
)

// call makes one call with a token of its own and returns the status code, 0
// where there is no answer.
func call(t *testing.T, s *porttest.Server, route, body string) int {
	t.Helper()
	send := func(method, path, body, token string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), method, "http://port.test"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("X-Port-Reserved-Usage", "true")
		res, err := s.Transport().RoundTrip(req)
		if err != nil {
			return 0, ""
		}
		text, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(text)
	}
	_, answer := send("POST", "/v1/auth/access_token", `{"clientId":"client","clientSecret":"secret"}`, "")
	_, token, _ := strings.Cut(answer, `"accessToken":"`)
	token, _, _ = strings.Cut(token, `"`)
	method, path, _ := strings.Cut(route, " ")
	code, _ := send(method, path, body, token)
	return code
}

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, route, body string
		want              int
	}{
		{"status", "PATCH /v1/actions/runs/r_1", `{"status":"SUCCESS"}`, 200},
		{"unknown status", "PATCH /v1/actions/runs/r_1", `{"status":"DONE"}`, 422},
		{"status that only Port gives", "PATCH /v1/actions/runs/r_1", `{"status":"IN_PROGRESS"}`, 422},
		{"key that Port does not know", "PATCH /v1/actions/runs/r_1", `{"status":"SUCCESS","state":"x"}`, 422},
		{"line that ends the run", "POST /v1/actions/runs/r_1/logs", `{"message":"m","terminationStatus":"SUCCESS","statusLabel":"l"}`, 201},
		{"line with an unknown status", "POST /v1/actions/runs/r_1/logs", `{"message":"m","terminationStatus":"IN_PROGRESS"}`, 422},
		{"line with a key that Port does not know", "POST /v1/actions/runs/r_1/logs", `{"message":"m","level":"INFO"}`, 422},
		{"response", "PATCH /v1/actions/runs/r_1/response", `{"response":[1]}`, 200},
		{"response that is a number", "PATCH /v1/actions/runs/r_1/response", `{"response":1}`, 422},
		{"response that is null", "PATCH /v1/actions/runs/r_1/response", `{"response":null}`, 422},
		{"list without a limit", "GET /v1/actions/runs?active=true", ``, 200},
		{"list with too large a limit", "GET /v1/actions/runs?limit=1001", ``, 422},
		{"link of another type", "PATCH /v1/actions/runs/r_1", `{"link":1}`, 422},
		{"status of a run that has ended", "PATCH /v1/actions/runs/r_ended", `{"status":"SUCCESS"}`, 422},
		{"log of a run that has ended", "POST /v1/actions/runs/r_ended/logs", `{"message":"m"}`, 422},
		{"log without a message", "POST /v1/actions/runs/r_1/logs", `{}`, 422},
		{"run that nobody knows", "PATCH /v1/actions/runs/r_2", `{"status":"SUCCESS"}`, 404},
		{"node run as an action run", "PATCH /v1/actions/runs/wfnr_1", `{"status":"SUCCESS"}`, 404},
		{"node run", "PATCH /v1/workflows/nodes/runs/wfnr_1", `{"status":"COMPLETED","result":"FAILED"}`, 200},
		{"node run without a result", "PATCH /v1/workflows/nodes/runs/wfnr_1", `{"status":"COMPLETED"}`, 422},
		{"level that is none", "POST /v1/workflows/nodes/runs/wfnr_1/logs", `{"logs":[{"level":"LOUD","message":"m"}]}`, 422},
		{"claim without a limit", "POST /v1/actions/runs/claim-pending", `{"installationId":"_PORT_EXEC_AGENT","invocationMethod":"WEBHOOK"}`, 422},
		{"ack of what was not claimed", "PATCH /v1/actions/runs/ack", `{"runIds":["r_1"]}`, 409},
		{"not JSON", "PATCH /v1/actions/runs/r_1", `{`, 422},
		{"too long", "PATCH /v1/actions/runs/r_1/response", `{"response":"` + strings.Repeat("x", 1<<20) + `"}`, 413},
		{"no such route", "GET /v1/nothing", ``, 404},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var faults []string
			s := porttest.New(porttest.Config{KnownOnly: true, Errorf: func(format string, args ...any) {
				faults = append(faults, fmt.Sprintf(format, args...))
			}})
			s.AddRun("r_1")
			s.AddRun("wfnr_1")
			s.End("r_ended", "FAILURE")
			if got := call(t, s, test.route, test.body); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
			fault := test.want == 413 || test.want == 422 && !strings.Contains(test.route, "r_ended")
			if (len(faults) > 0) != fault {
				t.Errorf("told of %q, want it only where the call's form is wrong", faults)
			}
		})
	}
}

func TestFaultsInOrder(t *testing.T) {
	t.Parallel()
	s := porttest.New(porttest.Config{})
	for _, f := range []porttest.Fault{{Times: 2, Status: 503}, {Times: 1, Refuse: true}, {Times: 1, LoseAnswer: true}} {
		s.Fault(porttest.RouteStatus, f)
	}
	for i, want := range []int{503, 503, 0, 0, 422} {
		if got := call(t, s, "PATCH /v1/actions/runs/r_1", `{"status":"SUCCESS"}`); got != want {
			t.Errorf("call %d: got %d, want %d", i, got, want)
		}
	}
	if run, _ := s.Run("r_1"); !run.Succeeded() || s.Ended() != 1 {
		t.Errorf("got status %s, want the one whose answer was lost", run.Status)
	}
}

func TestWait(t *testing.T) {
	t.Parallel()
	s := porttest.New(porttest.Config{})
	done := make(chan error, 1)
	go func() {
		_, err := s.Wait(t.Context(), "r_1", porttest.Run.Ended)
		done <- err
	}()
	call(t, s, "POST /v1/actions/runs/r_1/logs", `{"message":"m"}`)
	call(t, s, "PATCH /v1/actions/runs/r_1", `{"status":"FAILURE"}`)
	if err := <-done; err != nil {
		t.Error(err)
	}
	stop := errors.New("time is up")
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, stop)
	defer cancel()
	if err := s.WaitEnded(ctx, 2); !errors.Is(err, stop) {
		t.Errorf("got %v, want the cause", err)
	}
}

// A server that is closed leaves no call behind that hangs.
func TestCloseLetsGo(t *testing.T) {
	t.Parallel()
	s := porttest.NewServer(porttest.Config{})
	s.Fault(porttest.All, porttest.Fault{Hang: true})
	done := make(chan error, 1)
	go func() {
		res, err := http.Get(s.URL() + "/v1/organization")
		if err == nil {
			err = errors.New("answered " + res.Status)
			res.Body.Close()
		}
		done <- err
	}()
	for s.Count("GET /v1/organization") == 0 { // a call that hangs changes no run, so there is nothing to wait for
		runtime.Gosched()
	}
	s.Close()
	if err := <-done; err == nil || strings.Contains(err.Error(), "answered") {
		t.Errorf("got %v, want the connection closed", err)
	}
}
