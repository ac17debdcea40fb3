package porttest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// Event is an action run as Port publishes it to Kafka. The zero value of a
// field is left out or takes a common value.
type Event struct {
	Run          string // "r_…" or "wfnr_…"
	Action       string // "deploy" where empty
	Entity       string // no entity where empty
	Blueprint    string // "service" where empty
	Synchronized bool
	NotForAgent  bool
	Type         string         // of the invocation method, WEBHOOK where empty
	URL          string         // of the invocation method
	Method       map[string]any // further fields of the invocation method
	Properties   map[string]any // user inputs
	At           time.Time      // of the signature, now where zero
}

// Record returns the event as a record of the runs topic, signed with the client
// secret of the organisation.
func (e Event) Record(secret string) []byte {
	at := e.At
	if at.IsZero() {
		at = time.Now()
	}
	return Sign(secret, at, e.message())
}

// EnqueueEvent makes the event one that polling agents may claim: of an action
// run they are given its invocation method with the event as the body, of a
// workflow node run its method alone.
func (s *Server) EnqueueEvent(e Event) error {
	message := e.message()
	action := message["payload"].(map[string]any)["action"].(map[string]any)
	method := action["invocationMethod"].(map[string]any)
	if strings.HasPrefix(e.Run, "wfnr_") {
		return s.EnqueueNode(e.Run, method)
	}
	delete(action, "invocationMethod")
	delete(message["context"].(map[string]any), "runId")
	method["body"] = message
	return s.Enqueue(e.Run, method)
}

// message is the event without headers.
func (e Event) message() map[string]any {
	or := func(s, otherwise string) string {
		if s == "" {
			return otherwise
		}
		return s
	}
	method := map[string]any{"type": or(e.Type, "WEBHOOK"), "agent": !e.NotForAgent, "synchronized": e.Synchronized, "method": "POST"}
	if e.URL != "" {
		method["url"] = e.URL
	}
	for k, v := range e.Method {
		method[k] = v
	}
	var entity any
	if e.Entity != "" {
		entity = e.Entity
	}
	if e.Properties == nil {
		e.Properties = map[string]any{}
	}
	return map[string]any{
		"action": or(e.Action, "deploy"), "resourceType": "run", "status": "TRIGGERED",
		"trigger": map[string]any{"by": map[string]any{"orgId": "org", "userId": "auth0|1"}, "origin": "UI", "at": "2026-01-02T03:04:05Z"},
		"context": map[string]any{"entity": entity, "blueprint": or(e.Blueprint, "service"), "runId": e.Run},
		"payload": map[string]any{
			"entity":     nil,
			"action":     map[string]any{"identifier": or(e.Action, "deploy"), "invocationMethod": method},
			"properties": e.Properties,
		},
	}
}

// Sign returns a message with the headers that Port adds: the signature is over
// the timestamp, a dot, and the message with empty headers, or without headers
// for invocation type GITLAB.
func Sign(secret string, at time.Time, message map[string]any) []byte {
	unsigned := withHeaders(message, map[string]any{})
	if strings.Contains(string(encode(message)), `"type":"GITLAB"`) {
		unsigned = message
	}
	timestamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(timestamp + "."))
	mac.Write(encode(unsigned))
	return encode(withHeaders(message, map[string]any{
		"X-Port-Signature": "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)),
		"X-Port-Timestamp": at.Unix(),
	}))
}

func withHeaders(message, headers map[string]any) map[string]any {
	out := map[string]any{"headers": headers}
	for k, v := range message {
		out[k] = v
	}
	return out
}

// encode prints as JSON.stringify does, with the keys in a fixed order.
func encode(v any) []byte {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // the caller's message is not JSON
	}
	return []byte(strings.TrimSuffix(b.String(), "\n"))
}
