package ci

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"port-agent/invoker"
	"port-agent/invoker/wire"
)

// api reads a system's API with the agent's credential.
type api struct {
	client  Client
	backend string
	what    string         // at a place, for errors: "pipeline"
	places  *regexp.Regexp // what follows the base in a place, query and fragment included
	unset   string         // the error without a credential
	right   string         // the hint of a refusal: what the credential needs
	header  http.Header
}

// base is the URL that paths are appended to. Without a credential it is empty,
// and fetch refuses the result.
func (a *api) base() string {
	if c := a.client.Credential(a.backend); c != nil {
		return c.Base()
	}
	return ""
}

// below returns the credential, and what follows its base in the path of u.
func (a *api) below(u *url.URL) (c *invoker.Credential, path string, err error) {
	if c = a.client.Credential(a.backend); c == nil {
		return nil, "", Errorf(None, "%s", a.unset)
	}
	path, ok := c.Rest(u)
	if !ok {
		return nil, "", Errorf(None, "%s is not below %s, the only place that the credential is sent to", u.Host, c.Base())
	}
	return c, path, nil
}

// get reads one JSON answer into v.
func (a *api) get(ctx context.Context, place string, v any) error {
	res, err := a.fetch(ctx, place, a.header)
	if err != nil {
		return err
	}
	return decode(place, res, v)
}

// fetch asks with the credential. An answer that is neither 2xx nor 304 is an
// error.
func (a *api) fetch(ctx context.Context, place string, header http.Header) (res *invoker.Response, err error) {
	u, err := ParsePlace(place)
	if err != nil {
		return nil, Errorf(Hopeless, "%v", err)
	}
	c, _, err := a.below(u)
	if err != nil {
		return nil, Errorf(Hopeless, "%v", err)
	}
	call := invoker.FetchRequest{URL: place, Header: http.Header{"Accept": {"application/json"}}}
	maps.Copy(call.Header, header)
	if err = c.Authorize(ctx, u, call.Header); err == nil {
		res, err = a.client.Fetch(ctx, call)
	}
	fault := Judge(http.MethodGet, place, res, err)
	if fault == nil {
		return res, nil
	}
	_, network := errors.AsType[*wire.Error](err) // no right helps against a certificate that is not trusted
	if !network && (fault.Kind == Refused || fault.Kind == Missing) {
		fault.Hint = a.right
	}
	return nil, fault
}

// Judge returns why the result of a call says nothing about a pipeline, or nil
// where its answer can be read. err is that of the call or of its credential.
func Judge(method, place string, res *invoker.Response, err error) *Error {
	if status, ok := errors.AsType[*invoker.StatusError](err); ok && res == nil {
		res = &invoker.Response{Response: wire.Response{StatusCode: status.StatusCode}} // of the call for a token
	}
	if res == nil {
		kind := Busy
		if transport, ok := errors.AsType[*wire.Error](err); ok && transport.Final {
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
	case isPage(res):
		return Errorf(Refused, "%s %s answered with an HTML page, most likely a login page", method, bare(place))
	}
	return nil
}

func decode(place string, res *invoker.Response, v any) error {
	if res.Truncated {
		return Errorf(Refused, "GET %s answered with more than 1 MiB", bare(place))
	}
	if json.Unmarshal(res.Body, v) != nil {
		return Errorf(Refused, "GET %s did not answer with the JSON that was expected", bare(place))
	}
	return nil
}

// isPage reports whether an answer is HTML.
func isPage(res *invoker.Response) bool {
	start := bytes.ToLower(bytes.TrimSpace(res.Body[:min(len(res.Body), 64)]))
	return strings.Contains(strings.ToLower(res.Header.Get("Content-Type")), "html") || bytes.HasPrefix(start, []byte("<!doctype html")) || bytes.HasPrefix(start, []byte("<html"))
}

// maxPlace is how many bytes of a run's log one URL may take.
const maxPlace = 4 << 10

// ParsePlace parses an absolute http or https URL of at most 4,096 bytes without
// user info.
func ParsePlace(place string) (*url.URL, error) {
	u, err := url.Parse(place)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https":
		return nil, Errorf(Refused, "the URL to poll is not an http or https URL without user info")
	case len(place) > maxPlace:
		return nil, Errorf(Refused, "the URL to poll is longer than %d bytes", maxPlace)
	}
	return u, nil
}

// bare is a URL without query and fragment.
func bare(place string) string {
	if n := strings.IndexAny(place, "?#"); n >= 0 {
		return place[:n]
	}
	return place
}
