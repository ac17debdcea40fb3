// Command port-agent runs Port's self-service actions inside a private
// cluster: it reads events from Kafka or from Port's API, invokes the backends
// that a mapping names, and reports the results to Port.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"port-agent/cmd/app"
)

// version is set by the linker in a release.
var version = ""

// Exit codes.
const (
	exitOK      = 0
	exitFailed  = 1 // the work failed
	exitInvalid = 2 // the settings or the arguments are wrong
)

// gcPercent is used if GOGC is not set. The live heap is small, some 14 MiB in a
// drain: letting it grow further than to twice that costs little memory, and
// collections are a twentieth of the CPU time.
const gcPercent = 225

const usage = `usage: port-agent [command]

commands:
  run         run the agent (the default); settings are environment variables
  status      show what a running agent does, or what is wrong with it
  tail        show events as they are published, and which rule matches each
  check       find mistakes in a mapping file
  explain     show which rule matches an event and the request, without sending it
  test        run the tests of a mapping
  playground  write a mapping on a local page and try it as you type
  schema      print the JSON Schema of the mapping file, for editors
  version     print the version
`

func main() { os.Exit(dispatch(os.Args[1:], os.Stdout, os.Stderr)) }

// commands are the commands by their names. What they return is printed to
// stderr.
var commands = map[string]func(args []string, stdout, stderr io.Writer) error{
	"run": run, "check": check, "explain": explain, "test": test, "status": showStatus, "tail": tailEvents, "playground": serve, "schema": schema,
}

// errReported is returned by a command that has printed why it fails.
var errReported = errors.New("reported")

// invalid is an error of the settings or of the arguments.
type invalid struct{ error }

// dispatch runs the command that args name and returns the exit code.
func dispatch(args []string, stdout, stderr io.Writer) int {
	command := "run"
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	switch command {
	case "version", "-version", "--version":
		fmt.Fprintln(stdout, versionText())
		return exitOK
	case "help", "-h", "-help", "--help":
		fmt.Fprint(stdout, usage)
		return exitOK
	}
	do, ok := commands[command]
	if !ok {
		fmt.Fprintf(stderr, "unknown command %q\n%s", command, usage)
		return exitInvalid
	}
	err := do(args, stdout, stderr)
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	if !errors.Is(err, errReported) {
		fmt.Fprintln(stderr, err)
	}
	if _, ok := errors.AsType[invalid](err); ok {
		return exitInvalid
	}
	return exitFailed
}

// parse reads the arguments of a command; operands says whether it takes more
// than flags. It returns flag.ErrHelp when it has printed the usage that was
// asked for.
func parse(flags *flag.FlagSet, usage string, args []string, stdout io.Writer, operands bool) error {
	flags.SetOutput(io.Discard) // else it prints a usage of its own
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
	case err != nil:
		err = misused(err.Error(), usage)
	case flags.NArg() > 0 && !operands:
		err = misused(fmt.Sprintf("unexpected argument %q", flags.Arg(0)), usage)
	}
	return err
}

// misused says what is wrong with the arguments, and how they should be.
func misused(what, usage string) error {
	return invalid{errors.New(what + "\n" + strings.TrimSuffix(usage, "\n"))}
}

// settings reads settings by one of the functions of package app.
func settings[C any](read func() (C, error)) (C, error) {
	cfg, err := read()
	if err != nil {
		err = invalid{fmt.Errorf("settings:\n%w", err)}
	}
	return cfg, err
}

// run works until SIGTERM or SIGINT and then drains. A second signal ends the
// process at once: the next owner of its partitions finds in the ledger what
// was started. SIGHUP loads the mapping file again.
func run(args []string, stdout, _ io.Writer) error {
	if len(args) > 0 {
		return invalid{fmt.Errorf("run takes no arguments, got %q", args)}
	}
	cfg, err := settings(app.ReadConfig)
	if err != nil {
		return err
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	a, err := app.New(cfg, versionText(), stdout)
	if err != nil {
		return invalid{err}
	}
	log.SetFlags(0)
	log.SetOutput(a.StandardLog())
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	hangUps := make(chan os.Signal, 1)
	signal.Notify(hangUps, syscall.SIGHUP)
	go func() {
		for range hangUps {
			a.Reload()
		}
	}()
	go func() {
		<-signals
		cancel()
		<-signals
		os.Exit(exitFailed)
	}()
	if err := a.Run(ctx); err != nil {
		return errors.New(a.Redact(err.Error()))
	}
	return nil
}

// versionText returns the released version, or the one in the build info.
func versionText() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "devel"
}
