// Package app assembles the agent: settings, pipeline, source, reports, health and
// metrics. The product's binary and the sandbox run it. It is wiring and holds no
// other logic.
package app

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/rs/zerolog"

	"port-agent/agent"
	"port-agent/agent/activity"
	"port-agent/agent/kafka"
	"port-agent/agent/polling"
	"port-agent/agent/port"
	"port-agent/agent/redact"
	"port-agent/invoker"
	"port-agent/invoker/follow"
	"port-agent/invoker/wire"
)

// App is the whole agent, ready to run.
type App struct {
	cfg      Config
	version  string
	log      zerolog.Logger
	redactor *redact.Redactor
	issued   *issued // secrets learned at work
	metrics  *agent.Metrics
	registry *prometheus.Registry
	port     *port.Client
	invoker  *invoker.Invoker
	wire     *wire.Client
	agent    *agent.Agent
	mapping  *mapping
	activity *activity.Log
	started  time.Time
	kafkaTLS *tls.Config
	listener net.Listener // nil: no server for health and metrics
	viewers  net.Listener // nil: no server for the status
	source   atomic.Value // of type source, once there is one
	refused  atomic.Bool  // Port no longer takes the credentials
}

// source hands events to the pipeline until its context ends.
type source interface {
	Run(ctx context.Context) error
	Ready() bool
}

// New assembles the agent from cfg; it logs to out. It makes no calls. An error
// means that a setting, or a file that a setting names, is wrong.
func New(cfg Config, version string, out io.Writer) (_ *App, err error) {
	a := &App{cfg: cfg, version: version, started: time.Now(), activity: activity.New(), registry: prometheus.NewRegistry()}
	a.redactor = redact.New(Secrets(cfg, os.Environ())...)
	a.issued = &issued{redactor: a.redactor, most: 500}
	out = logOutput(cfg.Process, out)
	a.log = newLogger(cfg.Process, a.redactor.Writer(out))
	a.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	a.metrics = agent.NewMetrics(a.registry, version)
	userAgent := "port-agent/" + version

	if a.mapping, err = loadMapping(cfg.Transform, a.metrics, a.log); err != nil {
		return nil, err
	}
	way, err := wire.Transport(cfg.Wire, os.LookupEnv)
	if err != nil {
		return nil, err
	}
	cfg.Port.Transport, a.kafkaTLS = way, way.TLSClientConfig.Clone() // net/http changes its own
	cfg.Port.Redactor = a.redactor
	if a.port, err = port.New(cfg.Port, userAgent, a.metrics, a.log); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			a.closeListeners()
		}
	}()
	if a.listener, err = a.listen("HTTP_ADDR", cfg.Process.HTTPAddr); err != nil {
		return nil, err
	}
	if a.viewers, err = a.listen("STATUS_ADDR", cfg.Process.StatusAddr); err != nil {
		return nil, err
	}
	if a.wire, err = wire.New(cfg.Wire, os.LookupEnv, a.listener, a.viewers); err != nil {
		return nil, err
	}
	if !cfg.Wire.VerifySSL {
		a.log.Warn().Msg("certificate check of backends switched off by WEBHOOK_VERIFY_SSL")
	}
	files := secretFiles(&a.cfg, a.issued.conceal, a.log)
	a.invoker, err = invoker.New(cfg.Invoker, invoker.Deps{
		Signer: cfg.Port.ClientSecret, PortAPI: cfg.Port.BaseURL, Token: a.port.Token, Env: os.LookupEnv,
		Setting: IsSetting, Secrets: files, Conceal: a.issued.conceal, UserAgent: userAgent,
		Wire: a.wire,
	})
	if err != nil {
		return nil, err
	}
	cfg.Agent.FollowMaxRuns = cfg.Follow.MaxRuns
	a.agent = agent.New(cfg.Agent, agent.Deps{
		Follower: follow.New(cfg.Follow, a.invoker),
		Secret:   cfg.Port.ClientSecret, Mapping: a.mapping.current, Invoker: a.invoker, Reporter: a.port,
		Redactor: a.redactor, LogOutput: out, Metrics: a.metrics, Activity: a.activity,
	}, a.log)
	return a, nil
}

// listen opens the address of a setting. If the setting is not set, its default may
// be in use: by a second agent on the host, or by another service.
func (a *App) listen(setting, address string) (net.Listener, error) {
	if address == "" {
		return nil, nil
	}
	_, asked := os.LookupEnv(setting)
	l, err := net.Listen("tcp", address)
	switch {
	case err != nil && asked:
		return nil, fmt.Errorf("%s: %w", setting, err)
	case err != nil: // the agent works without the server
		a.log.Warn().Err(err).Str("setting", setting).Msg("server not started")
		return nil, nil
	}
	return l, nil
}

func (a *App) closeListeners() {
	for _, l := range []net.Listener{a.listener, a.viewers} {
		if l != nil {
			_ = l.Close()
		}
	}
}

