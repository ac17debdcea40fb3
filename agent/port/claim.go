package port

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"port-agent/agent"
)

// claimTimeout bounds the call whose answer is the longest, some hundred events
// on a line that may be slow.
const claimTimeout = 30 * time.Second

// installation is the name under which every agent claims.
const installation = "_PORT_EXEC_AGENT"

// Claimed is a run that Port has given to this agent until someone else may
// claim it. It is the agent's to work on once it is acked.
type Claimed struct {
	ID    string
	Body  json.RawMessage // the run's payload, or the node's config: type, url, agent, method, headers, body …
	Until time.Time       // when the claim ends; zero where Port does not say
}

// Claim claims up to limit action runs, or workflow node runs. One attempt.
func (c *Client) Claim(ctx context.Context, limit int, nodes bool) ([]Claimed, error) {
	r, ask := routeClaim, map[string]any{"installationId": installation, "limit": limit}
	if nodes {
		r = routeNodeClaim
	} else {
		ask["invocationMethod"] = "WEBHOOK"
	}
	var answer struct {
		Runs []struct {
			ID      string          `json:"id"`
			Payload json.RawMessage `json:"payload"`
			Until   string          `json:"claimedUntil"`
		} `json:"runs"`
		NodeRuns []struct {
			ID     string          `json:"identifier"`
			Config json.RawMessage `json:"config"`
			Until  string          `json:"claimedUntil"`
		} `json:"nodeRuns"`
	}
	cl := &call{route: r, value: ask, answer: &answer, max: maxClaimAnswer, timeout: claimTimeout, reserved: true}
	if err := c.try(ctx, cl); err != nil {
		return nil, fmt.Errorf("claim runs: %w", forbidden(err))
	}
	var claimed []Claimed
	for _, r := range answer.Runs {
		claimed = append(claimed, Claimed{ID: r.ID, Body: r.Payload, Until: instant(r.Until)})
	}
	for _, r := range answer.NodeRuns {
		claimed = append(claimed, Claimed{ID: r.ID, Body: r.Config, Until: instant(r.Until)})
	}
	return claimed, nil
}

// Ack takes a claimed run for this agent; false means that someone else has it.
// One attempt.
func (c *Client) Ack(ctx context.Context, run string) (bool, error) {
	r, ask := routeAck, map[string]any{"runIds": []string{run}}
	if agent.IsNodeRun(run) {
		r, ask = routeNodeAck, map[string]any{"nodeRunIdentifier": run}
	}
	var answer struct {
		Count int `json:"ackedCount"`
		Acked any `json:"acked"` // of a node run: true, or how many
	}
	err := c.try(ctx, &call{route: r, value: ask, answer: &answer, reserved: true})
	if err != nil && status(err) != http.StatusConflict { // 409: someone else was first
		return false, fmt.Errorf("ack: %w", err)
	}
	count, _ := answer.Acked.(float64)
	return answer.Count > 0 || answer.Acked == true || count > 0, nil
}

// maxPages bounds how many pages of runs are read.
const maxPages = 10

// ActiveRuns returns the action runs that go on, with their payload where it is
// for agents: those that wait to be claimed, those that this agent has, and
// those of others. The newest come first, 10,000 at most. It is repeated until
// Port answers, refuses it for good (ErrRejected) or ctx ends.
func (c *Client) ActiveRuns(ctx context.Context) ([]Claimed, error) {
	var runs []Claimed
	seen := make(map[string]bool)
	next := ""
	for range maxPages {
		var answer struct {
			Runs []struct {
				ID      string          `json:"id"`
				Payload json.RawMessage `json:"payload"`
			} `json:"runs"`
			Next string `json:"next"`
		}
		query := url.Values{"active": {"true"}, "limit": {"1000"}}
		if next != "" {
			query.Set("next", next)
		}
		err := c.repeat(ctx, &call{route: routeRuns, query: query.Encode(), answer: &answer, max: maxClaimAnswer, timeout: claimTimeout}, nil)
		if err != nil {
			return nil, fmt.Errorf("list active runs: %w", err)
		}
		before := len(seen)
		for _, r := range answer.Runs {
			if seen[r.ID] {
				continue
			}
			seen[r.ID] = true
			var method struct {
				Agent any `json:"agent"`
			}
			if _ = json.Unmarshal(r.Payload, &method); method.Agent == true || method.Agent == "true" {
				runs = append(runs, Claimed{ID: r.ID, Body: r.Payload})
			}
		}
		if next = answer.Next; next == "" || len(seen) == before { // no more, or the same page again
			break
		}
	}
	return runs, nil
}

// forbidden names the usual causes of a 403 to calls that only an organisation's
// agent makes.
func forbidden(err error) error {
	if status(err) != http.StatusForbidden {
		return err
	}
	return fmt.Errorf("%w; the usual causes: PORT_CLIENT_ID and PORT_CLIENT_SECRET are a person's and not the organisation's, "+
		"or PORT_API_BASE_URL is not the api of the organisation's region (EU %s, US %s)", err, DefaultBaseURL, usBaseURL)
}

func instant(text string) time.Time {
	t, _ := time.Parse(time.RFC3339, text) // not a time: not known
	return t
}
