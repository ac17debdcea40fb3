package main

import (
	"cmp"
	"flag"
	"fmt"
	"io"
	"os"

	"port-agent/cmd/app"
	"port-agent/cmd/terminal"
	"port-agent/transform"
)

const checkUsage = `usage: port-agent check [-mapping FILE]

Finds mistakes in a mapping file and prints one line for each: file, line and
column, rule (counted from 0) and its name, field, what is wrong and how to
correct it.

  -mapping FILE   the file to check. The default is the file that
                  "port-agent run" uses: INVOCATIONS_PATH,
                  CONTROL_THE_PAYLOAD_CONFIG_PATH, ./invocations.json,
                  ./control_the_payload_config.json,
                  ~/control_the_payload_config.json

The exit code is 1 if there is an error, else 0. The agent starts in spite of
warnings. Variables that a mapping reads are looked up in the environment of
this command.
`

// check says what is wrong with a mapping file.
func check(args []string, stdout, _ io.Writer) error {
	flags := flag.NewFlagSet("check", flag.ContinueOnError)
	file := flags.String("mapping", "", "")
	if err := parse(flags, checkUsage, args, stdout, false); err != nil {
		return err
	}
	cfg, err := settings(app.ReadOffline)
	if err != nil {
		return err
	}
	cfg.Transform.Path = cmp.Or(*file, cfg.Transform.Path)
	name := cfg.Transform.File()
	if name == "" {
		fmt.Fprintln(stdout, "no mapping file: the built-in rule takes every event as it is")
		return nil
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("read mapping: %w", err)
	}
	failed := 0
	_, findings := transform.Parse(name, data, cfg.Transform, os.Environ())
	for _, f := range findings {
		fmt.Fprintln(stdout, terminal.Printable(f.Error()))
		if !f.Warning {
			failed++
		}
	}
	fmt.Fprintf(stdout, "%s: %s, %s\n", name, terminal.Count(failed, "error"), terminal.Count(len(findings)-failed, "warning"))
	if failed > 0 {
		return errReported
	}
	return nil
}