// Run works until ctx ends, then drains and returns nil. An error is the reason why
// the agent stopped earlier.
func (a *App) Run(ctx context.Context) error {
	defer a.wire.Close()
	defer a.port.Close()
	defer a.serve()()
	defer a.serveStatus()()
	a.announce()
	err := a.work(ctx)
	if ctx.Err() != nil {
		err = nil
	}
	a.log.Info().Msg("agent stopped")
	return err
}

// work runs the source and the watchers beside it until asked ends or one of them
// gives up.
func (a *App) work(asked context.Context) error {
	ctx, stop := context.WithCancelCause(asked)
	var beside sync.WaitGroup
	defer beside.Wait()
	defer stop(nil)
	beside.Go(func() {
		if <-ctx.Done(); asked.Err() != nil {
			a.log.Info().Msg("agent stopping")
		}
	})
	beside.Go(func() { a.watchCredentials(ctx, stop) })
	beside.Go(func() { a.mapping.watch(ctx, a.cfg.Process.reloadInterval()) })
	beside.Go(func() { a.setStreamer(ctx) })
	src, err := a.connect(ctx)
	if err == nil {
		a.source.Store(src)
		err = src.Run(ctx)
	}
	if err == nil {
		err = context.Cause(ctx)
	}
	return err
}

// announce logs at start which version, source and mapping are in use.
func (a *App) announce() {
	a.nameUnsupported()
	m := a.mapping.current()
	a.log.Info().Str("version", a.version).Str("source", strings.ToUpper(a.cfg.Process.Streamer)).Str("mapping", cmp.Or(m.File, "built-in rule")).
		Int("rules", len(m.Rules)).Str("address", a.Addr()).Msg("agent started")
}

// connect makes the source. For Kafka it needs the organisation, from PORT_ORG_ID or
// from Port.
func (a *App) connect(ctx context.Context) (source, error) {
	streamer := strings.ToUpper(a.cfg.Process.Streamer)
	if streamer == sourcePolling {
		return polling.New(a.cfg.Polling, a.port, a.agent.Handle, a.metrics, a.log)
	}
	org, err := a.organization(ctx)
	if err != nil {
		return nil, err
	}
	cfg := a.cfg.Kafka.ForOrg(org)
	if cfg.RunsTopic == cfg.ChangeLogTopic { // the topic decides what is verified: Port does not sign changes
		return nil, fmt.Errorf("KAFKA_RUNS_TOPIC and KAFKA_CHANGE_LOG_TOPIC name the same topic, %s", cfg.RunsTopic)
	}
	cfg.MaxEventBytes = a.cfg.Agent.MaxEventBytes
	return kafka.New(cfg, a.kafkaTLS, a.kafkaCredentials, a.agent.Handle, a.metrics, a.log), nil
}

// organization asks Port for the organisation until Port answers: an agent that
// starts while Port is down works when Port is back.
func (a *App) organization(ctx context.Context) (string, error) {
	for delay := time.Second; ; delay = min(2*delay, 30*time.Second) {
		org, err := a.port.Organization(ctx)
		if err == nil || ctx.Err() != nil || !port.Passing(err) {
			return org, err
		}
		a.log.Error().Err(err).Int64("retry_in_ms", delay.Milliseconds()).Msg("organisation not found")
		_ = agent.Pause(ctx, delay) // the next attempt says that ctx has ended
	}
}

// kafkaCredentials returns brokers and credentials, from the settings or from Port.
func (a *App) kafkaCredentials(ctx context.Context) (kafka.Credentials, error) {
	if a.cfg.Kafka.Local {
		return kafka.Credentials{Brokers: a.cfg.Kafka.Brokers}, nil
	}
	got, err := a.port.KafkaCredentials(ctx)
	if err != nil {
		return kafka.Credentials{}, err
	}
	a.issued.conceal(got.Password.Reveal())
	return kafka.Credentials{Brokers: got.Brokers, Username: got.Username, Password: got.Password}, nil
}

// setStreamer tells Port whether this agent uses Kafka or polling. A failure does no
// harm.
func (a *App) setStreamer(ctx context.Context) {
	if err := a.port.SetStreamer(ctx, strings.ToUpper(a.cfg.Process.Streamer)); err != nil && ctx.Err() == nil {
		a.log.Warn().Err(err).Msg("organisation setting not updated")
	}
}

// Ready reports whether the source is connected and Port accepts the credentials,
// and why not.
//
// An agent stays ready while Port's API does not answer: it invokes backends, and
// reports when Port is back.
func (a *App) Ready() (ready bool, why string) {
	src, _ := a.source.Load().(source)
	switch {
	case src == nil || !src.Ready():
		return false, "source not connected"
	case a.credentialsRefused():
		return false, "credentials refused by port"
	}
	return true, ""
}

// Redact removes the secrets that the agent knows from a text.
func (a *App) Redact(text string) string { return a.redactor.String(text) }
