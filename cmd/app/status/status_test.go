package status

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"port-agent/agent/activity"
	"port-agent/agent/kafka"
	"port-agent/agent/kafka/ledger"
	"port-agent/agent/port"
)

var update = flag.Bool("update", false, "write the golden files anew")

var now = time.Date(2026, 3, 14, 3, 4, 5, 0, time.UTC)

func ago(d time.Duration) time.Time { return now.Add(-d) }

// fixed is an agent in the middle of its work, with something in every part.
func fixed() *Status {
	s := &Status{
		Time: now, Started: ago(26 * time.Hour), Version: "1.2.3",
		Source: Source{Kind: "KAFKA", Connected: true, State: kafka.State{Group: "org.port-agent", Generation: 7, Partitions: []ledger.State{
			{Topic: "org.runs", Partition: 0, Committed: 120, Position: 131, End: 133, Lag: 13, Before: 20, Window: 11},
			{Topic: "org.change.log", Partition: 0, Committed: 9, Position: 9, End: 9},
		}}},
		Slots: Slots{Limit: 512, PerHost: 32, Used: 3, Waiting: 1},
		Snapshot: activity.Snapshot{
			Hosts: []activity.Host{{Name: "ci.corp.example:443", Used: 2, Waiting: 1, Oldest: ago(3 * time.Second)},
				{Name: "hooks.corp.example:8443", Used: 1, Oldest: ago(200 * time.Millisecond)}},
			Unsettled: 2, Following: 1,
			Oldest: []activity.Event{
				{Topic: "org.runs", Partition: 0, Offset: 121, Run: "r_retry", Action: "deploy", Rule: `1 "deploy"`, Backend: "jenkins", Host: "ci.corp.example:443", State: activity.Retrying, Detail: "in 12 s", Since: ago(2 * time.Second), Arrived: ago(40 * time.Second)},
				{Topic: "org.change.log", Partition: 0, Offset: 8, State: activity.Ordered, Since: ago(time.Second), Arrived: ago(time.Second)},
			},
			Followed: []activity.Event{{Topic: "org.runs", Offset: 120, Run: "r_followed", Action: "deploy", Rule: `1 "deploy"`, Backend: "jenkins", Host: "ci.corp.example:443", State: activity.Followed, Detail: "Running: Deploy", Since: ago(5 * time.Minute), Arrived: ago(5 * time.Minute)}},
			Runs: []activity.Run{
				{Time: ago(10 * time.Second), Run: "r_2", Action: "deploy", Rule: `1 "deploy"`, Backend: "jenkins", Host: "ci.corp.example:443", Status: 500, Attempts: 3, Seconds: 7.25, Result: "FAILURE", Reason: "status_5xx"},
				{Time: ago(20 * time.Second), Run: "r_1", Action: "create <b>bucket</b>\x1b[31m", Rule: "0", Backend: "webhook", Host: "hooks.corp.example:8443", Status: 201, Attempts: 1, Seconds: 0.125, Result: "SUCCESS"},
			},
			Failures: []activity.Failure{{Reason: "status_5xx", Rule: `1 "deploy"`, Host: "ci.corp.example:443", Status: 500, Count: 3, First: ago(50 * time.Minute), Last: ago(10 * time.Second), Run: "r_2"}},
			Rules:    []activity.Rule{{Label: "0", Hits: 12, LastHit: ago(20 * time.Second)}, {Label: `1 "deploy"`, Hits: 4, Failures: 3, LastHit: ago(10 * time.Second)}},
			Minutes:  []activity.Minute{{Time: ago(59 * time.Minute).Truncate(time.Minute), OK: 4, Slowest: 2, Median: 1}, {Time: now.Truncate(time.Minute), OK: 1, Failed: 3, Slowest: 7.25, Median: 0.125}},
		},
		Port: port.State{Left: 14873, Reset: now.Add(90 * time.Second), Error: "PATCH /v1/actions/runs/{id}: 502", ErrorAt: ago(time.Hour), OKAt: ago(time.Second)},
		Mapping: Mapping{File: "/etc/port-agent/mapping/invocations.json", Hash: "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9", Loaded: ago(25 * time.Hour),
			Labels: []string{"0", `1 "deploy"`, `2 "never"`}},
		Settings: []Setting{{"LOG_LEVEL", "DEBUG"}, {"PORT_CLIENT_SECRET", "[redacted]"}},
	}
	Diagnose(s)
	return s
}

func TestGolden(t *testing.T) {
	t.Parallel()
	s := fixed()
	forms := map[string]func(*bytes.Buffer) error{
		"status.txt":       func(b *bytes.Buffer) error { return s.WriteText(b, false) },
		"status-color.txt": func(b *bytes.Buffer) error { return s.WriteText(b, true) },
		"status.html":      func(b *bytes.Buffer) error { return s.WriteHTML(b, "nonce") },
		"status.json": func(b *bytes.Buffer) error {
			enc := json.NewEncoder(b)
			enc.SetIndent("", "  ")
			return enc.Encode(s)
		},
	}
	for name, write := range forms {
		var got bytes.Buffer
		if err := write(&got); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%s differs from what is written now (go test -update writes it anew):\n%s", file, got.Bytes())
		}
	}
}

