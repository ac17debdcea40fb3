// Command bench measures the agent against a bare loop that reads Kafka and
// posts the same bodies at the same concurrency: the limit of what can be
// reached. Kafka, Port's API and the backend are one process, the agent is
// another, the bare loop a third; the contestants take turns, three times.
// What a distance of Port costs is measured beside the same with Port near, for
// the agent and for a loop that reports.
// Only ratios within one run mean anything.
//
// It builds the agent with the Go toolchain and needs nothing else.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(args) == 1 {
		switch args[0] {
		case roleWorld:
			return runWorld(ctx)
		case roleBare:
			return runBare(ctx)
		}
	}
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	rounds := flags.Int("rounds", 3, "how often each contestant runs each case")
	only := flags.String("run", "", "run the cases whose name matches this `expression`")
	out := flags.String("out", "bench.json", "write the figures to this `file`")
	binary := flags.String("agent", "", "measure this `binary` instead of building one")
	_ = flags.Parse(args)
	match, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	folder, err := os.MkdirTemp("", "port-agent-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	if *binary == "" {
		*binary = filepath.Join(folder, "port-agent")
		if err := build(ctx, *binary); err != nil {
			return err
		}
	}
	b := &bench{folder: folder, binary: *binary}
	figures, err := b.measure(ctx, *rounds, match)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(figures, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(*out, append(text, '\n'), 0o644); err != nil {
		return err
	}
	printTable(os.Stdout, figures)
	return nil
}

// build makes the binary as a release has it.
func build(ctx context.Context, file string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", file, "port-agent/cmd/port-agent")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build the agent: %w", err)
	}
	return nil
}
