package invoker

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"port-agent/invoker/wire"
)

var errNoURL = errors.New("neither the rule nor the invocation method says which URL to call")

// parseURL reads the final URL of a request, in which Port has to have replaced
// all templates.
func parseURL(raw string) (*url.URL, error) {
	if strings.TrimSpace(raw) == "" {
		return nil, errNoURL
	}
	if err := resolved("URL", raw); err != nil {
		return nil, err
	}
	u, err := wire.ParseURL(raw)
	if err != nil {
		return nil, err
	}
	return u, resolved("URL", u.Path)
}

// resolved refuses text that holds a template: Port was to replace it.
func resolved(what string, texts ...string) error {
	for _, s := range texts {
		_, rest, ok := strings.Cut(s, "{{")
		if !ok {
			continue
		}
		if inner, _, ok := strings.Cut(rest, "}}"); ok {
			return fmt.Errorf("%s still holds {{%.60s}}, which Port did not resolve", what, inner)
		}
	}
	return nil
}
