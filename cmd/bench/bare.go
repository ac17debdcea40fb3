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

// runBare is the limit: one reader per partition, and as many posters as the
// agent has slots. It verifies, maps, orders, marks, reports and commits
// nothing.
func runBare(ctx context.Context) error {
	var partitions, concurrency int
	var sinks []string
	if err := json.Unmarshal([]byte(os.Getenv("BENCH_BARE")), &[]any{&partitions, &concurrency, &sinks}); err != nil {
		return fmt.Errorf("BENCH_BARE: %w", err)
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConns: 4 * concurrency, MaxIdleConnsPerHost: concurrency}}
	records := make(chan kafka.Message, concurrency)
	var wg sync.WaitGroup
	for p := range partitions {
		r := kafka.NewReader(kafka.ReaderConfig{
			Brokers: strings.Split(os.Getenv("BENCH_BROKERS"), ","), Topic: os.Getenv("BENCH_TOPIC"), Partition: p,
			MinBytes: 1, MaxBytes: 1 << 20, MaxWait: 500 * time.Millisecond, ReadLagInterval: -1,
		})
		defer r.Close()
		wg.Go(func() {
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
	for range concurrency {
		wg.Go(func() {
			for {
				select {
				case m := <-records:
					post(ctx, client, sinks, partitions, m)
				case <-ctx.Done():
					return
				}
			}
		})
	}
	wg.Wait()
	return nil
}

// post sends a record as it is. Its sequence number follows from where it
// lies, so that nothing has to be decoded.
func post(ctx context.Context, client *http.Client, sinks []string, partitions int, m kafka.Message) {
	seq := int(m.Offset)*partitions + m.Partition
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, sinks[seq%len(sinks)]+"/hook", bytes.NewReader(m.Value))
	if err != nil {
		return
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Port-Run-Id", fmt.Sprintf("r_%d", seq))
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
