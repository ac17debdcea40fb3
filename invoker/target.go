package invoker

import (
	"net/url"
	"time"
)

// Target is one event's work as a backend sees it. Build does not change it;
// a Request keeps Event and parts of Root, which must not change while the
// Request is in use.
type Target struct {
	// Key names the event: the id of its run, else topic:partition:offset. It
	// is sent as Idempotency-Key and X-Port-Run-Id where it is not empty.
	Key string
	// Event is the event as it was verified, compact JSON. It is the body of
	// a webhook that has no other, byte for byte.
	Event []byte
	// Root is Event decoded, with decrypted fields in place. Numbers are int,
	// *big.Int or float64.
	Root map[string]any
	// Method is the event's invocation method, see ReadMethod.
	Method Method
	// Decrypted is whether Root differs from Event, so that bodies have to be
	// made from Root.
	Decrypted bool
	// Conceal takes the event's secrets out of a text. Errors quote the
	// beginning of an answer: what is cut in two could not be found later. Nil:
	// the event has none.
	Conceal func(string) string
	// NeedBody is whether the caller reads the body of the answer: for a
	// response to Port, a report that looks at it, or following.
	NeedBody bool
	// Rule is what the matching rule says.
	Rule Override
}

// Override is what a rule says of the request. What it leaves open is the
// backend's own.
type Override struct {
	Backend string // WEBHOOK, AZURE_DEVOPS, JENKINS, GITLAB, GITHUB or PORT_API
	URL     *string
	Method  *string
	Headers map[string]string
	Query   url.Values    // added to the query of the URL
	Body    any           // where HasBody is set; nil: no body
	HasBody bool          //
	Timeout time.Duration // of one attempt; 0: as configured
}

// properties are the user inputs.
func (t *Target) properties() map[string]any {
	payload, _ := t.Root["payload"].(map[string]any)
	properties, _ := payload["properties"].(map[string]any)
	return properties
}

// ref is the git reference that the user gave, or "".
func (t *Target) ref() string {
	s, _ := t.properties()["ref"].(string)
	return s
}

// inputs are the user inputs as text, unless the method omits them, and over
// them the values of one object of the method.
func (t *Target) inputs(more map[string]any) map[string]any {
	inputs := map[string]any{}
	if !t.Method.OmitUserInputs {
		for k, v := range t.properties() {
			inputs[k] = text(v)
		}
	}
	for k, v := range more {
		inputs[k] = text(v)
	}
	return inputs
}

// text gives a string as it is and any other value as compact JSON.
func text(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	b, err := marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}
