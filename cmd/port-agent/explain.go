package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"

	"port-agent/agent"
	"port-agent/cmd/app"
	"port-agent/cmd/port-agent/explanation"
	"port-agent/transform"
)

const explainUsage = `usage: port-agent explain -event FILE [-mapping FILE] [-response FILE] [-poll FILE] [-json] [-show-secrets]

Shows what the agent makes of an event: whether it is for the agent, which rule
takes it and why the others do not, the request that goes out and, of an
answer, what Port is told. It sends nothing and needs no credentials.

  -event FILE     an event as it stands in the topic of runs or of changes
  -mapping FILE   the mapping; without it the one that "port-agent run" would
                  take (see port-agent check -help)
  -response FILE  an answer of the backend, as an object of statusCode, headers,
                  text and json; any of them may be missing
  -poll FILE      what a look at the pipeline is answered that the request has
                  triggered: such an object, or a list of them, one for each
                  request of the look
  -json           one JSON object instead of text
  -show-secrets   show credentials and decrypted inputs, which are [redacted]
                  otherwise

With PORT_CLIENT_SECRET in the environment the signature is checked and
encrypted inputs are decrypted. The exit code is 0, also for an event that
the agent drops, and 1 where a file cannot be read or used.
`

// question is what explain is asked.
type question struct {
	mapping, event, response, poll string
	json, secrets                  bool
}

// explain tells what the agent would do with an event.
func explain(args []string, stdout, stderr io.Writer) int {
	var q question
	flags := newFlags("explain", explainUsage, stderr)
	flags.StringVar(&q.mapping, "mapping", "", "")
	flags.StringVar(&q.event, "event", "", "")
	flags.StringVar(&q.response, "response", "", "")
	flags.StringVar(&q.poll, "poll", "", "")
	flags.BoolVar(&q.json, "json", false, "")
	flags.BoolVar(&q.secrets, "show-secrets", false, "")
	if code, done := parse(flags, args, stdout, false); done {
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
	e := &explanation.Explainer{Config: cfg, Environ: os.Environ(), Version: versionText(), ShowSecrets: q.secrets}
	v, err := q.answer(e)
	if err != nil {
		fmt.Fprintln(stderr, e.Redact(err.Error()))
		return exitFailed
	}
	if q.json {
		err = v.WriteJSON(stdout)
	} else {
		err = v.WriteText(stdout, explanation.Colours(stdout))
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitFailed
	}
	return exitOK
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
	response, err := readAnswer(q.response)
	if err != nil {
		return nil, err
	}
	var poll []byte
	if q.poll != "" {
		if poll, err = os.ReadFile(q.poll); err != nil {
			return nil, fmt.Errorf("read poll: %w", err)
		}
	}
	polls, err := explanation.ParsePolls(q.poll, poll)
	if err != nil {
		return nil, err
	}
	v, err := e.Explain(context.Background(), mapping, event, response, polls...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", q.event, err)
	}
	return v, nil
}

// readAnswer reads the file of an answer; none is nil.
func readAnswer(file string) (*agent.Answer, error) {
	if file == "" {
		return nil, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read response: %w", err)
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, fmt.Errorf("%s: %w", file, io.ErrUnexpectedEOF)
	}
	return explanation.ParseAnswer(file, data)
}
