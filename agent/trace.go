package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"net/textproto"
	"regexp"

	"port-agent/agent/event"
	"port-agent/invoker"
)

const traceHeader = "Traceparent"

// traceParent is version 00 of https://www.w3.org/TR/trace-context/#traceparent-header.
var traceParent = regexp.MustCompile(`^00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$`)

const (
	noTrace = "00000000000000000000000000000000"
	noSpan  = "0000000000000000"
)

// trace is the trace context of one event: what its requests carry as
// traceparent, and what the log calls trace.
type trace struct{ id, parent string }

// traceOf takes the trace from the event's headers where Port sends one, and
// makes one of the event's key otherwise: whoever sends the event again sends
// the same. The span is always the agent's own.
func traceOf(msg *event.Message, key string) trace {
	sum := sha256.Sum256([]byte("trace of " + key))
	id, span, flags := hex.EncodeToString(sum[:16]), hex.EncodeToString(sum[16:24]), "01"
	headers, _ := msg.Root["headers"].(map[string]any)
	for name, v := range headers {
		given, _ := v.(string)
		m := traceParent.FindStringSubmatch(given)
		if m != nil && textproto.CanonicalMIMEHeaderKey(name) == traceHeader && m[1] != noTrace && m[2] != noSpan {
			id, flags = m[1], given[len(given)-2:]
		}
	}
	return trace{id: id, parent: "00-" + id + "-" + span + "-" + flags}
}

// addTo puts the trace on a request, unless the rule has put one there.
func (t trace) addTo(req *invoker.Request) {
	if req.Header.Get(traceHeader) == "" {
		req.Header.Set(traceHeader, t.parent)
	}
}
