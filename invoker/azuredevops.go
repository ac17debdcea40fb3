package invoker

import (
	"context"
	"errors"
	"net/http"
)

// azureDevOps posts to an incoming webhook of Azure DevOps, which checks an
// HMAC-SHA1 of the raw body in the header that its service connection names:
// https://learn.microsoft.com/azure/devops/pipelines/process/resources#define-a-webhooks-resource.
type azureDevOps struct {
	sha1Signer
	base string
}

var _ Backend = azureDevOps{}

var errAzure = errors.New("the invocation method lacks org or webhook")

func (a azureDevOps) URL(t *Target) (string, error) {
	org, hook := t.Method.Org, t.Method.Webhook
	if org != "" && hook != "" {
		return join(a.base, "/%s"+azurePath+"%s", org, hook) + "?api-version=6.0-preview", nil
	}
	if u := t.Method.URL; u != "" {
		return u, nil
	}
	return "", errAzure
}

func (azureDevOps) Body(t *Target) (Body, error) {
	if p := t.Method.Payload; p != nil {
		return jsonBody(p)
	}
	return eventBody(t), nil
}

func (azureDevOps) Header(http.Header) error { return nil }

func (azureDevOps) Accept(*Request, *Response) error { return nil }

// sha1Signer signs with HMAC-SHA1 over the body.
type sha1Signer struct{ signer *Signer }

func (s sha1Signer) Authorize(_ context.Context, h http.Header, body []byte) error {
	h[headerSignature] = []string{s.signer.SHA1(body)}
	return nil
}
