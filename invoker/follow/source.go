package follow

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"port-agent/invoker"
)

// source reads a backend's API with the backend's credential.
type source struct {
	inv     Invoker
	backend string
	what    string           // that a place leads to
	paths   []*regexp.Regexp // of places, below the base
	unset   string           // the settings to set where there is no credential
	right   string           // what the credential needs, as a hint beside a refusal
	header  http.Header
}

// own gives the credential.
func (s *source) own() (*invoker.Credential, error) {
	c := s.inv.Credential(s.backend)
	if c == nil {
		return nil, quiet("%s", s.unset)
	}
	return c, nil
}

// rest is the path of a place below the credential's base.
func (s *source) rest(place string) (*invoker.Credential, string, error) {
	c, err := s.own()
	if err != nil {
		return nil, "", err
	}
	u, err := parsePlace(place)
	if err != nil {
		return nil, "", err
	}
	rest, ok := c.Rest(u)
	if !ok {
		return nil, "", quiet("%s is not below %s, the only place that the credential is sent to", u.Host, c.Base())
	}
	return c, rest, nil
}

// check refuses places that are not below the base, or whose rest is none of
// paths.
func (s *source) check(_ *Run, h Handle) error {
	for _, place := range h.Places {
		_, rest, err := s.rest(place)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(s.paths, func(p *regexp.Regexp) bool { return p.MatchString(rest) }) {
			return fmt.Errorf("%s is no %s", bare(place), s.what)
		}
	}
	return nil
}

// get reads one JSON answer into v.
func (s *source) get(ctx context.Context, place string, v any) error {
	res, err := s.fetch(ctx, place, s.header)
	if err != nil {
		return err
	}
	return s.decode(place, res, v)
}

// fetch asks with the credential. An answer that is not 2xx or 304 is an
// error.
func (s *source) fetch(ctx context.Context, place string, header http.Header) (*invoker.Response, error) {
	c, _, err := s.rest(place)
	if err != nil {
		return nil, &Error{Kind: Hopeless, Err: err}
	}
	u, err := url.Parse(place)
	if err != nil {
		return nil, &Error{Kind: Hopeless, Err: errPlace}
	}
	h := http.Header{"Accept": {"application/json"}}
	for k, v := range header {
		h[k] = v
	}
	if err := c.Authorize(ctx, u, h); err != nil {
		return nil, s.judge(place, nil, err)
	}
	res, err := s.inv.Fetch(ctx, invoker.FetchRequest{URL: place, Header: h})
	return res, s.judge(place, res, err)
}

// judge makes an *Error of what is not an answer about the pipeline.
func (s *source) judge(place string, res *invoker.Response, err error) error {
	fault := judge(http.MethodGet, place, res, err)
	if fault == nil {
		return nil
	}
	if fault.Kind == Refused || fault.Kind == Missing {
		fault.Hint = s.right
	}
	return fault
}

// judge sorts what came of one request. It is nil where there is an answer
// that tells something.
func judge(method, place string, res *invoker.Response, err error) *Error {
	if status := (*invoker.StatusError)(nil); errors.As(err, &status) && res == nil {
		res = &invoker.Response{StatusCode: status.StatusCode} // of the call for a token
	}
	if res == nil && err != nil {
		kind := Busy
		if transport := (*invoker.TransportError)(nil); errors.As(err, &transport) && transport.Final {
			kind = Refused
		}
		return &Error{Kind: kind, Err: err}
	}
	if err == nil {
		err = fmt.Errorf("%s %s answered %d", method, bare(place), res.StatusCode)
	}
	after, limited := res.Limited()
	switch code := res.StatusCode; {
	case code == http.StatusNotModified:
		return nil
	case limited || code >= 500 || code == http.StatusRequestTimeout:
		return &Error{Kind: Busy, RetryAfter: after, Err: err}
	case code == http.StatusNotFound:
		return &Error{Kind: Missing, Err: err}
	case code/100 != 2 || code == http.StatusNonAuthoritativeInfo && isPage(res):
		return &Error{Kind: Refused, Err: err}
	}
	return nil
}

func (s *source) decode(place string, res *invoker.Response, v any) error {
	switch {
	case isPage(res):
		return &Error{Kind: Refused, Hint: s.right, Err: fmt.Errorf("GET %s answered with an HTML page, most likely a login page", bare(place))}
	case res.Truncated:
		return &Error{Kind: Refused, Err: fmt.Errorf("GET %s answered with more than 1 MiB", bare(place))}
	}
	if err := json.Unmarshal(res.Body, v); err != nil {
		return &Error{Kind: Refused, Err: fmt.Errorf("GET %s did not answer with the JSON that was expected", bare(place))}
	}
	return nil
}

// isPage tells of HTML.
func isPage(res *invoker.Response) bool {
	start := bytes.ToLower(bytes.TrimSpace(res.Body[:min(len(res.Body), 64)]))
	return strings.Contains(strings.ToLower(res.Header.Get("Content-Type")), "html") || bytes.HasPrefix(start, []byte("<!doctype html")) || bytes.HasPrefix(start, []byte("<html"))
}

// bare is a URL without query and fragment.
func bare(place string) string {
	place, _, _ = strings.Cut(place, "#")
	place, _, _ = strings.Cut(place, "?")
	return place
}
