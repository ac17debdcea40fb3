package follow

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"port-agent/invoker"
	"port-agent/transform"
)

// rule follows as the rule of the run says. Its headers may hold any
// credential, so they go to the URL that the rule has given and to no other: a
// seal in the handle holds that fast across restarts.
type rule struct{ inv Invoker }

func (f *rule) start(ctx context.Context, run *Run, _ *invoker.Request, _ *invoker.Response) ([]string, error) {
	in, err := run.Input()
	if err != nil {
		return nil, err
	}
	raw, err := run.Rule.Follow.Place(ctx, in)
	if err != nil {
		return nil, err
	}
	if raw == nil {
		return nil, quiet("follow.url gave null")
	}
	u, err := url.Parse(strings.TrimSpace(*raw))
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("follow.url gave no http or https URL")
	case u.User != nil:
		return nil, errors.New("follow.url holds user info, which a run's log would show; put it into follow.headers")
	}
	u.Fragment, u.RawFragment = "", ""
	u.RawQuery = strings.ReplaceAll(u.RawQuery, " ", "%20")
	return []string{u.String()}, nil
}

// find goes by a URL that does not depend on the answer, and asks there.
func (f *rule) find(ctx context.Context, run *Run, req *invoker.Request, _ time.Time) ([]string, error) {
	if run.Rule.Follow.ReadsAnswer() {
		return nil, quiet("follow.url reads the answer, which is not known")
	}
	places, err := f.start(ctx, run, req, nil)
	if err == nil {
		_, err = f.look(ctx, &Watch{run: *run}, &job{place: places[0]})
	}
	return places, err
}

func (f *rule) check(run *Run, h Handle) error {
	if len(h.Places) != 1 || h.seal != f.seal(run, h.Places[0]) {
		return errors.New("the URL in the run's log was not written there by the agent for this run")
	}
	if said := followOf(run); said == nil || !said.Generic() {
		return errors.New("the rule no longer says how to follow the run")
	}
	return nil
}

func (f *rule) seal(run *Run, place string) string { return f.inv.Seal(run.ID + "\n" + place) }

func (f *rule) look(ctx context.Context, w *Watch, j *job) (view, error) {
	in, err := w.run.Input()
	if err != nil {
		return view{}, refused("", "read the event again: %w", err)
	}
	said := w.run.Rule.Follow
	poll, warnings, err := said.Request(ctx, in)
	if err != nil {
		return view{}, refused("", "%w", err)
	}
	call := invoker.FetchRequest{Method: *poll.Method, URL: j.place, Header: make(http.Header, len(poll.Headers)+1)}
	for k, v := range poll.Headers {
		call.Header[http.CanonicalHeaderKey(k)] = []string{v}
	}
	if poll.HasBody && poll.Body != nil {
		if call.Body, err = invoker.EncodeBody(poll.Body, call.Header); err != nil {
			return view{}, refused("", "follow.body: %w", err)
		}
	}
	res, err := f.inv.Fetch(ctx, call)
	if fault := judge(*poll.Method, j.place, res, err); fault != nil {
		return view{}, fault
	}
	if isPage(res) {
		return view{}, refused("check follow.url and follow.headers", "%s %s answered with an HTML page, most likely a login page", *poll.Method, bare(j.place))
	}
	in["poll"] = res.Value()
	p, more, err := said.Progress(ctx, in)
	if err != nil {
		return view{}, refused("", "%w", err)
	}
	v := view{label: p.StatusLabel, lines: p.Log, links: p.Link, over: p.Done, success: p.Status == "SUCCESS", summary: invoker.OneLine(p.Summary, 2*maxLine)}
	for _, warning := range append(warnings, more...) {
		v.warnings = append(v.warnings, "Mapping: "+warning.Message)
	}
	return v, nil
}

// followOf is what the rule of a run says, nil where it says nothing.
func followOf(run *Run) *transform.Follow {
	if run.Rule == nil {
		return nil
	}
	return run.Rule.Follow
}

// project is where the rule wants an Azure build to be looked for.
func project(ctx context.Context, run *Run) (string, error) {
	said := followOf(run)
	if said == nil || said.Generic() {
		return "", nil
	}
	in, err := run.Input()
	if err != nil {
		return "", err
	}
	p, err := said.Project(ctx, in)
	if err != nil || p == nil {
		return "", err
	}
	return *p, nil
}
