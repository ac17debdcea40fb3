package app

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"port-agent/agent/kafka"
	"port-agent/agent/kafka/ledger"
	"port-agent/cmd/app/status"
	"port-agent/invoker"
)

// statusEvents is how many unsettled events a status lists, and how many followed
// ones.
const statusEvents = 10

// serveStatus serves the agent's status until stop is called.
func (a *App) serveStatus() (stop func()) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		nonce := rand.Text()
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "+
			"style-src 'nonce-"+nonce+"'; script-src 'nonce-"+nonce+"'")
		_ = a.Status().WriteHTML(w, nonce) // the reader has gone
	})
	mux.HandleFunc("GET /status.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(a.Status()) // likewise
	})
	return serveBounded(a.viewers, onlyHere(mux), defaultLimits, a.log)
}

// onlyHere refuses requests whose Host is not this machine: otherwise a web page
// could read the status through a name that it points to 127.0.0.1.
func onlyHere(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := (&url.URL{Host: r.Host}).Hostname()
		if !strings.EqualFold(host, "localhost") && !net.ParseIP(host).IsLoopback() {
			answer(w, http.StatusMisdirectedRequest, "this server answers to 127.0.0.1 and localhost only")
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// Status returns the state of the agent at this moment.
func (a *App) Status() *status.Status {
	s := &status.Status{
		Time: time.Now(), Started: a.started, Version: a.version,
		Snapshot: a.activity.Snapshot(statusEvents),
		Slots:    status.Slots{Limit: a.cfg.Agent.MaxInFlight, PerHost: a.cfg.Agent.MaxInFlightPerHost},
		Source:   a.sourceStatus(), Port: a.port.State(), Mapping: a.mapping.state.Load().status, Settings: a.settingsStatus(),
	}
	s.Port.Refused = a.credentialsRefused()
	for _, h := range s.Hosts {
		s.Slots.Used, s.Slots.Waiting = s.Slots.Used+h.Used, s.Slots.Waiting+h.Waiting
	}
	if !s.Source.Connected && s.Source.Error == "" && s.Source.Kind == sourcePolling {
		s.Source.Error = s.Port.Error
	}
	a.redactStatus(s)
	status.Diagnose(s)
	return s
}

func (a *App) sourceStatus() status.Source {
	out := status.Source{Kind: strings.ToUpper(a.cfg.Process.Streamer), State: kafka.State{Partitions: []ledger.State{}}}
	src, _ := a.source.Load().(source)
	if src == nil {
		return out
	}
	out.Connected = src.Ready()
	if k, ok := src.(*kafka.Source); ok {
		out.State = k.State()
	}
	if out.Connected {
		out.Error = ""
	}
	return out
}

// settingsStatus lists the settings that differ from their defaults.
func (a *App) settingsStatus() []status.Setting {
	out := []status.Setting{}
	for _, s := range settings(new(Config).parts()...) {
		value := os.Getenv(s.name)
		if value == "" || value == s.def {
			continue
		}
		if s.value.Type() == secretType {
			value = invoker.Secret(value).String()
		}
		out = append(out, status.Setting{Name: s.name, Value: value})
	}
	slices.SortFunc(out, func(x, y status.Setting) int { return cmp.Compare(x.Name, y.Name) })
	return slices.Compact(out)
}

// redactStatus removes secrets from texts that the agent did not write itself.
func (a *App) redactStatus(s *status.Status) {
	for _, text := range []*string{&s.Source.Error, &s.Port.Error, &s.Mapping.Rejected} {
		*text = a.redactor.String(*text)
	}
	for i := range s.Settings {
		s.Settings[i].Value = a.redactor.String(s.Settings[i].Value)
	}
}
