package invoker

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"port-agent/invoker/wire"
)

// FetchRequest is a call beside the trigger of a run: a look at a pipeline, or
// the exchange of a token.
type FetchRequest struct {
	Method string // empty: GET
	URL    string // http or https, without user info
	Header http.Header
	Body   []byte
}

// Fetch makes one call the way Do does, with WEBHOOK_INVOKER_TIMEOUT as its
// limit. Nothing is signed, and header and body are sent as they are given.
//
// An answer is returned whatever its status is, unless it is a redirect that
// is not followed: that is a *StatusError beside the Response. A redirect to
// another origin is followed only for a GET without credentials. An error
// without a Response is a *wire.Error, or says what is wrong with the call.
func (i *Invoker) Fetch(ctx context.Context, f FetchRequest) (*Response, error) {
	u, err := parseURL(f.URL)
	if err != nil {
		return nil, err
	}
	if u.User != nil {
		return nil, errors.New("the URL holds user info, which is not sent")
	}
	header := http.Header{"User-Agent": {i.deps.UserAgent}}
	maps.Copy(header, f.Header)
	method := cmp.Or(f.Method, http.MethodGet)
	ctx, clock := wire.NewClock(ctx, i.timeout(0))
	defer clock.Stop()
	res, err := i.send(ctx, clock, &wire.Call{
		Method: method, URL: u, Header: header, Body: f.Body, Verify: i.isPort(u), NeedBody: true,
		Pinned: slices.ContainsFunc(slices.Collect(maps.Keys(header)), NamesSecret),
	})
	if err == nil && res.Refusal != "" {
		err = &StatusError{Endpoint: method + " " + wire.Place(u), StatusCode: res.StatusCode, Reason: res.Refusal}
	}
	return res, err
}

// ask makes a call whose answer is JSON, and reads it into v. An answer with
// another status than 2xx is a *StatusError.
func (i *Invoker) ask(ctx context.Context, f FetchRequest, v any) error {
	res, err := i.Fetch(ctx, f)
	if err != nil {
		return err
	}
	endpoint := cmp.Or(f.Method, http.MethodGet) + " " + f.URL
	if res.StatusCode/100 != 2 {
		_, token, _ := strings.Cut(f.Header.Get("Authorization"), " ")
		return newStatusError(endpoint, res, "", wire.OneLine(scrub(res.excerpt(), []string{token}), maxExcerpt))
	}
	if err := json.Unmarshal(res.Body, v); err != nil {
		return fmt.Errorf("%s: the answer is not JSON", endpoint)
	}
	return nil
}
