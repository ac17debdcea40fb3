package porttest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// pending is a run that waits for an agent that polls.
type pending struct {
	id    string
	node  bool
	body  json.RawMessage
	until time.Time // claimed before that
}

// Enqueue makes an action run that polling agents may claim. payload is what
// Port returns them of it: type, url, agent, synchronized, method, headers, body.
func (s *Server) Enqueue(id string, payload any) error { return s.enqueue(id, false, payload) }

// EnqueueNode makes a workflow node run that polling agents may claim.
func (s *Server) EnqueueNode(id string, config any) error { return s.enqueue(id, true, config) }

func (s *Server) enqueue(id string, node bool, content any) error {
	body, err := json.Marshal(content)
	if err != nil {
		return fmt.Errorf("encode run %s: %w", id, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	run := s.add(id)
	run.Node, run.payload = node, body
	s.pending = append(s.pending, &pending{id: id, node: node, body: body})
	s.touch()
	return nil
}

// Pending counts the runs that no agent has acked yet.
func (s *Server) Pending() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.pending)
}

func (s *Server) claimRuns(r *http.Request, body []byte) answer {
	runs, refusal := s.claim(r, body, false)
	if refusal != nil {
		return *refusal
	}
	list := make([]map[string]any, len(runs))
	for i, p := range runs {
		list[i] = map[string]any{"id": p.id, "status": InProgress, "payload": p.body, "claimedUntil": p.until}
	}
	return answer{body: map[string]any{"ok": true, "runs": list}}
}

func (s *Server) claimNodeRuns(r *http.Request, body []byte) answer {
	runs, refusal := s.claim(r, body, true)
	if refusal != nil {
		return *refusal
	}
	list := make([]map[string]any, len(runs))
	for i, p := range runs {
		list[i] = map[string]any{"identifier": p.id, "status": InProgress, "config": p.body, "claimedUntil": p.until}
	}
	return answer{body: map[string]any{"ok": true, "nodeRuns": list}}
}

// claim hands out runs that nobody holds.
func (s *Server) claim(r *http.Request, body []byte, node bool) ([]*pending, *answer) {
	var ask struct {
		Installation string `json:"installationId"`
		Limit        int    `json:"limit"`
		Method       string `json:"invocationMethod"`
	}
	if a := decode(body, &ask); a != nil {
		return nil, a
	}
	if ask.Installation != "_PORT_EXEC_AGENT" || ask.Limit < 1 || !node && ask.Method != "WEBHOOK" || node && ask.Method != "" {
		a := invalid("installationId, limit and invocationMethod are required")
		return nil, &a
	}
	if r.Header.Get("X-Port-Reserved-Usage") != "true" {
		a := refuse(http.StatusForbidden, "forbidden", "reserved")
		return nil, &a
	}
	var runs []*pending
	now := time.Now()
	for _, p := range s.pending {
		if len(runs) == ask.Limit {
			break
		}
		if p.node == node && now.After(p.until) {
			p.until = now.Add(s.cfg.ClaimLife)
			runs = append(runs, p)
		}
	}
	return runs, nil
}

func (s *Server) ackRuns(_ *http.Request, body []byte) answer {
	var ask struct {
		IDs []string `json:"runIds"`
	}
	if a := decode(body, &ask); a != nil {
		return *a
	}
	if len(ask.IDs) == 0 {
		return invalid("runIds is required")
	}
	acked := 0
	for _, id := range ask.IDs {
		if s.ack(id, false) {
			acked++
		}
	}
	if acked == 0 {
		return refuse(http.StatusConflict, "conflict", "already acked")
	}
	return answer{body: map[string]any{"ok": true, "ackedCount": acked}}
}

func (s *Server) ackNodeRun(_ *http.Request, body []byte) answer {
	var ask struct {
		ID string `json:"nodeRunIdentifier"`
	}
	if a := decode(body, &ask); a != nil {
		return *a
	}
	if ask.ID == "" {
		return invalid("nodeRunIdentifier is required")
	}
	if !s.ack(ask.ID, true) {
		return refuse(http.StatusConflict, "conflict", "already acked")
	}
	return answer{body: map[string]any{"ok": true, "acked": true}}
}

// ack gives a claimed run to the first who asks.
func (s *Server) ack(id string, node bool) bool {
	i := slices.IndexFunc(s.pending, func(p *pending) bool { return p.id == id && p.node == node && !p.until.IsZero() })
	if i < 0 {
		return false
	}
	s.pending = slices.Delete(s.pending, i, i+1)
	s.runs[id].Acked++
	s.touch()
	return true
}
