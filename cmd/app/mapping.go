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

// mapping is the mapping in use and its file. When the file changes, it is loaded
// again. If the new content is wrong, it is refused and the mapping in use stays.
type mapping struct {
	cfg transform.Config
	log zerolog.Logger

	metrics *agent.Metrics

	mu    sync.Mutex // held by a reload
	seen  string     // the hash of the file at the last look, or why it could not be read
	state atomic.Pointer[mappingState]
}

// mappingState is what a reload changes.
type mappingState struct {
	mapping *transform.Mapping
	status  status.Mapping // of mapping, for the status page
}

// loadMapping loads the mapping for the first time.
func loadMapping(cfg transform.Config, metrics *agent.Metrics, log zerolog.Logger) (*mapping, error) {
	loaded, err := transform.Load(cfg, os.Environ())
	if err != nil {
		return nil, err
	}
	m := &mapping{cfg: cfg, log: log, metrics: metrics}
	m.use(loaded)
	return m, nil
}

// current is the mapping in use.
func (m *mapping) current() *transform.Mapping { return m.state.Load().mapping }

// use makes a mapping the one in use and logs its warnings.
func (m *mapping) use(loaded *transform.Mapping) {
	m.seen = loaded.Hash
	s := status.Mapping{File: loaded.File, Hash: loaded.Hash, Loaded: time.Now(), Labels: []string{}}
	for _, r := range loaded.Rules {
		s.Labels = append(s.Labels, r.Label())
		m.metrics.RuleMatches.WithLabelValues(r.Label()) // present before its first event
	}
	m.state.Store(&mappingState{loaded, s})
	m.metrics.MappingReloaded.Set(1)
	m.metrics.MappingLoadedAt.Set(float64(s.Loaded.Unix()))
	m.metrics.MappingInfo.Reset()
	m.metrics.MappingInfo.WithLabelValues(loaded.Hash).Set(1)
	for _, w := range loaded.Warnings {
		m.log.Warn().Str("finding", w.Error()).Msg("mapping warning")
	}
}

// watch looks at the file at an interval until ctx ends. An interval of 0 is never.
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

// reload loads the file if it has changed since the last look, or if forced. The new
// mapping applies to events that are matched from then on. An event keeps the rule
// that it was matched with.
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
	m.use(loaded)
	m.metrics.MappingReloads.WithLabelValues("accepted").Inc()
	m.log.Info().Str("mapping", loaded.File).Int("rules", len(loaded.Rules)).Str("hash", loaded.Hash).Msg("mapping reloaded")
}

// refuse keeps the mapping in use and says why.
func (m *mapping) refuse(err error) {
	state := *m.state.Load()
	state.status.Rejected, state.status.RejectedAt = err.Error(), time.Now()
	m.state.Store(&state)
	m.metrics.MappingReloaded.Set(0)
	m.metrics.MappingReloads.WithLabelValues("refused").Inc()
	m.log.Error().Err(err).Str("hash", state.mapping.Hash).Msg("mapping refused, the previous one stays in use")
}

// fingerprint identifies the content of the file. A file that cannot be read has
// one too, so that it is refused once and not at each look.
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

// Mapping is the mapping in use.
func (a *App) Mapping() *transform.Mapping { return a.mapping.current() }

// Reload loads the mapping file again, whether it has changed or not.
func (a *App) Reload() { a.mapping.reload(true) }
