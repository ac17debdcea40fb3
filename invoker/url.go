package invoker

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
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
	u, err := url.Parse(requote(raw))
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
	u.Fragment, u.RawFragment, u.ForceQuery = "", "", false
	return u.ResolveReference(new(url.URL)), nil // without . and ..
}

// urlFault is the kind of a parse error without the quoted part of the URL.
func urlFault(err error) string {
	if e := (*url.Error)(nil); errors.As(err, &e) {
		err = e.Err
	}
	fault, _, _ := strings.Cut(err.Error(), `"`)
	return strings.TrimSpace(fault)
}

// requote percent-encodes, behind the host of a URL or in a relative one, what
// RFC 3986 does not let stand there. URLs are put together from user inputs,
// and some servers refuse what others overlook. Where a % begins no escape,
// every % stands for itself.
func requote(raw string) string {
	from := 0
	if _, rest, ok := strings.Cut(raw, "//"); ok && !strings.ContainsAny(raw[:len(raw)-len(rest)-2], "/?#") {
		from = len(raw)
		if n := strings.IndexAny(rest, "/?#"); n >= 0 {
			from -= len(rest) - n
		}
	}
	literal := badEscape.MatchString(raw[from:])
	var b strings.Builder
	b.WriteString(raw[:from])
	for _, c := range []byte(raw[from:]) {
		if strings.IndexByte(literals, c) >= 0 || c == '%' && !literal {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// literals are the characters that RFC 3986 lets stand for themselves.
const literals = "-._~!$&'()*+,;=:@/?#0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// badEscape is a % that does not begin an escape.
var badEscape = regexp.MustCompile(`%([^0-9A-Fa-f]|$|.[^0-9A-Fa-f]|.$)`)

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
