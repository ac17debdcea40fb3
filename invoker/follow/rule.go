package follow

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"port-agent/invoker"
	"port-agent/invoker/follow/ci"
	"port-agent/invoker/wire"
)

// rule follows as the rule of the run says. Its headers may hold any
// credential, so they go to the URL that the rule has given and to no other: a
// seal in the handle holds that fast across restarts.
type rule struct {
	inv Invoker
	run *Run
}

func (f *rule) Name() string { return Rule }

// Locate evaluates the rule's url. Where the answer of the trigger is not known,
// the url must not depend on it, and something must be there.
func (f *rule) Locate(ctx context.Context, t ci.Trigger) ([]string, error) {
	said := f.run.Follow
	if t.Response == nil && said.ReadsAnswer() {
		return nil, ci.Errorf(ci.None, "follow.url reads the answer, which is not known")
	}
	in, err := f.run.Input()
	if err != nil {
		return nil, ci.Errorf(ci.Refused, "%w", err)
	}
	raw, err := said.Place(ctx, in)
	switch {
	case err != nil:
		return nil, ci.Errorf(ci.Refused, "%w", err)
	case raw == nil:
		return nil, ci.Errorf(ci.None, "follow.url gave null")
	}
	u, err := wire.ParseURL(*raw)
	if err != nil {
		return nil, ci.Errorf(ci.Refused, "follow.url: %w", err)
	}
	place := u.String()
	if u.User != nil || f.run.Conceal(place) != place || slices.ContainsFunc(slices.Collect(maps.Keys(u.Query())), invoker.NamesSecret) {
		return nil, ci.Errorf(ci.Refused, "follow.url holds user info or a secret, which a run's log would show; put it into follow.headers")
	}
	if _, err = ci.ParsePlace(place); err != nil {
		return nil, ci.Errorf(ci.Refused, "follow.url: %w", err)
	}
	if t.Response == nil {
		_, err = f.Look(ctx, &ci.Job{Place: place})
	}
	return []string{place}, err
}

// Look makes one poll.
func (f *rule) Look(ctx context.Context, j *ci.Job) (ci.View, error) {
	in, err := f.run.Input()
	if err != nil {
		return ci.View{}, ci.Errorf(ci.Refused, "read the event again: %w", err)
	}
	said := f.run.Follow
	poll, warnings, err := said.Request(ctx, in)
	if err != nil {
		return ci.View{}, ci.Errorf(ci.Refused, "%w", err)
	}
	call := invoker.FetchRequest{Method: *poll.Method, URL: j.Place, Header: make(http.Header, len(poll.Headers)+1)}
	for k, v := range poll.Headers {
		call.Header[http.CanonicalHeaderKey(k)] = []string{v}
	}
	if poll.HasBody && poll.Body != nil {
		if call.Body, err = invoker.EncodeBody(poll.Body, call.Header); err != nil {
			return ci.View{}, ci.Errorf(ci.Refused, "follow.body: %w", err)
		}
	}
	res, err := f.inv.Fetch(ctx, call)
	if fault := ci.Judge(call.Method, j.Place, res, err); fault != nil {
		if fault.Kind == ci.Refused {
			fault.Hint = "check follow.url and follow.headers"
		}
		return ci.View{}, fault
	}
	in["poll"] = res.Value()
	p, more, err := said.Progress(ctx, in)
	if err != nil {
		return ci.View{}, ci.Errorf(ci.Refused, "%w", err)
	}
	v := ci.View{Label: p.StatusLabel, Links: p.Link, Over: p.Done, Success: p.Status == "SUCCESS", Summary: p.Summary}
	for _, text := range p.Log {
		v.Lines = append(v.Lines, ci.Line{Text: text})
	}
	for _, warning := range append(warnings, more...) {
		v.Lines = append(v.Lines, ci.Line{Warn: true, Text: "Mapping: " + warning.Message})
	}
	return v, nil
}
