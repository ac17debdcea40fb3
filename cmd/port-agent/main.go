// Command port-agent runs Port's self-service actions inside a private
// cluster: it reads events from Kafka or from Port's API, invokes the backends
// that a mapping names, and reports the results to Port.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"runtime/debug"
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

// gcPercent is used if GOGC is not set. The live heap is small, some 10 MiB
// under load. Letting it grow to three and a half times that instead of twice
// costs 15 MiB and saves a tenth of the CPU time.
const gcPercent = 250

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

// commands are the commands by their names.
var commands = map[string]func(args []string, stdout, stderr io.Writer) int{
	"run": run, "check": check, "explain": explain, "test": test, "status": showStatus, "tail": tailEvents, "playground": serve, "schema": schema,
}

// dispatch runs the command that args name and returns the exit code.
func dispatch(args []string, stdout, stderr io.Writer) int {
	command := "run"
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	if do, ok := commands[command]; ok {
		return do(args, stdout, stderr)
	}
	switch command {
	case "version", "-version", "--version":
		fmt.Fprintln(stdout, versionText())
		return exitOK
	case "help", "-h", "-help", "--help":
		fmt.Fprint(stdout, usage)
		return exitOK
	}
	fmt.Fprintf(stderr, "unknown command %q\n%s", command, usage)
	return exitInvalid
}

// run works until SIGTERM or SIGINT and then drains. A second signal ends the
// process at once: the next owner of its partitions finds in the ledger what
// was started. SIGHUP loads the mapping file again.
func run(args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 {
		fmt.Fprintf(stderr, "run takes no arguments, got %q\n", args)
		return exitInvalid
	}
	cfg, err := app.ReadConfig()
	if err != nil {
		fmt.Fprintf(stderr, "settings:\n%v\n", err)
		return exitInvalid
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	a, err := app.New(cfg, versionText(), stdout)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitInvalid
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
		fmt.Fprintln(stderr, a.Redact(err.Error()))
		return exitFailed
	}
	return exitOK
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
