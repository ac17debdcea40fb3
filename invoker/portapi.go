package invoker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// portAPI calls Port's own API with the agent's token, for actions that only
// change the catalog.
type portAPI struct {
	token func(context.Context) (string, error)
}

var _ Backend = portAPI{}

func (portAPI) URL(t *Target) (string, error) { return methodURL(t) }

func (portAPI) Body(t *Target) (Body, error) {
	if b := t.Method["body"]; b != nil {
		return jsonBody(b)
	}
	return eventBody(t), nil
}

func (portAPI) Header(http.Header) error { return nil }

func (p portAPI) Authorize(ctx context.Context, h http.Header, _ []byte) error {
	if h.Get("Authorization") != "" {
		return nil
	}
	if p.token == nil {
		return errors.New("no token for Port's API")
	}
	token, err := p.token(ctx)
	if err != nil {
		return fmt.Errorf("get a token for Port's API: %w", err)
	}
	h["Authorization"] = []string{"Bearer " + token}
	return nil
}

func (portAPI) Accept(*Request, *Response) error { return nil }