// TestTextsOfOthers holds page and terminal to showing what others named, not
// to obeying it.
func TestTextsOfOthers(t *testing.T) {
	t.Parallel()
	s := fixed()
	var text, html bytes.Buffer
	if err := s.WriteText(&text, false); err != nil {
		t.Fatal(err)
	}
	if err := s.WriteHTML(&html, "nonce"); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text.String(), "\x1b") {
		t.Error("an escape sequence of an action's name is in the text")
	}
	if strings.Contains(html.String(), "<b>bucket") || !strings.Contains(html.String(), "&lt;b&gt;bucket") {
		t.Error("markup of an action's name is in the page")
	}
}

// TestJSONRoundTrip gives the command what the agent has.
func TestJSONRoundTrip(t *testing.T) {
	t.Parallel()
	var want, got bytes.Buffer
	s := fixed()
	if err := s.WriteText(&want, false); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var back Status
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if err := back.WriteText(&got, false); err != nil {
		t.Fatal(err)
	}
	if got.String() != want.String() {
		t.Errorf("got\n%s\nwant\n%s", &got, &want)
	}
}

func TestDiagnose(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(s *Status)
		want   string // the sentence
		page   string
	}{
		{name: "nothing", change: func(*Status) {}, want: "working"},
		{name: "Kafka away", change: func(s *Status) {
			s.Source.Connected, s.Source.Error = false, "dial tcp 10.0.0.1:9092: connection refused"
		},
			want: "Kafka is not reached, so no events come in: dial tcp 10.0.0.1:9092: connection refused", page: "portagentsourcedisconnected"},
		{name: "polling fails", change: func(s *Status) { s.Source = Source{Kind: "POLLING"} }, want: "Port's API is not reached, so no events come in", page: "portagentsourcedisconnected"},
		{name: "credentials refused", change: func(s *Status) { s.Port.Refused = true },
			want: "Port refuses PORT_CLIENT_ID and PORT_CLIENT_SECRET, so no run can be reported", page: "portagenttokenfailing"},
		{name: "429", change: func(s *Status) { s.Port.Limited, s.Port.Left = true, 0 },
			want: "Port's rate limit is used up (429), so reports wait until 03:05:35 UTC", page: "portagentreportsnotaccepted"},
		{name: "Port away", change: func(s *Status) { s.Port.OKAt, s.Port.ErrorAt = ago(time.Minute), ago(time.Second) },
			want: "Port's API accepts no calls, so reports wait: PATCH /v1/actions/runs/{id}: 502", page: "portagentreportsnotaccepted"},
		{name: "Port away for a moment", change: func(s *Status) { s.Port.OKAt, s.Port.ErrorAt = ago(10*time.Second), ago(time.Second) }, want: "working"},
		{name: "mapping rejected", change: func(s *Status) {
			s.Mapping.Rejected, s.Mapping.RejectedAt = "invocations.json:3:9: rule 1: url: unexpected token", ago(time.Minute)
		},
			want: "the changed mapping was refused, and the one loaded at 02:04:05 UTC stays in use: invocations.json:3:9: rule 1: url: unexpected token", page: "portagentmappingrefused"},
		{name: "host hangs", change: func(s *Status) {
			s.Hosts[0] = activity.Host{Name: "ci.corp.example:443", Used: 32, Waiting: 1, Oldest: ago(25 * time.Second)}
		},
			want: "ci.corp.example:443 hangs: 32 requests without an answer, the oldest for 25 s, and 1 event in its queue", page: "portagenteventsstuck"},
		{name: "window full", change: func(s *Status) { s.Source.Partitions[0].Full = true },
			want: "org.runs/0 reads no further: its window of unsettled events is full: the oldest event, r_retry, waits for a retry", page: "portagenteventsstuck"},
		{name: "lag grows", change: func(s *Status) { s.Source.Partitions[0].Lag, s.Source.Partitions[0].Before = 400, 150 },
			want: "org.runs/0 falls behind: 400 records, 250 more than some minutes ago", page: "portagentlaggrowing"},
		{name: "lag shrinks", change: func(s *Status) { s.Source.Partitions[0].Lag, s.Source.Partitions[0].Before = 400, 550 }, want: "working"},
	}
	manual, err := os.ReadFile("../../../docs/operate.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := fixed()
			test.change(s)
			Diagnose(s)
			if s.Health.Sentence != test.want || s.Health.Working != (test.page == "") {
				t.Errorf("got %+v, want %q", s.Health, test.want)
			}
			page, section, _ := strings.Cut(s.Health.Page, "#")
			if section != test.page || test.page != "" && page != "docs/operate.md" {
				t.Errorf("got page %q, want section %q", s.Health.Page, test.page)
			}
			if test.page != "" && !strings.Contains(strings.ToLower(string(manual)), fmt.Sprintf("### %s\n", section)) {
				t.Errorf("docs/operate.md has no section %s", section)
			}
		})
	}
}
