package invoker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// portAPI calls Port's own API with the agent's token, for actions that only
// change the catalog. It calls no other place than the base URL's origin.
type portAPI struct {
	defaults
	token func(context.Context) (string, error)
	base  *url.URL // nil: there is no such API
}

func (portAPI) Body(t *Target, _ *Request) (Body, error) {
	if b := t.Method.Body; b != nil {
		return jsonBody(b)
	}
	return eventBody(t)
}

func (p portAPI) Header(req *Request) error {
	if p.base == nil || !sameOrigin(req.URL, p.base) {
		return fmt.Errorf("the backend PORT_API calls Port's API only, and the URL names %s", req.URL.Scheme+"://"+req.Host())
	}
	return nil
}

func (p portAPI) Authorize(ctx context.Context, _ *Request, h http.Header) error {
	if h.Get("Authorization") != "" {
		return nil
	}
	if p.token == nil {
		return unsent(portToken, errors.New("there is none"))
	}
	token, err := p.token(ctx)
	if err != nil {
		return unsent(portToken, err)
	}
	h["Authorization"] = []string{"Bearer " + token}
	return nil
}

const portToken = "get a token for Port's API"

// userShaped reports whether the user may have shaped a URL: the rule has made
// it, or it holds one of the user's inputs, which Port may have put there.
func userShaped(t *Target, u *url.URL) bool {
	if t.Rule.URL != nil {
		return true
	}
	s := strings.ToLower(u.Path + "?" + u.RawQuery)
	if q, err := url.QueryUnescape(u.RawQuery); err == nil {
		s += "&" + strings.ToLower(q)
	}
	parts := strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune("/?&=", r) })
	return slices.ContainsFunc(leaves(t.properties()), func(v string) bool {
		v = strings.ToLower(v)
		// A short value stands in many URLs by chance, but not as a part of its own.
		return len(v) >= 3 && strings.Contains(s, v) || slices.Contains(parts, v)
	})
}

// leaves lists the texts and numbers in v.
func leaves(v any) (list []string) {
	switch v := v.(type) {
	case nil, bool:
	case map[string]any:
		for _, v := range v {
			list = append(list, leaves(v)...)
		}
	case []any:
		for _, v := range v {
			list = append(list, leaves(v)...)
		}
	default:
		list = []string{text(v)}
	}
	return list
}
