package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

const roleBare = "-role=bare"

// reportsAtOnce is how many reports the loop has under way at most, as the
// agent (agent/port).
const reportsAtOnce = 1536

// plan is what the bare loop has to do.
type plan struct {
	Partitions int      `json:"partitions"`
	InFlight   int      `json:"inFlight"`
	Sinks      []string `json:"sinks"`
	Port       string   `json:"port"` // where runs are reported to, "": nowhere
}

// runBare is the limit: one reader per partition, and as many posters as the
// agent has slots. It verifies, maps, orders, marks and commits nothing, and
// reports only where the plan says so: with a call for each event that nobody
// waits for.
func runBare(ctx context.Context) error {
	var p plan
	if err := json.Unmarshal([]byte(os.Getenv("BENCH_BARE")), &p); err != nil {
		return fmt.Errorf("BENCH_BARE: %w", err)
	}
	l := &loop{
		plan:     p,
		backends: &http.Client{Transport: &http.Transport{MaxIdleConns: 4 * p.InFlight, MaxIdleConnsPerHost: p.InFlight}},
		port:     &http.Client{Transport: &http.Transport{MaxIdleConns: reportsAtOnce, MaxIdleConnsPerHost: reportsAtOnce}},
		reports:  make(chan struct{}, reportsAtOnce),
	}
	l.run(ctx)
	return nil
}

// loop is the bare loop.
type loop struct {
	plan
	backends, port *http.Client
	reports        chan struct{} // holds one element per report under way
	wg             sync.WaitGroup
}

func (l *loop) run(ctx context.Context) {
	records := make(chan kafka.Message, l.InFlight)
	for p := range l.Partitions {
		r := kafka.NewReader(kafka.ReaderConfig{
			Brokers: strings.Split(os.Getenv("BENCH_BROKERS"), ","), Topic: os.Getenv("BENCH_TOPIC"), Partition: p,
			MinBytes: 1, MaxBytes: 1 << 20, MaxWait: 500 * time.Millisecond, ReadLagInterval: -1,
		})
		defer r.Close()
		l.wg.Go(func() {
			for {
				m, err := r.ReadMessage(ctx)
				if err != nil {
					return
				}
				select {
				case records <- m:
				case <-ctx.Done():
					return
				}
			}
		})
	}
	for range l.InFlight {
		l.wg.Go(func() {
			for {
				select {
				case m := <-records:
					l.carryOut(ctx, m)
				case <-ctx.Done():
					return
				}
			}
		})
	}
	l.wg.Wait()
}

// carryOut posts a record as it is, and reports it where that is asked for.
// Its sequence number follows from where it lies, so that nothing has to be
// decoded.
func (l *loop) carryOut(ctx context.Context, m kafka.Message) {
	seq := int(m.Offset)*l.Partitions + m.Partition
	run := fmt.Sprintf("r_%d", seq)
	post(ctx, l.backends, l.Sinks[seq%len(l.Sinks)]+"/hook", m.Value, http.Header{"X-Port-Run-Id": {run}})
	if l.Port == "" {
		return
	}
	select {
	case l.reports <- struct{}{}:
	case <-ctx.Done():
		return
	}
	l.wg.Go(func() {
		post(ctx, l.port, l.Port+"/v1/actions/runs/"+run+"/logs", report, http.Header{"Authorization": {bearer}})
		<-l.reports
	})
}

// What the loop sends to Port is as long as what the agent sends.
var (
	report = []byte(`{"message":"Invocation ended (IN_PROGRESS): POST http://127.0.0.1:12345/hook answered 200 in 4 ms (rule 0)"}`)
	bearer = "Bearer token-" + strings.Repeat("T", 26)
)

func post(ctx context.Context, client *http.Client, url string, body []byte, header http.Header) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return
	}
	req.Header = header
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		if ctx.Err() == nil { // it is stopped while the last answers are on their way
			fmt.Fprintln(os.Stderr, err)
		}
		return
	}
	_, _ = io.Copy(io.Discard, res.Body)
	res.Body.Close()
}
