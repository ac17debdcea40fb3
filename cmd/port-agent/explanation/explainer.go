// Package explanation shows what the agent does with an event: which rule matches
// and why the others do not, the request and the report. It is for the commands
// explain, tail and test and for the playground. It sends nothing: agent.Explainer
// does the work. This package gives it settings and conceals secrets in its result.
package explanation

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"port-agent/agent"
	"port-agent/agent/redact"
	"port-agent/cmd/app"
	"port-agent/cmd/terminal"
	"port-agent/invoker"
	"port-agent/invoker/follow"
	"port-agent/transform"
)

// Explainer explains events under given settings. It reads neither files nor
// the process's environment, and may be used by many goroutines at once.
type Explainer struct {
	Config  app.Config
	Environ []string // what mappings and backends see as the environment, as os.Environ returns it
	// ShowSecrets shows credentials and decrypted inputs.
	ShowSecrets bool
}

// Explain explains a record. answer is the backend's answer, or nil. polls are the
// answers to one poll of the pipeline. An error means that the agent would drop the
// record, or that the settings are wrong.
func (e *Explainer) Explain(ctx context.Context, m *transform.Mapping, record []byte, answer *Answer, polls ...Answer) (*View, error) {
	inv, err := e.invoker("")
	if err != nil {
		return nil, err
	}
	engine := agent.Explainer{
		Secret: e.Config.Port.ClientSecret, Mapping: m, Invoker: inv, OnNoMatch: e.Config.Agent.OnNoMatch,
		Follower: follow.New(e.Config.Follow, &recording{live: inv, answers: polls}),
		StandIn:  func() (*invoker.Invoker, error) { return e.invoker(notSet) },
	}
	var given *agent.Answer
	if answer != nil {
		given = &agent.Answer{Response: answer.response(), Value: answer.value()}
	}
	x, err := engine.Explain(ctx, trimBOM(record), given, len(polls) > 0)
	if err != nil {
		return nil, fmt.Errorf("%w: the agent drops it", err)
	}
	v := newView(x, m, newConcealer(e.ShowSecrets, app.Secrets(e.Config, e.Environ), x))
	if limit := e.Config.Agent.MaxEventBytes; len(record) > limit {
		v.doubt(fmt.Sprintf("the event is larger than MAX_EVENT_BYTES (%d): the agent drops it", limit))
	}
	v.Warnings = append(v.Details.Stopped, v.Details.Doubts...)
	return v, nil
}

// Redact removes the secrets of the settings from a text for people.
func (e *Explainer) Redact(text string) string {
	return terminal.PrintableLines(redact.New(app.Secrets(e.Config, e.Environ)...).String(text))
}

// notSet stands for a credential that is not set.
const notSet = "[not set]"

// invoker makes an Invoker that can only build requests: it ignores proxies and
// certificates, whose faults do not concern an explanation. standIn, if not empty, is
// used for credentials that are not set.
func (e *Explainer) invoker(standIn string) (*invoker.Invoker, error) {
	cfg := e.Config.Invoker
	if cfg.GitHubToken == "" && cfg.GitHubAppID == "" {
		cfg.GitHubToken = invoker.Secret(standIn)
	}
	env := func(name string) (string, bool) {
		if value, set := lookup(e.Environ, name); value != "" || standIn == "" {
			return value, set
		}
		return standIn, true
	}
	return invoker.New(cfg, invoker.Deps{
		Signer: e.Config.Port.ClientSecret, PortAPI: e.Config.Port.BaseURL, Env: env, Setting: app.IsSetting, UserAgent: "port-agent",
	})
}

// lookup finds a variable; the last of a name counts, as in os/exec.
func lookup(environ []string, name string) (value string, set bool) {
	for _, v := range environ {
		if n, text, ok := strings.Cut(v, "="); ok && n == name {
			value, set = text, true
		}
	}
	return value, set
}

// ParseAnswer reads a backend's answer; file names it in errors. Empty data is
// no answer.
func ParseAnswer(file string, data []byte) (*Answer, error) {
	if data = bytes.TrimSpace(trimBOM(data)); len(data) == 0 {
		return nil, nil
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields() // a misspelt statusCode would count as 200
	var a Answer
	if err := dec.Decode(&a); err != nil {
		if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			needed := map[reflect.Kind]string{reflect.Int: "a whole number", reflect.String: "a string"}[kind.Type.Kind()]
			return nil, fmt.Errorf("%s: %s is a JSON %s, where %s is needed", file, cmp.Or(kind.Field, "the answer"), kind.Value, cmp.Or(needed, "an object"))
		}
		return nil, fmt.Errorf("%s: %s", file, strings.TrimPrefix(err.Error(), "json: "))
	}
	if rest := bytes.TrimSpace(data[dec.InputOffset():]); len(rest) > 0 {
		return nil, fmt.Errorf("%s: more after the JSON value", file)
	}
	return &a, nil
}

// ParsePolls reads the answers to one poll of a pipeline: one answer, or a list with
// one for each request of the poll.
func ParsePolls(file string, data []byte) (polls []Answer, err error) {
	data = bytes.TrimSpace(trimBOM(data))
	list := []json.RawMessage{data}
	if bytes.HasPrefix(data, []byte("[")) {
		if err := json.Unmarshal(data, &list); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	for i, raw := range list {
		name := file
		if len(list) > 1 {
			name = fmt.Sprintf("%s: answer %d", file, i)
		}
		answer, err := ParseAnswer(name, raw)
		if err != nil {
			return nil, err
		}
		if answer != nil {
			polls = append(polls, *answer)
		}
	}
	return polls, nil
}

// trimBOM removes the byte order mark that some editors write.
func trimBOM(data []byte) []byte { return bytes.TrimPrefix(data, []byte("\ufeff")) }
