package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"port-agent/agent"
	"port-agent/agent/kafka"
	"port-agent/cmd/app"
	"port-agent/cmd/port-agent/explanation"
	"port-agent/cmd/terminal"
	"port-agent/transform"
)

const tailUsage = `usage: port-agent tail [-partition P -offset N [-count M] [-changes]] [-mapping FILE] [-v] [-o DIR] [-show-secrets]

Shows new events as Port publishes them, one per line: time, partition and
offset, run, action, rule, backend and URL, or why the agent drops the event. It
sends nothing, joins no consumer group and commits nothing. The settings are the
environment variables of "port-agent run".

  -partition P    show stored events of this partition and exit, for example the
  -offset N       event of a log line
  -count M        the number of stored events (1)
  -changes        read the topic of catalog changes instead of runs
  -mapping FILE   the mapping. The default is the file that "port-agent run"
                  uses (see port-agent check -help)
  -v              print the whole explanation of each event, as explain does
  -o DIR          save each event as DIR/TOPIC-PARTITION-OFFSET.json, unchanged,
                  for explain, test and playground
  -show-secrets   show credentials and decrypted inputs instead of [redacted]

The exit code is 1 if Kafka, Port or a file cannot be read.
`

// tailer shows events.
type tailer struct {
	out     io.Writer
	explain *explanation.Explainer
	mapping *transform.Mapping
	whole   bool   // print the whole explanation
	dir     string // where events are saved, empty: nowhere
	colour  bool
}

// tailEvents shows events as they are published, or those of a place in a partition.
func tailEvents(args []string, stdout, stderr io.Writer) error {
	var r kafka.Range
	t := tailer{out: stdout, colour: terminal.Colours(stdout)}
	flags := flag.NewFlagSet("tail", flag.ContinueOnError)
	flags.IntVar(&r.Partition, "partition", -1, "")
	flags.Int64Var(&r.Offset, "offset", -1, "")
	flags.IntVar(&r.Count, "count", 0, "")
	flags.BoolVar(&r.Changes, "changes", false, "")
	mapping := flags.String("mapping", "", "")
	flags.BoolVar(&t.whole, "v", false, "")
	flags.StringVar(&t.dir, "o", "", "")
	secrets := flags.Bool("show-secrets", false, "")
	if err := parse(flags, tailUsage, args, stdout, false); err != nil {
		return err
	}
	if err := place(&r); err != nil {
		return misused(err.Error(), tailUsage)
	}
	cfg, err := settings(app.ReadConfig)
	if err != nil {
		return err
	}
	cfg.Transform.Path = cmp.Or(*mapping, cfg.Transform.Path)
	t.explain = &explanation.Explainer{Config: cfg, Environ: os.Environ(), ShowSecrets: *secrets}
	if err := t.run(cfg, r, stderr); err != nil {
		return errors.New(t.explain.Redact(err.Error()))
	}
	return nil
}

// place completes the range that the flags give.
func place(r *kafka.Range) error {
	switch {
	case r.Partition < 0 && r.Offset < 0 && r.Count == 0:
		return nil
	case r.Partition < 0 || r.Offset < 0:
		return errors.New("-partition and -offset go together")
	case r.Count < 0:
		return errors.New("-count is less than 1")
	}
	r.Count = max(r.Count, 1)
	return nil
}

func (t *tailer) run(cfg app.Config, r kafka.Range, stderr io.Writer) error {
	// It runs beside an agent, whose addresses are taken, and prints no log lines
	// between the events.
	cfg.Process.HTTPAddr, cfg.Process.StatusAddr, cfg.Process.LogLevel = "", "", "ERROR"
	a, err := app.New(cfg, versionText(), stderr)
	if err != nil {
		return err
	}
	t.mapping = a.Mapping()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if r.Count == 0 {
		r.Begun = func() { fmt.Fprintln(stderr, "reading what is published from now on; end with Ctrl-C") }
	}
	return a.Tail(ctx, r, func(ev *agent.Event, dropped error) error { return t.show(ctx, ev, dropped) })
}

// show prints one event and saves it, unless dropped is why it was not read.
func (t *tailer) show(ctx context.Context, ev *agent.Event, dropped error) error {
	name := fmt.Sprintf("%s-%d-%d.json", ev.Topic, ev.Partition, ev.Offset)
	if t.dir != "" && dropped == nil {
		if err := os.MkdirAll(t.dir, 0o700); err != nil {
			return fmt.Errorf("save event: %w", err)
		}
		if err := os.WriteFile(filepath.Join(t.dir, name), ev.Record, 0o600); err != nil {
			return fmt.Errorf("save event: %w", err)
		}
	}
	var v *explanation.View
	err := dropped
	if err == nil {
		v, err = t.explain.Explain(ctx, t.mapping, ev.Record, nil)
	}
	if err != nil {
		v = explanation.Dropped(err)
	}
	at := ev.Time.Local().Format(time.TimeOnly)
	if _, err := fmt.Fprintf(t.out, "%s  %s/%d/%d  %s\n", at, ev.Topic, ev.Partition, ev.Offset, v.Line()); err != nil {
		return err
	}
	if !t.whole || err != nil {
		return nil
	}
	if err := v.WriteText(t.out, t.colour); err != nil {
		return err
	}
	_, err = fmt.Fprintln(t.out)
	return err
}
