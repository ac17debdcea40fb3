// Command sandbox is Port on a laptop: an in-memory Kafka, a stand-in for
// Port's API and sample backends, with the agent on top of them in the same
// process. It publishes a few runs, shows how each one ends, and exits with 0 if
// all end as they should, else with 1.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

const usage = `usage: sandbox [-v] [-serve]
       sandbox -publish FILE -brokers HOST:PORT [-topic NAME]

Publishes six runs and shows how each one ends. With -serve it then keeps
running, prints the environment for an agent of yours, and shows what the
backends and Port receive.

`

func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("sandbox", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	serve := flags.Bool("serve", false, "keep running until interrupted")
	verbose := flags.Bool("v", false, "print the agent's log")
	file := flags.String("publish", "", "sign the event in `FILE` with the sandbox's secret and publish it")
	brokers := flags.String("brokers", "", "brokers to publish to, as -serve prints them")
	topic := flags.String("topic", organisation+".runs", "topic to publish to")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "unexpected argument %q\n", flags.Arg(0))
		flags.Usage()
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	err := func() error {
		if *file != "" {
			return publishFile(ctx, *file, *brokers, *topic, stdout)
		}
		log := io.Discard
		if *verbose {
			log = stderr
		}
		return play(ctx, *serve, stdout, log)
	}()
	if err != nil {
		fmt.Fprintln(stderr, "sandbox:", err)
		return 1
	}
	return 0
}

// play tells the story and, to serve, stays.
func play(ctx context.Context, serve bool, out, log io.Writer) error {
	s, err := open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.tellStory(ctx, out, log); err != nil {
		return err
	}
	if serve {
		s.serve(ctx, out)
	}
	return nil
}
