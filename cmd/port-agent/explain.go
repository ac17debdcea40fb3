package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"port-agent/cmd/app"
	"port-agent/cmd/port-agent/explanation"
	"port-agent/cmd/terminal"
	"port-agent/transform"
)

const explainUsage = `usage: port-agent explain -event FILE [-mapping FILE] [-response FILE] [-poll FILE] [-json] [-show-secrets]

Shows what the agent does with an event: whether the event is for the agent,
which rule matches and why the others do not, the request and, if an answer is
given, the report to Port. It sends nothing and needs no credentials.

  -event FILE     an event from the topic of runs or of changes
  -mapping FILE   the mapping. The default is the file that "port-agent run"
                  uses (see port-agent check -help)
  -response FILE  an answer of the backend: an object of statusCode, headers,
                  text and json, all optional
  -poll FILE      an answer to one poll of the pipeline, in the same form, or a
                  list of answers, one for each request of the poll
  -json           print one JSON object instead of text
  -show-secrets   show credentials and decrypted inputs instead of [redacted]

If PORT_CLIENT_SECRET is set, the signature is checked and encrypted inputs are
decrypted. The exit code is 1 if a file cannot be read or used, else 0, also for
an event that the agent drops.
`

// question is what explain is asked.
type question struct{ mapping, event, response, poll string }

// explain says what the agent would do with an event.
func explain(args []string, stdout, _ io.Writer) error {
	var q question
	flags := flag.NewFlagSet("explain", flag.ContinueOnError)
	flags.StringVar(&q.mapping, "mapping", "", "")
	flags.StringVar(&q.event, "event", "", "")
	flags.StringVar(&q.response, "response", "", "")
	flags.StringVar(&q.poll, "poll", "", "")
	asJSON := flags.Bool("json", false, "")
	secrets := flags.Bool("show-secrets", false, "")
	if err := parse(flags, explainUsage, args, stdout, false); err != nil {
		return err
	}
	if q.event == "" {
		return misused("-event is required", explainUsage)
	}
	cfg, err := settings(app.ReadOffline)
	if err != nil {
		return err
	}
	cfg.Transform.Path = cmp.Or(q.mapping, cfg.Transform.Path)
	e := &explanation.Explainer{Config: cfg, Environ: os.Environ(), ShowSecrets: *secrets}
	v, err := q.answer(e)
	if err != nil {
		return errors.New(e.Redact(err.Error()))
	}
	if *asJSON {
		return v.WriteJSON(stdout)
	}
	return v.WriteText(stdout, terminal.Colours(stdout))
}

// answer reads the files and asks e.
func (q question) answer(e *explanation.Explainer) (*explanation.View, error) {
	mapping, err := transform.Load(e.Config.Transform, e.Environ)
	if err != nil {
		return nil, err
	}
	event, err := os.ReadFile(q.event)
	if err != nil {
		return nil, fmt.Errorf("read event: %w", err)
	}
	response, err := recorded("response", q.response, explanation.ParseAnswer)
	if err != nil {
		return nil, err
	}
	polls, err := recorded("poll", q.poll, explanation.ParsePolls)
	if err != nil {
		return nil, err
	}
	v, err := e.Explain(context.Background(), mapping, event, response, polls...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", q.event, err)
	}
	return v, nil
}

// recorded reads the file of an answer, if one is named.
func recorded[T any](what, file string, parse func(file string, data []byte) (T, error)) (answer T, err error) {
	if file == "" {
		return answer, nil
	}
	data, err := os.ReadFile(file)
	if err == nil && len(bytes.TrimSpace(data)) == 0 {
		err = errors.New(file + " is empty")
	}
	if err != nil {
		return answer, fmt.Errorf("read %s: %w", what, err)
	}
	return parse(file, data)
}
