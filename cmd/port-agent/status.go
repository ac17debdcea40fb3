package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"port-agent/cmd/app"
	"port-agent/cmd/app/status"
	"port-agent/cmd/terminal"
)

const statusUsage = `usage: port-agent status [-json | -watch] [-addr ADDRESS]

Shows the status of the agent on this machine or in this pod. The first line
says "working" or what is wrong. Partitions, requests, unsettled events, failures
of the last hour, Port, rules, followed pipelines, last runs, mapping and
settings follow.

  -json           print JSON
  -watch          print it again every second, until Ctrl-C
  -addr ADDRESS   the agent's status address. The default is STATUS_ADDR, else
                  127.0.0.1:8081

The same as a page: kubectl port-forward deploy/port-agent 8081, and
http://127.0.0.1:8081 in a browser. The exit code is 1 if no agent answers.
`

// showStatus prints the status of a running agent.
func showStatus(args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("status", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "")
	watch := flags.Bool("watch", false, "")
	addr := flags.String("addr", "", "")
	if err := parse(flags, statusUsage, args, stdout, false); err != nil {
		return err
	}
	if *asJSON && *watch {
		return misused("-json and -watch exclude each other", statusUsage)
	}
	where, err := statusURL(*addr)
	if err != nil {
		return invalid{err}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if !*watch {
		return printStatus(ctx, where, *asJSON, "", stdout)
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for ctx.Err() == nil {
		if err := printStatus(ctx, where, false, clearScreen, stdout); err != nil && ctx.Err() == nil {
			fmt.Fprintln(stderr, err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	return nil
}

// statusURL is where an agent answers: at addr, or where the settings say.
func statusURL(addr string) (string, error) {
	if addr == "" {
		p, err := app.ReadProcess()
		if err != nil {
			return "", err
		}
		if addr = p.StatusAddr; addr == "" {
			return "", errors.New("STATUS_ADDR is empty: the agent has no status to show")
		}
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("address of the status: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port) + "/status.json", nil
}

const (
	statusTimeout = 10 * time.Second
	maxStatus     = 4 << 20
	clearScreen   = "\x1b[H\x1b[2J"
)

// printStatus prints the status that an agent gives at where, behind prefix.
func printStatus(ctx context.Context, where string, asJSON bool, prefix string, out io.Writer) error {
	body, err := getStatus(ctx, where)
	if err != nil {
		return err
	}
	var s status.Status
	err = json.Unmarshal(body, &s)
	if err == nil && s.Health.Sentence == "" {
		err = errors.New("another program answers")
	}
	if err != nil {
		return fmt.Errorf("%s is not the status of a port-agent: %w", where, err)
	}
	text := bytes.NewBufferString(prefix)
	if asJSON {
		err = json.Indent(text, body, "", "  ")
	} else {
		err = s.WriteText(text, terminal.Colours(out))
	}
	if err != nil {
		return fmt.Errorf("print status: %w", err)
	}
	_, err = out.Write(text.Bytes())
	return err
}

func getStatus(ctx context.Context, where string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return nil, err
	}
	client := http.Client{Timeout: statusTimeout, Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("no agent answers: %w; it listens where STATUS_ADDR says, once it has started", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxStatus))
	if err != nil {
		return nil, fmt.Errorf("read status: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s: %s", where, res.Status, terminal.Printable(string(bytes.TrimSpace(body[:min(len(body), 200)]))))
	}
	return body, nil
}
