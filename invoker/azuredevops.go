package invoker

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strings"
)

// azureDevOps posts to an incoming webhook of Azure DevOps, which checks an
// HMAC-SHA1 of the raw body in the header that its service connection names:
// https://learn.microsoft.com/azure/devops/pipelines/process/resources#define-a-webhooks-resource.
type azureDevOps struct {
	signed
	base string
}

func (a azureDevOps) URL(t *Target) (string, error) {
	m := &t.Method
	if m.URL != "" && (m.Org == "" || m.Webhook == "") {
		return m.URL, nil
	}
	return methodURL(a.base, "/%s"+azurePath+"%s?api-version=6.0-preview", "org", m.Org, "webhook", m.Webhook)
}

func (azureDevOps) Body(t *Target, _ *Request) (Body, error) {
	if p := t.Method.Payload; p != nil {
		return jsonBody(p)
	}
	return eventBody(t)
}

// azureRun starts a pipeline by the Runs API, whatever the backend of the rule
// is: https://learn.microsoft.com/rest/api/azure/devops/pipelines/runs/run-pipeline.
type azureRun struct {
	Backend
	pat *Credential // nil: the rule has its own
}

var (
	_ reviewer = azureRun{}

	azureRuns = regexp.MustCompile(`^(?:/[^/]+)+/_apis/pipelines/[0-9]+/runs/?$`)
)

// azureRun makes req one of the Runs API where its URL is below
// AZURE_DEVOPS_URL and says so.
func (i *Invoker) azureRun(req *Request) {
	if rest, ok := i.azure.Rest(req.URL); ok && azureRuns.MatchString(rest) {
		req.System, req.backend, req.NeedBody = AzureDevOps, azureRun{req.backend, i.credentials[AzureDevOps]}, true
	}
}

func (a azureRun) Header(req *Request) error {
	if a.pat != nil && req.Header.Get("Authorization") == "" {
		if err := a.pat.Authorize(context.Background(), req.URL, req.Header); err != nil {
			return err
		}
	}
	return a.Backend.Header(req)
}

// review finds the sign-in page that Azure DevOps answers with, as 203 or as a
// redirect, where another server would answer 401.
func (azureRun) review(req *Request, res *Response, _ func() (*Response, error)) (*Response, error) {
	html := strings.Contains(res.Header.Get("Content-Type"), "html")
	if res.StatusCode == http.StatusNonAuthoritativeInfo && html || res.StatusCode == http.StatusFound {
		return res, &StatusError{Endpoint: req.Endpoint(), StatusCode: http.StatusUnauthorized, Reason: "was answered with a sign-in page: " +
			"the personal access token (AZURE_DEVOPS_EXT_PAT, or the rule's own) has expired or is not valid"}
	}
	return res, nil
}

func (azureRun) Accept(_ *Request, res *Response) error {
	var run struct {
		ID    json.Number
		Links struct{ Web struct{ Href string } } `json:"_links"`
	}
	if err := json.Unmarshal(res.Body, &run); err != nil || run.ID == "" {
		return errors.New("answered without a run")
	}
	res.ExternalRunID, res.Link = run.ID.String(), run.Links.Web.Href
	return nil
}
