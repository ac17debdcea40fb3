package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"port-agent/agent/port/porttest"
)

// TestReloadUnderLoad changes the mapping while events come in. Each event gets
// all of one mapping: address, header and body say the same version.
func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	const events, batch = 400, 10
	w := newWorld(t, 4)
	file := filepath.Join(t.TempDir(), "invocations.json")
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	version := func(n int) string {
		v := fmt.Sprintf("v%d", n)
		rules, _ := json.Marshal([]map[string]any{{"name": v, "url": fmt.Sprintf("%q", w.backend.URL+"/"+v),
			"headers": map[string]any{"X-Version": fmt.Sprintf("%q", v)}, "body": map[string]any{"version": fmt.Sprintf("%q", v)}}})
		return string(rules)
	}
	var mu sync.Mutex
	seen := map[string]bool{}
	w.backend.on(func(_ http.ResponseWriter, r *http.Request, run string, _ int) {
		mu.Lock()
		defer mu.Unlock()
		v := r.Header.Get("X-Version")
		seen[v] = true
		if r.URL.Path != "/"+v {
			t.Errorf("%s: path %s and header of %s: two mappings in one request", run, r.URL.Path, v)
		}
	})
	put(version(0))
	a := w.agent("INVOCATIONS_PATH="+file, "MAPPING_RELOAD_SECONDS=0.02")
	a.logged("agent started")                         // an agent that starts with a broken mapping exits
	tick := time.NewTicker(batch * time.Second / 200) // 200 events a second
	defer tick.Stop()
	for n := 0; n < events; n += batch {
		<-tick.C
		var next []porttest.Event
		for i := range batch {
			next = append(next, porttest.Event{Run: fmt.Sprintf("r_%d", n+i), Entity: fmt.Sprintf("e%d", n+i)})
		}
		w.publish(next...)
		if n%(2*batch) == 0 {
			put(version(n))
		} else {
			put("[{")
		}
	}
	w.backend.wait(t, events)
	for n := range events {
		run := fmt.Sprintf("r_%d", n)
		if got := w.backend.count(run); got != 1 {
			t.Errorf("%s reached the backend %d times, want once", run, got)
		}
		body := string(w.backend.bodies[run])
		if v := w.backend.headers[run].Get("X-Version"); body != fmt.Sprintf(`{"version":%q}`, v) {
			t.Errorf("%s: header of %s and body %s: two mappings in one request", run, v, body)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(seen) < 3 {
		t.Errorf("got versions %v, want several", seen)
	}
	a.terminate()
	for _, want := range []string{"mapping reloaded", "mapping refused, the previous one stays in use"} {
		if !strings.Contains(a.out.String(), want) {
			t.Errorf("the log lacks %q", want)
		}
	}
}

// TestHangUpReloads loads the mapping at SIGHUP where nothing looks at the file.
func TestHangUpReloads(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	env := mapping(t, map[string]any{"name": "before"})
	a := w.agent(env, "MAPPING_RELOAD_SECONDS=0")
	a.logged("agent started")
	if err := os.WriteFile(strings.TrimPrefix(env, "INVOCATIONS_PATH="), []byte(`[{"name": "after"}, {}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	a.signal(syscall.SIGHUP)
	a.logged("mapping reloaded")
	a.terminate()
}
