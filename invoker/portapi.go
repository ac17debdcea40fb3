package invoker

import (
	"context"
	"errors"
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
	if b := t.Method.Body; b != nil {
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
		return &tokenError{portToken, errors.New("there is none")}
	}
	token, err := p.token(ctx)
	if err != nil {
		return &tokenError{portToken, err}
	}
	h["Authorization"] = []string{"Bearer " + token}
	return nil
}

func (portAPI) Accept(*Request, *Response) error { return nil }

const portToken = "get a token for Port's API"

// tokenError is a failure to get a token; the request itself was not sent.
type tokenError struct {
	what string
	err  error
}

func (e *tokenError) Error() string { return e.what + ": " + e.err.Error() }
func (e *tokenError) Unwrap() error { return e.err }
