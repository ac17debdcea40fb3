package invoker

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// webhook posts the event to a URL, signed as Port signs its own webhooks.
type webhook struct{ signer *Signer }

var _ Backend = webhook{}

func (webhook) URL(t *Target) (string, error) { return methodURL(t) }

func (webhook) Body(t *Target) (Body, error) { return eventBody(t), nil }

func (webhook) Header(*Request) error { return nil }

func (w webhook) Authorize(_ context.Context, req *Request, h http.Header) error {
	w.signer.addV1(h, time.Now(), req.Body)
	return nil
}

func (webhook) Accept(*Request, *Response) error { return nil }

var errNoURL = errors.New("neither the rule nor the invocation method says which URL to call")

// methodURL is the URL of the invocation method.
func methodURL(t *Target) (string, error) {
	if u := t.Method.URL; u != "" {
		return u, nil
	}
	return "", errNoURL
}
