package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"port-agent/agent/port/porttest"
	"port-agent/cmd/app/status"
)

// statusAddr is a free address, for an agent's status.
func statusAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// statusOf reads an agent's status.
func statusOf(t *testing.T, addr string) (*status.Status, error) {
	t.Helper()
	res, err := http.Get("http://" + addr + "/status.json")
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var s status.Status
	return &s, json.NewDecoder(res.Body).Decode(&s)
}

// says waits until the status at addr has a sentence with text.
func says(t *testing.T, addr, text string) *status.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	last := ""
	for tick := time.NewTicker(50 * time.Millisecond); ; {
		if s, err := statusOf(t, addr); err == nil {
			if last = s.Health.Sentence; strings.Contains(last, text) {
				tick.Stop()
				return s
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("the status says %q, want %q", last, text)
		}
	}
}

// TestStatusNamesTheFault breaks one thing at a time.
func TestStatusNamesTheFault(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		env   func(w *world) []string
		fault func(w *world)
		want  string
	}{
		{name: "nothing", want: "working"},
		{
			name: "Kafka away",
			env: func(w *world) []string {
				return []string{"KAFKA_CONSUMER_BOOTSTRAP_SERVERS=" + newGate(w.t).addr}
			},
			want: "Kafka is not reached, so no events come in: ",
		},
		{
			name: "topic missing",
			env:  func(*world) []string { return []string{"KAFKA_RUNS_TOPIC=org.misspelt"} },
			want: "the topic org.misspelt is not found, so no runs come in",
		},
		{
			name: "credentials refused",
			fault: func(w *world) {
				w.port.ExpireTokens()
				w.port.Fault(porttest.RouteToken, porttest.Fault{Status: 401})
				w.publish(porttest.Event{Run: "r_1", Synchronized: true})
			},
			want: "Port refuses PORT_CLIENT_ID and PORT_CLIENT_SECRET",
		},
		{
			name: "429",
			fault: func(w *world) {
				w.port.Fault(porttest.All, porttest.Fault{Status: 429, Header: http.Header{"Retry-After": {"60"}}})
				w.publish(porttest.Event{Run: "r_1", Synchronized: true})
			},
			want: "Port's rate limit is used up (429)",
		},
		{
			name: "one host hangs",
			env:  func(*world) []string { return []string{"MAX_IN_FLIGHT_PER_HOST=2"} },
			fault: func(w *world) {
				w.backend.on(held(w.t.Context().Done()))
				w.publish(syncRuns("hang", 4)...)
			},
			want: " hangs: 2 requests without an answer",
		},
		{
			name: "window full",
			env:  func(*world) []string { return []string{"MAX_IN_FLIGHT_PER_HOST=1"} },
			fault: func(w *world) {
				w.backend.on(func(rw http.ResponseWriter, r *http.Request, run string, n int) {
					select { // below what counts as hanging, and never through
					case <-time.After(3 * time.Second):
					case <-r.Context().Done():
					}
				})
				w.publish(syncRuns("many", 1100)...)
			},
			want: "/0 reads no further: its window of unsettled events is full",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			addr := statusAddr(t)
			env := []string{"STATUS_ADDR=" + addr, "SHUTDOWN_TIMEOUT_SECONDS=1"}
			if test.env != nil {
				env = append(env, test.env(w)...)
			}
			w.agent(env...)
			if test.fault != nil {
				says(t, addr, "working")
				test.fault(w)
			}
			s := says(t, addr, test.want)
			if s.Health.Working != (test.want == "working") {
				t.Errorf("got %+v", s.Health)
			}
		})
	}
}

