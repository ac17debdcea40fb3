package invoker

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// jenkins triggers jobs through the Generic Webhook Trigger plugin
// (https://plugins.jenkins.io/generic-webhook-trigger), whose whitelist can
// check an HMAC of the raw body. The plugin answers 200 also when the filters
// of all jobs turned the event away.
type jenkins struct{ sha1Signer }

var _ Backend = jenkins{}

func (jenkins) URL(t *Target) (string, error) { return methodURL(t) }

func (jenkins) Body(t *Target) (Body, error) { return eventBody(t), nil }

func (jenkins) Header(http.Header) error { return nil }

// Accept looks for a job that was triggered; of several it takes the first by
// name. An empty answer comes from jobs that are configured to answer
// silently, and is taken for what its status says.
func (jenkins) Accept(req *Request, res *Response) error {
	if len(strings.TrimSpace(string(res.Body))) == 0 {
		return nil
	}
	answer := res.object()
	jobs, _ := answer["jobs"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(jobs)) {
		job, _ := jobs[name].(map[string]any)
		if job["triggered"] != true {
			continue
		}
		if id := job["id"]; id != nil {
			res.ExternalRunID = text(id)
		}
		if item, _ := job["url"].(string); item != "" {
			res.Link = jenkinsLink(req.url, item)
		}
		return nil
	}
	return notTriggered(answer, jobs)
}

func notTriggered(answer, jobs map[string]any) error {
	switch message, _ := answer["message"].(string); {
	case answer == nil:
		return errors.New("triggered no job: the answer is not the plugin's")
	case len(jobs) > 0:
		return fmt.Errorf("triggered no job: the filters of %s turned the event away", strings.Join(slices.Sorted(maps.Keys(jobs)), ", "))
	default:
		return fmt.Errorf("triggered no job: %s", message)
	}
}

// jenkinsLink resolves the address of a queue item, which is relative to the
// root of Jenkins.
func jenkinsLink(request *url.URL, item string) string {
	ref, err := url.Parse(item)
	if err != nil {
		return ""
	}
	root := *request
	root.RawQuery = ""
	root.RawPath = ""
	path, _, _ := strings.Cut(root.Path, "/generic-webhook-trigger/")
	if path == root.Path {
		path = ""
	}
	root.Path = path + "/"
	link := root.ResolveReference(ref)
	if link.Scheme != "http" && link.Scheme != "https" {
		return ""
	}
	return link.String()
}
