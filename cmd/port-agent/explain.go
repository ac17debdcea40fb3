package main

import (
	"bytes"
	"context"
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
type question struct {
	mapping, event, response, poll string
	json, secrets                  bool
}

// explain says what the agent would do with an event.
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
		err = v.WriteText(stdout, terminal.Colours(stdout))
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
func readAnswer(file string) (*explanation.Answer, error) {
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
