package wire

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// ParseURL reads the URL of a call as people and programs write it. What may not
// stand in a path or query is percent-encoded, the host is in ASCII, and there is
// no fragment and no step to a parent folder. Errors quote nothing of it: it may
// hold a password.
func ParseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(requote(strings.TrimSpace(raw)))
	if err != nil {
		return nil, fmt.Errorf("the URL is not valid: %s", urlFault(err))
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
	start := origin.FindString(raw)
	rest := raw[len(start):]
	if badEscape.MatchString(rest) {
		rest = strings.ReplaceAll(rest, "%", "%25")
	}
	return start + unquoted.ReplaceAllStringFunc(rest, url.PathEscape)
}

var (
	origin    = regexp.MustCompile(`^([^/?#]*//[^/?#]*)?`)
	badEscape = regexp.MustCompile(`%([^0-9A-Fa-f]|$|.[^0-9A-Fa-f]|.$)`)
	unquoted  = regexp.MustCompile(`[^-._~!$&'()*+,;=:@/?#%0-9A-Za-z]`)
)

// ambiguous reports hosts such as 2852039166 or 0xa9.0xfe.43518, which some
// resolvers and proxies read as an address.
func ambiguous(host string) bool {
	_, err := netip.ParseAddr(host)
	return err != nil && number.MatchString(strings.TrimSuffix(host, "."))
}

// number is a last label of digits alone, or of none: what resolves a.. may take
// off every dot.
var number = regexp.MustCompile(`(?i)(^|\.)(0x[0-9a-f]*|[0-9]*)$`)

// HostPort is host:port of u in lower case, with the port written out.
func HostPort(u *url.URL) string {
	return net.JoinHostPort(HostName(u.Hostname()), portOf(u))
}

// portOf is the port that a URL leads to.
func portOf(u *url.URL) string {
	if port := u.Port(); port != "" {
		return port
	}
	if strings.EqualFold(u.Scheme, "https") {
		return "443"
	}
	return "80"
}

// HostName returns a host in lower case, without the dot of a full name.
func HostName(host string) string { return strings.ToLower(strings.TrimSuffix(host, ".")) }

// Place is a URL without user info, query and fragment, as logs and errors show
// it.
func Place(u *url.URL) string {
	return u.Scheme + "://" + strings.ToLower(u.Host) + u.EscapedPath()
}
