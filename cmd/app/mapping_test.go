package app

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"port-agent/agent"
	"port-agent/transform"
)

// configMap is a folder as the kubelet keeps it: the file is a link through
// ..data, which is swapped for a new folder at each update.
type configMap struct {
	t   *testing.T
	dir string
	n   int
}

func (c *configMap) path() string { return filepath.Join(c.dir, "invocations.json") }

// update writes the next version and swaps it in.
func (c *configMap) update(text string) {
	c.t.Helper()
	c.n++
	version := fmt.Sprintf("..version%d", c.n)
	must := func(err error) {
		c.t.Helper()
		if err != nil {
			c.t.Fatal(err)
		}
	}
	must(os.Mkdir(filepath.Join(c.dir, version), 0o700))
	must(os.WriteFile(filepath.Join(c.dir, version, "invocations.json"), []byte(text), 0o600))
	must(os.Symlink(version, filepath.Join(c.dir, "..next")))
	must(os.Rename(filepath.Join(c.dir, "..next"), filepath.Join(c.dir, "..data")))
	if c.n == 1 {
		must(os.Symlink(filepath.Join("..data", "invocations.json"), c.path()))
	}
}

func TestMappingReload(t *testing.T) {
	t.Parallel()
	files := &configMap{t: t, dir: t.TempDir()}
	files.update(`[{"name": "one"}]`)
	var log bytes.Buffer
	registry := prometheus.NewRegistry()
	m, err := loadMapping(transform.Config{Path: files.path()}, agent.NewMetrics(registry, "test"), zerolog.New(&log))
	if err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		name   string
		change func()
		forced bool
		rule   string // in force after it
		logs   string // what is logged once, empty: nothing
		ok     bool
	}{
		{name: "unchanged", change: func() {}, rule: "one", ok: true},
		{name: "good", change: func() { files.update(`[{"name": "two"}]`) }, rule: "two", logs: "mapping reloaded", ok: true},
		{name: "does not compile", change: func() { files.update(`[{"name": "three", "url": ".a | |"}]`) }, rule: "two", logs: "mapping refused"},
		{name: "still does not compile", change: func() {}, rule: "two"},
		{name: "asked for again", change: func() {}, forced: true, rule: "two", logs: "mapping refused"},
		{name: "cut short", change: func() { files.update(`[{"name": "four"`) }, rule: "two", logs: "mapping refused"},
		{name: "empty", change: func() { files.update("") }, rule: "two", logs: "mapping refused"},
		{name: "gone", change: func() { _ = os.Remove(files.path()) }, rule: "two", logs: "is gone"},
		{name: "still gone", change: func() {}, rule: "two"},
		{name: "back", change: func() { _ = os.Symlink(filepath.Join("..data", "invocations.json"), files.path()) }, rule: "two", logs: "mapping refused"},
		{name: "mended", change: func() { files.update(`[{"name": "five", "enabled": ".a"}, {}]`) }, rule: "five", logs: "mapping reloaded", ok: true},
		{name: "asked for", change: func() {}, forced: true, rule: "five", logs: "mapping reloaded", ok: true},
	}
	for _, step := range steps {
		log.Reset()
		step.change()
		m.reload(step.forced)
		m.reload(false) // looks again: nothing new
		if got := m.current().Rules[0].Name; got != step.rule {
			t.Errorf("%s: rule %q is in force, want %q", step.name, got, step.rule)
		}
		if got := strings.Count(log.String(), "\n"); got != min(len(step.logs), 1) || !strings.Contains(log.String(), step.logs) {
			t.Errorf("%s: logged %q, want %q once", step.name, log.String(), step.logs)
		}
		state := m.state.Load()
		if got := gauge(t, registry, "port_agent_mapping_reload_successful"); (got == 1) != step.ok || (state.status.Rejected == "") != step.ok {
			t.Errorf("%s: mapping_reload_successful is %v and rejected %q, want success: %v", step.name, got, state.status.Rejected, step.ok)
		}
	}
	if got := gauge(t, registry, "port_agent_mapping_info", m.current().Hash); got != 1 {
		t.Errorf("mapping_info of the mapping in force is %v, want 1", got)
	}
}

// gauge gives the one series of a metric, whose label values must be these.
func gauge(t *testing.T, g prometheus.Gatherer, name string, labels ...string) float64 {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name || len(f.GetMetric()) != 1 {
			continue
		}
		one := f.GetMetric()[0]
		for i, l := range one.GetLabel() {
			if l.GetValue() != labels[i] {
				t.Errorf("%s has label %s=%q, want %q", name, l.GetName(), l.GetValue(), labels[i])
			}
		}
		return one.GetGauge().GetValue()
	}
	t.Fatalf("no single series %s", name)
	return 0
}
