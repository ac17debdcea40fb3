package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"port-agent/cmd/sandbox/world"
)

// start runs a contestant on the topics of org.
func (b *bench) start(sc scenario, who contestant, self, org string) (c *child, health string, err error) {
	if who.bare {
		p := plan{Partitions: sc.Partitions, InFlight: inFlight, Sinks: b.place.Sinks[:max(1, sc.Hosts)]}
		if sc.Bare {
			p.Port = b.place.Port
		}
		text, _ := json.Marshal(p)
		c, err = startChild(self, []string{roleBare}, []string{
			"BENCH_BARE=" + string(text), "BENCH_BROKERS=" + strings.Join(b.place.Brokers, ","), "BENCH_TOPIC=" + org + ".runs",
		}, b.folder, io.Discard, os.Stderr)
		return c, "", err
	}
	health, err = freeAddress()
	if err != nil {
		return nil, "", err
	}
	mapping := filepath.Join(b.folder, "invocations.json")
	if err := os.WriteFile(mapping, rules(sc), 0o600); err != nil {
		return nil, "", err
	}
	api, authority := b.place.Port, ""
	if sc.PortHTTPS {
		api, authority = b.place.PortHTTPS, filepath.Join(b.folder, "port.pem")
		if err := os.WriteFile(authority, b.place.Authority, 0o600); err != nil {
			return nil, "", err
		}
	}
	log, err := os.Create(filepath.Join(b.folder, "agent.log"))
	if err != nil {
		return nil, "", err
	}
	defer log.Close()
	env := []string{
		"MAX_IN_FLIGHT=128", "MAX_IN_FLIGHT_PER_HOST=128", "HTTP_ADDR=" + health, "SSL_CERT_FILE=" + authority,
		"GITLAB_URL=" + b.place.Sinks[0] + "/", "group_project=token",
	}
	for _, v := range world.Environment(org, api, mapping) {
		env = append(env, v[0]+"="+v[1])
	}
	c, err = startChild(b.binary, nil, slices.Concat(env, sc.Env, strings.Fields(os.Getenv("BENCH_AGENT_ENV"))), b.folder, log, log)
	return c, health, err
}

// rules is the mapping of a case: rules that do not match, then one that does.
func rules(sc scenario) []byte {
	list := make([]map[string]any, 0, sc.Rules+1)
	for i := range sc.Rules {
		list = append(list, map[string]any{"enabled": fmt.Sprintf(".action == \"other-%d\" and .payload.action.invocationMethod.type == \"WEBHOOK\"", i)})
	}
	last := map[string]any{"enabled": true}
	if sc.GitLab {
		last = map[string]any{
			"enabled": ".payload.action.invocationMethod.type == \"GITLAB\"",
			"body": map[string]any{
				"ref": ".payload.properties.ref // \"main\"", "token": "env.group_project",
				"variables": map[string]any{"replicas": ".payload.properties.replicas | tostring", "note": ".payload.properties.note",
					"run": ".context.runId", "by": ".trigger.by.userId"},
				"port_payload": ".",
			},
			"report": map[string]any{"link": ".response.json.web_url", "externalRunId": ".response.json.id | tostring"},
		}
	}
	text, _ := json.Marshal(append(list, last))
	return text
}

// ready asks the agent until it says that it is.
func ready(ctx context.Context, address string) error {
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/readyz", nil)
		if err != nil {
			return err
		}
		if res, err := http.DefaultClient.Do(req); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return errors.New("the agent did not become ready")
		}
	}
}
