package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"port-agent/agent"
	"port-agent/cmd/app/status"
	"port-agent/transform"
)

// mapping is the mapping in force and the file it comes from. A file that
// changes is loaded again; one with a fault is refused, and the mapping in
// force stays.
type mapping struct {
	cfg transform.Config
	log zerolog.Logger

	metrics *agent.Metrics

	mu    sync.Mutex // held by a reload
	seen  string     // the hash of the file when it was last looked at, or why it could not be read
	state atomic.Pointer[mappingState]
}

// mappingState is what a reload changes.
type mappingState struct {
	mapping  *transform.Mapping
	loaded   time.Time
	rejected string // why the file as it is now is not in force, empty where it is
	since    time.Time
}

// loadMapping loads the mapping for the first time.
func loadMapping(cfg transform.Config, metrics *agent.Metrics, log zerolog.Logger) (*mapping, error) {
	loaded, err := transform.Load(cfg, os.Environ())
	if err != nil {
		return nil, err
	}
	m := &mapping{cfg: cfg, log: log, metrics: metrics}
	m.seen = loaded.Hash
	m.use(loaded)
	return m, nil
}

// current is the mapping in force.
func (m *mapping) current() *transform.Mapping { return m.state.Load().mapping }

// use puts a mapping in force.
func (m *mapping) use(loaded *transform.Mapping) {
	now := time.Now()
	m.state.Store(&mappingState{mapping: loaded, loaded: now})
	m.metrics.MappingReloaded.Set(1)
	m.metrics.MappingLoadedAt.Set(float64(now.Unix()))
	m.metrics.MappingInfo.Reset()
	m.metrics.MappingInfo.WithLabelValues(loaded.Hash).Set(1)
}

// watch looks at the file at an interval until ctx ends; 0 is never.
func (m *mapping) watch(ctx context.Context, interval time.Duration) {
	if interval == 0 {
		return
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			m.reload(false)
		case <-ctx.Done():
			return
		}
	}
}

// reload loads the file where it has changed since it was last looked at, or in
// any case where forced. Events that are matched from then on meet the new
// mapping; an event keeps the rule that it was matched with.
func (m *mapping) reload(forced bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	file := m.current().File
	if file == "" && !forced {
		return // the built-in rule: there is no file to look at
	}
	seen, err := fingerprint(file)
	if seen == m.seen && !forced {
		return
	}
	m.seen = seen
	var loaded *transform.Mapping
	if err == nil {
		loaded, err = transform.Load(m.cfg, os.Environ())
	}
	if err != nil {
		m.refuse(err)
		return
	}
	m.seen = loaded.Hash
	m.use(loaded)
	m.metrics.MappingReloads.WithLabelValues("accepted").Inc()
	for _, w := range loaded.Warnings {
		m.log.Warn().Str("finding", w.String()).Msg("mapping warning")
	}
	m.log.Info().Str("mapping", loaded.File).Int("rules", len(loaded.Rules)).Str("hash", loaded.Hash).Msg("mapping reloaded")
}

// refuse keeps the mapping in force.
func (m *mapping) refuse(err error) {
	state := *m.state.Load()
	state.rejected, state.since = err.Error(), time.Now()
	m.state.Store(&state)
	m.metrics.MappingReloaded.Set(0)
	m.metrics.MappingReloads.WithLabelValues("refused").Inc()
	m.log.Error().Err(err).Str("hash", state.mapping.Hash).Msg("mapping refused, the previous one stays in use")
}

// fingerprint tells one content of the file from another. What cannot be read
// has a fingerprint too, so that it is refused once and not at each look.
func fingerprint(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		err = fmt.Errorf("the mapping file %s is gone", file)
	}
	if err != nil {
		return err.Error(), err
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

// Mapping is the mapping in force.
func (a *App) Mapping() *transform.Mapping { return a.mapping.current() }

// Reload loads the mapping file again, whether it has changed or not.
func (a *App) Reload() { a.mapping.reload(true) }

// status is the mapping for the status page.
func (m *mapping) status() status.Mapping {
	state := m.state.Load()
	out := status.Mapping{File: state.mapping.File, Hash: state.mapping.Hash, Loaded: state.loaded, Rejected: state.rejected,
		RejectedAt: state.since, Labels: []string{}}
	for _, r := range state.mapping.Rules {
		out.Labels = append(out.Labels, r.Label())
	}
	return out
}
