package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/rs/zerolog"

	"port-agent/agent"
	"port-agent/cmd/app"
	"port-agent/invoker"
	"port-agent/transform"
)

const explainUsage = `usage: port-agent explain -event FILE [-mapping FILE] [-response FILE] [-json] [-show-secrets]

Shows what the agent makes of an event: whether it is for the agent, which rule
takes it and why the others do not, the request that goes out and, of an
answer, what Port is told. It sends nothing and needs no credentials.

  -event FILE     an event as it stands in the topic of runs or of changes
  -mapping FILE   the mapping; without it the one that "port-agent run" would
                  take (see port-agent check -help)
  -response FILE  an answer of the backend, as an object of statusCode, headers,
                  text and json; any of them may be missing
  -json           one JSON object instead of text
  -show-secrets   show credentials and decrypted inputs, which are [redacted]
                  otherwise

With PORT_CLIENT_SECRET in the environment the signature is checked and
encrypted inputs are decrypted. The exit code is 0 whatever becomes of the
event, 1 where a file cannot be read or used.
`

// question is what explain is asked.
type question struct {
	mapping, event, response string
	json, secrets            bool
}

// explain tells what the agent would do with an event.
func explain(args []string, stdout, stderr io.Writer) int {
	var q question
	flags := newFlags("explain", explainUsage, stderr)
	flags.StringVar(&q.mapping, "mapping", "", "")
	flags.StringVar(&q.event, "event", "", "")
	flags.StringVar(&q.response, "response", "", "")
	flags.BoolVar(&q.json, "json", false, "")
	flags.BoolVar(&q.secrets, "show-secrets", false, "")
	if code, done := parse(flags, args, stdout); done {
		return code
	}
	if q.event == "" {
		fmt.Fprint(stderr, "-event is required\n", explainUsage)
		return exitInvalid
	}
	cfg, err := app.ReadOffline()
	if err != nil {
		fmt.Fprintf(stderr, "settings:\n%v\n", err)
		return exitInvalid
	}
	if q.mapping != "" {
		cfg.Transform.Path = q.mapping
	}
	v, err := q.answer(cfg)
	if err != nil {
		fmt.Fprintln(stderr, printableLines(agent.NewRedactor(app.Secrets(cfg)...).String(err.Error())))
		return exitFailed
	}
	if q.json {
		err = v.writeJSON(stdout)
	} else {
		err = v.writeText(stdout, colours(stdout))
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitFailed
	}
	return exitOK
}

// answer reads the files and puts the question to an explainer.
func (q question) answer(cfg app.Config) (*view, error) {
	mapping, err := transform.Load(cfg.Transform, os.Environ())
	if err != nil {
		return nil, err
	}
	event, err := os.ReadFile(q.event)
	if err != nil {
		return nil, fmt.Errorf("read event: %w", err)
	}
	response, err := readAnswer(q.response)
	if err != nil {
		return nil, err
	}
	inv, err := newInvoker(cfg, "")
	if err != nil {
		return nil, err
	}
	e := agent.Explainer{
		Secret: cfg.Port.ClientSecret, Mapping: mapping, Invoker: inv, OnNoMatch: cfg.Agent.OnNoMatch,
		StandIn: func() (*invoker.Invoker, error) { return newInvoker(cfg, notSet) },
	}
	x, err := e.Explain(context.Background(), bytes.TrimPrefix(event, []byte("\ufeff")), response)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: the agent drops it", q.event, err)
	}
	v := newView(x, mapping, newConcealer(q.secrets, app.Secrets(cfg), x))
	if limit := cfg.Agent.MaxEventBytes; len(event) > limit {
		v.warn(fmt.Sprintf("the event is larger than MAX_EVENT_BYTES (%d): the agent drops it", limit))
	}
	return v, nil
}

// newInvoker makes an Invoker that is good for building requests alone: it
// knows nothing of proxies and certificates, whose faults are none of an
// explanation's. Where standIn is not empty it takes the place of credentials
// that are not set.
func newInvoker(cfg app.Config, standIn string) (*invoker.Invoker, error) {
	if cfg.Invoker.GitHubToken == "" {
		cfg.Invoker.GitHubToken = invoker.Secret(standIn)
	}
	cfg.Invoker.CADir, cfg.Invoker.ClientCertDir = "", ""
	made := false
	env := func(name string) (string, bool) {
		if !made { // New reads the variables of the network, Build those of credentials
			return "", false
		}
		if value, set := os.LookupEnv(name); value != "" || standIn == "" {
			return value, set
		}
		return standIn, true
	}
	inv, err := invoker.New(cfg.Invoker, invoker.Deps{
		Signer: cfg.Port.ClientSecret, PortAPI: cfg.Port.BaseURL, Env: env, UserAgent: "port-agent/" + versionText(),
	}, zerolog.Nop())
	made = true
	return inv, err
}

// notSet stands for a credential that is not set.
const notSet = "[not set]"

// readAnswer reads the file of an answer; none is nil.
func readAnswer(file string) (*agent.Answer, error) {
	if file == "" {
		return nil, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read response: %w", err)
	}
	var a agent.Answer
	if err := json.Unmarshal(bytes.TrimPrefix(data, []byte("\ufeff")), &a); err != nil {
		var kind *json.UnmarshalTypeError
		if errors.As(err, &kind) {
			return nil, fmt.Errorf("%s: %s is a JSON %s, where %s is needed", file, kind.Field, kind.Value, kind.Type)
		}
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return &a, nil
}
