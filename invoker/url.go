package invoker

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// parseURL reads the final URL of a request. Errors quote nothing of it: it
// may hold a password.
func parseURL(raw string) (*url.URL, error) {
	raw = strings.TrimSpace(raw)
	if raw == "" {
		return nil, errNoURL
	}
	if err := resolved("URL", raw); err != nil {
		return nil, err
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("the URL is not valid: %s", urlFault(err))
	}
	if err := resolved("URL", u.Path); err != nil {
		return nil, err
	}
	u.Scheme = strings.ToLower(u.Scheme)
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("the URL is not valid: it does not begin with http:// or https://")
	case u.Hostname() == "":
		return nil, errors.New("the URL is not valid: it names no host")
	}
	if u.Host, err = httpguts.PunycodeHostPort(u.Host); err != nil || ambiguous(u.Hostname()) {
		return nil, errors.New("the URL is not valid: its host is neither a name nor an address")
	}
	u.Fragment, u.RawFragment = "", ""
	u.RawQuery = escapeQuery(u.RawQuery)
	return u, nil
}

// urlFault is the kind of a parse error without the quoted part of the URL.
func urlFault(err error) string {
	if e := (*url.Error)(nil); errors.As(err, &e) {
		err = e.Err
	}
	fault, _, _ := strings.Cut(err.Error(), `"`)
	return strings.TrimSpace(fault)
}

// escapeQuery percent-encodes what may not stand in a request line, as in a
// URL that was put together from user inputs.
func escapeQuery(query string) string {
	bad := func(c byte) bool { return c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>`", c) >= 0 }
	var b strings.Builder
	for n := range len(query) {
		if c := query[n]; bad(c) {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
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
