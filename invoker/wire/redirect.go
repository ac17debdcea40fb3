package wire

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// maxRedirects is how many redirects one attempt follows.
const maxRedirects = 10

// Refusal says why the redirect that an answer to the call asks for is not
// followed, or "" where it asks for none or would be followed.
func (c *Call) Refusal(res *Response) string {
	_, refusal := c.redirect(res.StatusCode, res.Header)
	return refusal
}

// redirect says what a redirecting answer asks for. Next is nil where the
// answer is the last word; refusal then says why a redirect is not followed.
//
// 307 and 308 repeat the same request at the same host, with the same bytes
// and header. A GET is followed anywhere, but headers that are meant for one
// host are not sent to another: only who asks and what is accepted. Any other
// redirect would hand the work to a server that the caller has not named.
func (c *Call) redirect(status int, header http.Header) (next *Call, refusal string) {
	location := header.Get("Location")
	if location == "" || !slices.Contains([]int{301, 302, 303, 307, 308}, status) {
		return nil, ""
	}
	ref, err := url.Parse(requote(location))
	if err != nil {
		return nil, "was redirected to an address that is not a URL"
	}
	target, err := ParseURL(c.URL.ResolveReference(ref).String())
	if err != nil {
		return nil, "was redirected, but " + err.Error()
	}
	target.User = nil
	n := *c
	n.URL = target
	same, repeats := sameHost(c.URL, target), status == http.StatusTemporaryRedirect || status == http.StatusPermanentRedirect
	switch {
	case c.Method != http.MethodGet && !(same && repeats):
		return nil, "was redirected to " + Place(target) + ", which is followed only for GET; call that URL directly"
	case !same && c.Pinned:
		return nil, "was redirected to " + Place(target) + ", another origin, which must not see the credentials"
	case !same:
		n.Header, n.Body = publicHeader(c.Header), nil
	case !repeats:
		n.Header, n.Body = c.Header.Clone(), nil
		n.Header.Del("Content-Type")
	}
	return &n, ""
}

// sameHost holds for the same scheme, name and port, and for the step from
// http to https under one name with the usual ports.
func sameHost(from, to *url.URL) bool {
	if from.Scheme == to.Scheme {
		return HostPort(from) == HostPort(to)
	}
	name, ok := strings.CutSuffix(HostPort(from), ":80")
	return ok && from.Scheme == "http" && HostPort(to) == name+":443"
}

// publicHeader keeps the headers that tell nothing but who asks.
func publicHeader(h http.Header) http.Header {
	public := make(http.Header, 3)
	for _, k := range []string{"User-Agent", "Accept", "Accept-Language"} {
		if v, ok := h[k]; ok {
			public[k] = v
		}
	}
	return public
}
