package invoker

import (
	"context"
	"net/http"
	"time"
)

// webhook posts the event to a URL, signed as Port signs its own webhooks.
type webhook struct {
	defaults
	signer *Signer
}

func (w webhook) Authorize(_ context.Context, req *Request, h http.Header) error {
	w.signer.addV1(h, time.Now(), req.Body)
	return nil
}

// defaults is what most backends have in common: the event goes to the URL of
// the invocation method, and 2xx is success.
type defaults struct{}

func (defaults) Body(t *Target, _ *Request) (Body, error) { return eventBody(t) }
func (defaults) Header(*Request) error                    { return nil }
func (defaults) Accept(*Request, *Response) error         { return nil }

func (defaults) URL(t *Target) (string, error) {
	if u := t.Method.URL; u != "" {
		return u, nil
	}
	return "", errNoURL
}
