package main

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"port-agent/agent/port/porttest"
	"port-agent/cmd/sandbox/world"
)

const (
	roleWorld = "-role=world"

	// portStreams is how many calls Port takes at once on a connection of
	// HTTP/2: what load balancers commonly do, and the fewest that RFC 9113
	// recommends.
	portStreams = 100
)

// place is where a contestant finds the world, printed by it at its start.
type place struct {
	Brokers   []string `json:"brokers"`
	Port      string   `json:"port"`
	PortHTTPS string   `json:"portHTTPS"`
	Authority []byte   `json:"authority"` // that signed for PortHTTPS, PEM
	Sinks     []string `json:"sinks"`
	Control   string   `json:"control"`
}

// counts is what the world has seen since the present case began.
type counts struct {
	Sent      int           `json:"sent"` // requests at the sinks
	Answered  int           `json:"answered"`
	Calls     int           `json:"calls"`            // to Port about runs
	First     time.Time     `json:"first,omitzero"`   // arrival at a sink
	Invoked   time.Time     `json:"invoked,omitzero"` // the last answer of a sink
	Last      time.Time     `json:"last,omitzero"`    // of all, Port's included
	Peak      int           `json:"peak"`             // requests at the sinks at once
	SinkConns int           `json:"sinkConns"`
	PortConns int           `json:"portConns"`
	P50       time.Duration `json:"p50"` // from produce to arrival
	P95       time.Duration `json:"p95"`
	P99       time.Duration `json:"p99"`
	Settled   bool          `json:"settled"` // the group has committed the end of every partition
}

// scene is the world with sinks, in one process, and what is counted there.
type scene struct {
	*world.World
	api atomic.Pointer[porttest.Server]

	cases int
	now   scenario

	padding string // of an event
	answer  []byte // of a sink

	mu       sync.Mutex
	counts   counts
	current  int
	produced []time.Time     // by sequence number
	delays   []time.Duration // from produce to arrival
}

// runWorld serves until ctx ends or its standard input is closed.
func runWorld(ctx context.Context) error {
	w := &scene{}
	var err error
	if w.World, err = world.Start(); err != nil {
		return err
	}
	defer w.Close()
	w.api.Store(w.newAPI())
	port := w.listener(w.servePort, &w.counts.PortConns)
	port.Start()
	defer port.Close()
	overTLS := w.listener(w.servePort, &w.counts.PortConns)
	overTLS.EnableHTTP2 = true
	overTLS.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: portStreams}
	overTLS.StartTLS()
	defer overTLS.Close()
	p := place{
		Brokers: w.Kafka.Brokers, Port: port.URL, PortHTTPS: overTLS.URL,
		Authority: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: overTLS.Certificate().Raw}),
	}
	for range 16 {
		s := w.listener(w.serveSink, &w.counts.SinkConns)
		s.Start()
		defer s.Close()
		p.Sinks = append(p.Sinks, s.URL)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /case", func(rw http.ResponseWriter, r *http.Request) { reply(rw, w.begin(r)) })
	mux.HandleFunc("POST /fill", func(rw http.ResponseWriter, r *http.Request) { reply(rw, w.fill(r.Context(), p.Sinks)) })
	mux.HandleFunc("POST /flow", func(rw http.ResponseWriter, r *http.Request) { reply(rw, w.flow(r.Context(), p.Sinks)) })
	mux.HandleFunc("GET /counts", func(rw http.ResponseWriter, r *http.Request) { reply(rw, w.read(r.Context())) })
	control := httptest.NewServer(mux)
	defer control.Close()
	p.Control = control.URL
	if err := json.NewEncoder(os.Stdout).Encode(p); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // the parent is gone when it ends
		cancel()
	}()
	<-ctx.Done()
	return nil
}

func (w *scene) newAPI() *porttest.Server {
	return porttest.New(w.API(porttest.Config{NoHistory: true, RateLimit: -1, TokenLimit: -1}))
}

// listener is a server, yet to be started, that counts its connections.
func (w *scene) listener(h http.HandlerFunc, opened *int) *httptest.Server {
	s := httptest.NewUnstartedServer(h)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			w.mu.Lock()
			*opened++
			w.mu.Unlock()
		}
	}
	return s
}

