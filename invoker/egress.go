package invoker

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// RefusedError is a target that the agent must not reach.
type RefusedError struct {
	Target string // host, or host and address
	Reason string
}

func (e *RefusedError) Error() string {
	return "refused by egress policy: " + e.Target + " " + e.Reason
}

// guard decides which targets may be reached. The zero value refuses
// link-local and metadata addresses and nothing else.
type guard struct {
	allow, deny targets
	allowOnly   bool // EGRESS_DENY holds "*": only what allow lists may be reached
}

// targets is a list of names and networks.
type targets struct {
	names    []string // lower case; with a leading dot for every name below it
	networks []netip.Prefix
}

func newGuard(allow, deny []string) (*guard, error) {
	g := new(guard)
	var badAllow, badDeny error
	g.allow, _, badAllow = parseTargets("EGRESS_ALLOW", allow)
	g.deny, g.allowOnly, badDeny = parseTargets("EGRESS_DENY", deny)
	return g, errors.Join(badAllow, badDeny)
}

// parseTargets reads hosts, "*."-names, addresses and CIDRs; all is set by
// the entry "*".
func parseTargets(setting string, entries []string) (t targets, all bool, err error) {
	for _, e := range entries {
		e = strings.ToLower(strings.TrimSuffix(strings.TrimSpace(e), "."))
		prefix, notPrefix := netip.ParsePrefix(e)
		addr, notAddr := netip.ParseAddr(strings.Trim(e, "[]"))
		switch {
		case e == "":
		case e == "*" && setting == "EGRESS_DENY":
			all = true
		case notPrefix == nil:
			t.networks = append(t.networks, prefix.Masked())
		case notAddr == nil:
			t.networks = append(t.networks, netip.PrefixFrom(bare(addr), bare(addr).BitLen()))
		case strings.ContainsAny(strings.TrimPrefix(e, "*."), "/:*@ "):
			return t, all, fmt.Errorf("%s: %q is not a host, an address or a CIDR", setting, e)
		default:
			t.names = append(t.names, strings.TrimPrefix(e, "*"))
		}
	}
	return t, all, nil
}

// match tells whether the list names the host or holds the address, which may
// be the zero Addr where it is not known.
func (t targets) match(host string, addr netip.Addr) bool {
	for _, n := range t.names {
		if host == n || strings.HasPrefix(n, ".") && strings.HasSuffix(host, n) {
			return true
		}
	}
	return addr.IsValid() && slices.ContainsFunc(t.networks, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// Names under which clouds serve credentials. A proxy resolves names out of
// sight of the check at dial time; there the short forms are refused as well,
// which without a proxy may be a service of the agent's own namespace.
var (
	metadataNames      = targets{names: []string{"metadata.google.internal", "metadata.goog", "instance-data.ec2.internal"}}
	shortMetadataNames = targets{names: []string{"metadata", "instance-data"}}
)

// Addresses that belong to the machine the agent runs on and to its cloud.
var linkLocal = []netip.Prefix{
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("fe80::/10"),
	netip.MustParsePrefix("fd00:ec2::254/128"),
}

// name checks a target before its name is resolved. Last is set where nobody
// will look again because a proxy resolves the name.
func (g *guard) name(host string, last bool) error {
	host = hostName(host)
	if addr, err := netip.ParseAddr(host); err == nil {
		return g.address(host, addr)
	}
	var none netip.Addr
	switch {
	case g.deny.match(host, none):
		return &RefusedError{host, "is listed in EGRESS_DENY"}
	case g.allow.match(host, none):
		return nil
	case last && g.allowOnly:
		return &RefusedError{host, "is not listed in EGRESS_ALLOW"}
	case metadataNames.match(host, none), last && shortMetadataNames.match(host, none):
		return &RefusedError{host, "is a metadata service"}
	}
	return nil
}

// address checks the address that a connection to host is about to be made to.
func (g *guard) address(host string, addr netip.Addr) error {
	host = hostName(host)
	addr = bare(addr)
	target := host
	if host != addr.String() {
		target = host + " (" + addr.String() + ")"
	}
	switch {
	case g.deny.match(host, addr):
		return &RefusedError{target, "is listed in EGRESS_DENY"}
	case g.allow.match(host, addr):
		return nil
	case g.allowOnly:
		return &RefusedError{target, "is not listed in EGRESS_ALLOW"}
	case slices.ContainsFunc(linkLocal, func(p netip.Prefix) bool { return p.Contains(addr) }):
		return &RefusedError{target, "is a link-local or metadata address"}
	}
	return nil
}

var nat64 = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052

// bare takes off the ways of writing an IPv4 address as an IPv6 one, and the
// zone.
func bare(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if nat64.Contains(addr) {
		b := addr.As16()
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return addr
}

// ambiguous tells of hosts such as 2852039166 or 0xa9.0xfe.43518, which some
// resolvers and proxies read as an address.
func ambiguous(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return false
	}
	host = strings.TrimSuffix(host, ".")
	label := strings.ToLower(host[strings.LastIndexByte(host, '.')+1:])
	hex, isHex := strings.CutPrefix(label, "0x")
	if isHex {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}
