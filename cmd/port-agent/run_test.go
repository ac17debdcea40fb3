package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"port-agent/agent/port/porttest"
)

// Fifty genuine runs among junk and forgeries: each is invoked once and ends
// with its response, nothing else is touched, and everything is committed.
func TestRunsEndToEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	events := syncRuns("", 50)
	forged := porttest.Event{Run: "r_forged", Synchronized: true, URL: w.backend.URL}
	w.publish(events[:25]...)
	for p, junk := range []string{"not json", "[1,2]"} {
		if err := w.kafka.Produce(t.Context(), w.runs(), p, []byte(junk), forged.Record("another secret"), nil, []byte(strings.Repeat("x", 5<<20))); err != nil {
			t.Fatal(err)
		}
	}
	w.publish(events[25:]...)
	agent := w.agent()
	w.waitEnded(events)
	agent.terminate()

	for _, e := range events {
		run, _ := w.port.Run(e.Run)
		if n := w.backend.count(e.Run); n != 1 || run.Status != "SUCCESS" || string(run.Response) != `{"ok":true}` {
			t.Errorf("run %s: %d requests, status %s, response %s; want 1, SUCCESS, {\"ok\":true}", e.Run, n, run.Status, run.Response)
		}
	}
	if n := w.backend.count("r_forged"); n != 0 {
		t.Errorf("the forged run was invoked %d times", n)
	}
	if _, known := w.port.Run("r_forged"); known {
		t.Error("port was told of the forged run")
	}
	w.wantCommitted()
	body, header := w.backend.bodies[events[0].Run], w.backend.headers[events[0].Run]
	mac := hmac.New(sha256.New, []byte(testSecret))
	io.WriteString(mac, header.Get("X-Port-Timestamp")+"."+string(body))
	if got, want := header.Get("X-Port-Signature"), "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)); got != want {
		t.Errorf("X-Port-Signature is %s, want %s", got, want)
	}
	for _, reason := range []string{"malformed", "bad_signature", "oversized"} {
		if n := strings.Count(agent.out.String(), `"reason":"`+reason+`"`); n < 2 {
			t.Errorf("%d warnings with reason %s, want one for each", n, reason)
		}
	}
}

func TestFailedBackendsAreReported(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.backend.on(func(rw http.ResponseWriter, r *http.Request, run string, _ int) {
		switch run {
		case "r_500":
			http.Error(rw, "out of order", http.StatusInternalServerError)
		case "r_slow":
			slow(5*time.Second)(rw, r, run, 1)
		}
	})
	events := []porttest.Event{
		{Run: "r_refused", URL: "http://127.0.0.1:1/hook"},
		{Run: "r_500"},
		{Run: "r_slow"},
	}
	w.publish(events...)
	agent := w.agent("WEBHOOK_INVOKER_TIMEOUT=0.3", "RETRY_MAX_ATTEMPTS=2")
	w.waitEnded(events)
	agent.terminate()
	for run, summary := range map[string]string{
		"r_refused": "POST http://127.0.0.1:1/hook: connection refused",
		"r_500":     "/hook answered 500: out of order",
		"r_slow":    "/hook: timed out after 300ms",
	} {
		got, _ := w.port.Run(run)
		if got.Status != "FAILURE" || !strings.Contains(got.Summary, summary) {
			t.Errorf("%s: status %s, summary %q; want FAILURE with %q", run, got.Status, got.Summary, summary)
		}
		if !hasLine(got.Messages(), "Invocation ended (FAILURE): POST ") {
			t.Errorf("%s: its log %q has no last line", run, got.Messages())
		}
	}
	w.wantCommitted()
}