// reply answers with v, or with its error.
func reply(rw http.ResponseWriter, v any) {
	if err, failed := v.(error); failed {
		http.Error(rw, err.Error(), http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(rw).Encode(v)
}

// begin makes fresh topics for a case.
func (w *scene) begin(r *http.Request) any {
	var sc scenario
	if err := json.NewDecoder(r.Body).Decode(&sc); err != nil {
		return err
	}
	w.cases++
	if err := w.Found(r.Context(), fmt.Sprintf("case%d", w.cases), sc.Partitions); err != nil {
		return err
	}
	api := w.newAPI()
	api.Delay(sc.PortDelay)
	w.api.Store(api)
	w.mu.Lock()
	w.now, w.counts, w.current, w.padding = sc, counts{}, 0, sc.padding()
	w.answer = []byte(`{"id":1,"web_url":"https://ci.example/1"}`)
	if sc.AnswerBytes > 0 { // 50 times as large once it is decoded
		w.answer = []byte("[" + strings.Repeat("{},", sc.AnswerBytes/3) + "{}]")
	}
	w.produced = make([]time.Time, sc.Events)
	w.delays = make([]time.Duration, 0, sc.Events)
	w.mu.Unlock()
	return w.Org
}

// fill publishes the backlog of a case.
func (w *scene) fill(ctx context.Context, sinks []string) any {
	if err := w.produce(ctx, 0, w.now.Events, sinks); err != nil {
		return err
	}
	return "done"
}

// produce publishes the events from..to, a batch for each partition.
func (w *scene) produce(ctx context.Context, from, to int, sinks []string) error {
	// A batch of a partition stays near 1 MB, what brokers take by default, or holds one record.
	chunk := min(2_000, w.now.Partitions*max(1, 1_000_000/max(1, w.now.EventBytes)))
	for ; from < to; from += chunk {
		batches := make([][][]byte, w.now.Partitions)
		end := min(to, from+chunk)
		for i := from; i < end; i++ {
			p := i % w.now.Partitions
			batches[p] = append(batches[p], w.event(i, sinks))
		}
		at := time.Now()
		w.mu.Lock()
		for i := from; i < end; i++ {
			w.produced[i] = at
		}
		w.mu.Unlock()
		for p, batch := range batches {
			if len(batch) == 0 {
				continue
			}
			if err := w.Kafka.Produce(ctx, w.Runs(), p, batch...); err != nil {
				return err
			}
		}
	}
	return nil
}

// padding brings an event to about 2 KB, the size of one with an entity and
// its properties, or to the size that the case asks for.
func (sc scenario) padding() string {
	const text = "some text that a user typed in "
	return strings.Repeat(text, max(45, (sc.EventBytes-1_000)/len(text)))
}

// event is the record of sequence number i.
func (w *scene) event(i int, sinks []string) []byte {
	e := porttest.Event{
		Run: fmt.Sprintf("r_%d", i), Synchronized: w.now.Synchronized, NotForAgent: w.now.NotForAgent,
		URL: sinks[i%max(1, w.now.Hosts)] + "/hook", Properties: map[string]any{"ref": "main", "replicas": 3, "note": w.padding},
	}
	if w.now.GitLab {
		e.Type = "GITLAB"
		e.Method = map[string]any{"projectName": "project", "groupName": "group", "defaultRef": "main"}
	}
	return e.Record(world.ClientSecret)
}

// flow publishes the events of a case one by one at its rate.
func (w *scene) flow(ctx context.Context, sinks []string) any {
	tick := time.NewTicker(time.Second / time.Duration(w.now.Rate))
	defer tick.Stop()
	for i := range w.now.Events {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := w.produce(ctx, i, i+1, sinks); err != nil {
			return err
		}
	}
	return "done"
}

// read returns the counts, with the percentiles so far.
func (w *scene) read(ctx context.Context) any {
	w.mu.Lock()
	c := w.counts
	var delays []time.Duration
	if w.now.Rate > 0 {
		delays = slices.Clone(w.delays)
	}
	w.mu.Unlock()
	slices.Sort(delays)
	at := func(q float64) time.Duration {
		if len(delays) == 0 {
			return 0
		}
		return delays[min(len(delays)-1, int(q*float64(len(delays))))]
	}
	c.P50, c.P95, c.P99 = at(.5), at(.95), at(.99)
	var err error
	if c.Settled, err = w.Settled(ctx); err != nil {
		return err
	}
	return c
}
