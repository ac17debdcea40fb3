package invoker

import (
	"net/http"
	"net/url"
	"strings"
)

// maxRedirects is how many redirects one attempt follows.
const maxRedirects = 10

// redirect says what a redirecting answer asks for. Next is nil where the
// answer is the last word; refusal then says why a redirect is not followed.
//
// 307 and 308 repeat the same request at the same host, with the same bytes
// and signature. A GET is followed anywhere, but headers that are meant for one
// host are not sent to another: only the agent's name and what it accepts are.
// Any other redirect would hand the work to a server that no rule names.
func redirect(h *hop, res *http.Response) (next *hop, refusal string) {
	switch res.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, ""
	}
	location := res.Header.Get("Location")
	if location == "" {
		return nil, ""
	}
	ref, err := url.Parse(requote(location))
	if err != nil {
		return nil, "was redirected to an address that is not a URL"
	}
	target, err := parseURL(h.url.ResolveReference(ref).String())
	if err != nil {
		return nil, "was redirected, but " + err.Error()
	}
	target.User = nil
	n := *h
	n.url = target
	same := sameHost(h.url, target)
	if h.method != http.MethodGet {
		if same && keepsBody(res.StatusCode) {
			return &n, ""
		}
		return nil, "was redirected to " + place(target) + ", which is followed only for GET; call that URL directly"
	}
	if !same && h.pinned {
		return nil, "was redirected to " + place(target) + ", another origin, which must not see the credentials"
	}
	if !same {
		n.header = publicHeader(h.header)
		n.body = nil
	} else if !keepsBody(res.StatusCode) {
		n.header = h.header.Clone()
		n.header.Del("Content-Type")
		n.body = nil
	}
	return &n, ""
}

func keepsBody(status int) bool {
	return status == http.StatusTemporaryRedirect || status == http.StatusPermanentRedirect
}

// sameHost holds for the same scheme, name and port, and for the step from
// http to https under one name with the usual ports.
func sameHost(from, to *url.URL) bool {
	if from.Scheme == to.Scheme {
		return hostPort(from) == hostPort(to)
	}
	name, ok := strings.CutSuffix(hostPort(from), ":80")
	return ok && from.Scheme == "http" && hostPort(to) == name+":443"
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
