package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"time"
)

// slowness is how long the slow backend takes: long enough for the run's log
// to say that the request is under way.
const slowness = 2300 * time.Millisecond

// backends is a server with a backend that succeeds, one that is slow and one
// that fails.
type backends struct {
	*httptest.Server
	calls chan call // what they got, as long as someone listens
}

// call is a request that a backend got.
type call struct {
	method, path, run string
	body              []byte
	at                time.Time
	took              time.Duration
	status            int
	answer            string
}

func startBackends() *backends {
	b := &backends{calls: make(chan call, 64)}
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", b.handle(func(*http.Request) (int, string) { return http.StatusOK, `{"queued":true}` }))
	mux.HandleFunc("/slow", b.handle(func(r *http.Request) (int, string) {
		select {
		case <-time.After(slowness):
		case <-r.Context().Done():
		}
		return http.StatusCreated, `{"url":"https://buckets.example/42"}`
	}))
	mux.HandleFunc("/fail", b.handle(func(*http.Request) (int, string) {
		return http.StatusInternalServerError, `{"error":"disk full"}`
	}))
	b.Server = httptest.NewServer(mux)
	return b
}

func (b *backends) handle(answer func(*http.Request) (int, string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c := call{method: r.Method, path: r.URL.Path, run: r.Header.Get("X-Port-Run-Id"), at: time.Now()}
		c.body, _ = io.ReadAll(r.Body)
		c.status, c.answer = answer(r)
		c.took = time.Since(c.at)
		select {
		case b.calls <- c:
		default:
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(c.status)
		_, _ = io.WriteString(w, c.answer)
	}
}

// compact is a JSON text without white space, cut for a line.
func compact(text []byte) string {
	var v any
	if json.Unmarshal(text, &v) == nil {
		text, _ = json.Marshal(v)
	}
	if len(text) > 100 {
		return string(text[:100]) + "…"
	}
	return string(text)
}
