package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"port-agent/cmd/port-agent/playground"
)

const playgroundUsage = `usage: port-agent playground [-mapping FILE] [-event FILE|FOLDER] [-response FILE] [-poll FILE] [-write] [-addr ADDRESS] [-no-open]

Opens a local page to write a mapping and try it as you type. It sends nothing
to backends or to Port, and does not read the environment: variables are typed
on the page. Without files it starts with a small mapping. The page has a menu
of examples.

  -mapping FILE       the mapping to start with
  -event FILE|FOLDER  an event, or a folder of events (*.json) to choose from
  -response FILE      an answer of the backend, as for port-agent explain
  -poll FILE          an answer to one poll, as for port-agent explain
  -write              let the page save the mapping, and test cases in
                      NAME_test.json beside it
  -addr ADDRESS       a loopback address to listen on (127.0.0.1:0, a free port).
                      With a fixed port the page remembers what was typed
  -no-open            print the address and do not open a browser

Anyone on this machine who knows the printed address can use the page. Ctrl-C
ends the playground.
`

// serve serves the playground until the process is told to stop.
func serve(args []string, stdout, _ io.Writer) error {
	var files playground.Files
	flags := flag.NewFlagSet("playground", flag.ContinueOnError)
	flags.StringVar(&files.Mapping, "mapping", "", "")
	flags.StringVar(&files.Event, "event", "", "")
	flags.StringVar(&files.Response, "response", "", "")
	flags.StringVar(&files.Poll, "poll", "", "")
	flags.BoolVar(&files.Write, "write", false, "")
	addr := flags.String("addr", "127.0.0.1:0", "")
	quiet := flags.Bool("no-open", false, "")
	if err := parse(flags, playgroundUsage, args, stdout, false); err != nil {
		return err
	}
	if err := files.Check(); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	defer listener.Close()
	s, err := playground.New(listener.Addr(), files)
	if err != nil {
		return invalid{err}
	}
	url := "http://" + listener.Addr().String() + s.Path()
	fmt.Fprintln(stdout, url)
	if !*quiet {
		openBrowser(url)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	server := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: 5 * time.Minute}
	context.AfterFunc(ctx, func() { server.Close() })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// openBrowser opens the page, if the system knows how. The address is printed
// anyway.
func openBrowser(url string) {
	name, args := "xdg-open", []string{url}
	switch runtime.GOOS {
	case "darwin":
		name = "open"
	case "windows":
		name, args = "rundll32", []string{"url.dll,FileProtocolHandler", url}
	}
	if cmd := exec.Command(name, args...); cmd.Start() == nil {
		go func() { _ = cmd.Wait() }()
	}
}
