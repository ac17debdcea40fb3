package main

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

func (w *scene) serveSink(rw http.ResponseWriter, r *http.Request) {
	at := time.Now()
	_, _ = io.Copy(io.Discard, r.Body)
	seq, err := strconv.Atoi(strings.TrimPrefix(r.Header.Get("X-Port-Run-Id"), "r_"))
	w.mu.Lock()
	if w.counts.Sent == 0 {
		w.counts.First = at
	}
	w.counts.Sent++
	w.current++
	w.counts.Peak = max(w.counts.Peak, w.current)
	if err == nil && seq < len(w.produced) {
		w.delays = append(w.delays, at.Sub(w.produced[seq]))
	}
	delay := w.now.SinkDelay
	w.mu.Unlock()
	if delay > 0 {
		time.Sleep(delay)
	}
	rw.Header().Set("Content-Type", "application/json")
	_, _ = rw.Write(w.answer)
	w.mu.Lock()
	w.current--
	w.counts.Answered++
	w.counts.Invoked = time.Now()
	w.counts.Last = w.counts.Invoked
	w.mu.Unlock()
}

// servePort takes calls about runs as they come, at the cost of a sink: what
// the stand-in makes of them is not the agent's time.
func (w *scene) servePort(rw http.ResponseWriter, r *http.Request) {
	if !strings.Contains(r.URL.Path, "/runs/") {
		w.api.Load().Handler().ServeHTTP(rw, r)
		return
	}
	_, _ = io.Copy(io.Discard, r.Body)
	w.mu.Lock()
	delay := w.now.PortDelay
	w.mu.Unlock()
	if delay > 0 {
		time.Sleep(delay)
	}
	rw.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(rw, `{"ok":true}`)
	w.mu.Lock()
	w.counts.Calls++
	w.counts.Last = time.Now()
	w.mu.Unlock()
}