// TestStatusShowsTheRejectedMapping changes a mapping under a running agent.
func TestStatusShowsTheRejectedMapping(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	addr := statusAddr(t)
	env := mapping(t, map[string]any{"name": "before"})
	w.agent(env, "STATUS_ADDR="+addr, "MAPPING_RELOAD_SECONDS=0.05")
	says(t, addr, "working")
	if err := os.WriteFile(strings.TrimPrefix(env, "INVOCATIONS_PATH="), []byte(`[{"url": ".a |"}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	s := says(t, addr, "the changed mapping was refused")
	if !strings.Contains(s.Mapping.Rejected, "rule 0") || len(s.Mapping.Labels) != 1 {
		t.Errorf("got %+v", s.Mapping)
	}
}

// TestStatusCommand prints what a working agent has done.
func TestStatusCommand(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	addr := statusAddr(t)
	w.agent("STATUS_ADDR="+addr, mapping(t, map[string]any{"name": "deploys"}, map[string]any{"name": "never", "enabled": false}), "DEPLOY_TOKEN=canary-deploy-token")
	w.backend.on(func(rw http.ResponseWriter, r *http.Request, run string, _ int) {
		if run == "r_bad" {
			rw.WriteHeader(418)
		}
		_, _ = io.WriteString(rw, `{"ok":"canary-answer"}`)
	})
	events := []porttest.Event{{Run: "r_good", Synchronized: true, Properties: map[string]any{"name": "canary-input"}}, {Run: "r_bad", Synchronized: true}}
	w.publish(events...)
	w.waitEnded(events)

	run := func(args ...string) *process {
		p := startProcess(t, []string{"STATUS_ADDR=" + addr}, append([]string{"status"}, args...)...)
		if code := p.exit(); code != 0 {
			t.Fatalf("exit code %d: %s", code, p.out)
		}
		return p
	}
	text := run().out.String()
	for _, want := range []string{"working\n", "Source: KAFKA, group " + w.group(), w.runs() + "/0", "r_good", "418", "FAILURE (status_4xx)", `0 "deploys"`, `1 "never"`} {
		if !strings.Contains(text, want) {
			t.Errorf("the status lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "canary") || strings.Contains(text, testSecret) || strings.Contains(text, "@") {
		t.Errorf("the status holds what it must not:\n%s", text)
	}
	var s status.Status
	if err := json.Unmarshal([]byte(run("-json").out.String()), &s); err != nil || len(s.Runs) != 2 {
		t.Errorf("-json: %v, %d runs", err, len(s.Runs))
	}
	watching := startProcess(t, []string{"STATUS_ADDR=" + addr}, "status", "-watch")
	watching.logged("Last runs")
	watching.terminate()

	nobody := startProcess(t, []string{"STATUS_ADDR=" + newGate(t).addr}, "status")
	if code := nobody.exit(); code != 1 || !strings.Contains(nobody.out.String(), "no agent answers") {
		t.Errorf("without an agent: exit code %d: %s", code, nobody.out)
	}
}

// TestStatusIsForThisMachine asks as a page of another origin would.
func TestStatusIsForThisMachine(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	addr := statusAddr(t)
	w.agent("STATUS_ADDR=" + addr)
	says(t, addr, "working")
	tests := []struct {
		name, method, path, host string
		want                     int
	}{
		{name: "page", method: "GET", path: "/", want: 200},
		{name: "by name", method: "GET", path: "/", host: "localhost:8081", want: 200},
		{name: "rebound name", method: "GET", path: "/status.json", host: "attacker.example", want: 421},
		{name: "rebound name with a port", method: "GET", path: "/", host: "attacker.example:8081", want: 421},
		{name: "name that begins as an address", method: "GET", path: "/", host: "127.0.0.1.attacker.example", want: 421},
		{name: "post", method: "POST", path: "/", want: 405},
		{name: "delete", method: "DELETE", path: "/status.json", want: 405},
		{name: "elsewhere", method: "GET", path: "/metrics", want: 404},
	}
	for _, test := range tests {
		req, err := http.NewRequestWithContext(t.Context(), test.method, "http://"+addr+test.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if test.host != "" {
			req.Host = test.host
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != test.want {
			t.Errorf("%s: got %d, want %d", test.name, res.StatusCode, test.want)
		}
		if test.name == "page" {
			csp := res.Header.Get("Content-Security-Policy")
			nonce := strings.TrimSuffix(csp[strings.LastIndex(csp, "nonce-")+len("nonce-"):], "'")
			if !strings.Contains(csp, "default-src 'none'") || strings.Count(string(body), fmt.Sprintf("nonce=%q", nonce)) != 2 {
				t.Errorf("the page does not go with its policy %q", csp)
			}
		}
	}
}

// Another program listens at the address of the status and answers JSON: that is
// no agent that does nothing.
func TestStatusOfAnotherProgram(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"ok":true}`) }))
	t.Cleanup(other.Close)
	var stdout, stderr strings.Builder
	code := dispatch([]string{"status", "-addr", strings.TrimPrefix(other.URL, "http://")}, &stdout, &stderr)
	if want := "is not the status of a port-agent: another program answers"; code != exitFailed || stdout.Len() > 0 || !strings.Contains(stderr.String(), want) {
		t.Errorf("exit code %d, %q, %q; want %d and %q", code, stdout.String(), stderr.String(), exitFailed, want)
	}
}
