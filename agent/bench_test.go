package agent

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"port-agent/invoker"
)

// BenchmarkHandle takes signed runs of a few kilobytes through the pipeline:
// the agent's own cost of an event, without Kafka and without Port.
//
// The case "requests" sends them over loopback with the real invoker; most of
// its time is net/http's on both sides.
func BenchmarkHandle(b *testing.B) {
	secretRule := `[{"fieldsToDecryptPaths": ["payload.properties.password"],
		"headers": {"Authorization": "\"Bearer \" + .payload.properties.password"},
		"body": {"service": ".payload.properties.service", "by": ".trigger.by.user.email"},
		"report": {"link": ".response.json.link"}}]`
	b.Run("webhook", func(b *testing.B) {
		f := newFixture(b, builtIn)
		benchmarkHandle(b, f)
	})
	b.Run("webhook of an entity", func(b *testing.B) {
		f := newFixture(b, builtIn)
		benchmarkHandle(b, f, "context.entity", "cart", "context.blueprint", "service")
	})
	b.Run("rule with secrets and report", func(b *testing.B) {
		f := newFixture(b, secretRule)
		benchmarkHandle(b, f, "payload.properties.password", encrypted(b, "hunter2-hunter2"))
	})
	b.Run("not for the agent", func(b *testing.B) {
		f := newFixture(b, builtIn)
		benchmarkHandle(b, f, "payload.action.invocationMethod.agent", false)
	})
	b.Run("requests", func(b *testing.B) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusAccepted) }))
		defer server.Close()
		f := newFixture(b, builtIn)
		f.Invoker = f.backend.Invoker
		benchmarkHandle(b, f, "payload.action.invocationMethod.url", server.URL)
	})
}

func benchmarkHandle(b *testing.B, f *fixture, members ...any) {
	f.backend.do = func(context.Context, *invoker.Request) (*invoker.Response, error) {
		f.backend.seen = f.backend.seen[:0]
		return answered(http.StatusAccepted, `{"link":"https://ci.internal/7"}`), nil
	}
	inputs := object("service", "cart")
	for n := range 40 {
		inputs[fmt.Sprintf("input_%d", n)] = "a value such as people type into a form, of some length"
	}
	members = append([]any{"payload.properties", inputs, "trigger.by.user.email", "someone@example.com"}, members...)
	records := make([][]byte, b.N)
	for n := range records {
		records[n] = runEvent(b, fmt.Sprintf("r_%d", n), members...).Record
	}
	b.SetBytes(int64(len(records[0])))
	b.ReportAllocs()
	b.ResetTimer()
	ctx := b.Context()
	for n, record := range records {
		ev := &Event{Topic: runsTopic, Partition: 2, Offset: int64(n), Time: time.Now(), Record: record, Vouched: true, Ledger: noLedger{}}
		if err := f.Handle(ctx, ev); err != nil {
			b.Fatal(err)
		}
		f.port.calls = f.port.calls[:0]
		f.log.b.Reset()
	}
}

// noLedger keeps no account.
type noLedger struct{}

func (noLedger) Start(context.Context) error { return nil }
func (noLedger) Reset()                      {}
func (noLedger) Following()                  {}
