package wire

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// errRefused is below every error about a target that the agent must not reach.
var errRefused = errors.New("refused by egress policy")

func refused(target, reason string) error {
	return &worded{fmt.Sprintf("%v: %s %s", errRefused, target, reason), errRefused}
}

// guard decides which targets may be reached. The zero value refuses
// link-local and metadata addresses and nothing else.
type guard struct {
	allow, deny targets
	allowOnly   bool             // EGRESS_DENY holds "*": only what allow lists may be reached
	own         []netip.AddrPort // the agent's listeners; unspecified: on every address of this machine
}

// targets is a list of names and networks.
type targets struct {
	names    []string // lower case; with a leading dot for every name below it
	networks []netip.Prefix
}

func newGuard(allow, deny []string) (*guard, error) {
	g := new(guard)
	deny = slices.DeleteFunc(slices.Clone(deny), func(e string) bool {
		all := strings.TrimSpace(e) == "*"
		g.allowOnly = g.allowOnly || all
		return all
	})
	var badAllow, badDeny error
	g.allow, badAllow = parseTargets("EGRESS_ALLOW", allow)
	g.deny, badDeny = parseTargets("EGRESS_DENY", deny)
	return g, errors.Join(badAllow, badDeny)
}

// parseTargets reads a setting that lists hosts, "*."-names, addresses and
// CIDRs.
func parseTargets(setting string, entries []string) (t targets, err error) {
	for _, e := range entries {
		e = strings.ToLower(strings.TrimSuffix(strings.TrimSpace(e), "."))
		prefix, notPrefix := netip.ParsePrefix(e)
		addr, notAddr := netip.ParseAddr(strings.Trim(e, "[]"))
		switch {
		case e == "":
		case notPrefix == nil:
			t.networks = append(t.networks, prefix.Masked())
		case notAddr == nil:
			t.networks = append(t.networks, netip.PrefixFrom(bare(addr), bare(addr).BitLen()))
		case strings.ContainsAny(strings.TrimPrefix(e, "*."), "/:*@ "):
			return t, fmt.Errorf("%s: %q is not a host, an address or a CIDR", setting, e)
		default:
			t.names = append(t.names, strings.TrimPrefix(e, "*"))
		}
	}
	return t, nil
}

// match reports whether the list names the host or holds the address, which may
// be the zero Addr where it is not known.
func (t targets) match(host string, addr netip.Addr) bool {
	for _, n := range t.names {
		if host == n || strings.HasPrefix(n, ".") && strings.HasSuffix(host, n) {
			return true
		}
	}
	return addr.IsValid() && slices.ContainsFunc(t.networks, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// metadataNames are names under which clouds serve credentials. Only a proxy
// needs them, which resolves names out of sight of the check at dial time.
var metadataNames = []string{
	"metadata.google.internal", "metadata.goog", "instance-data.ec2.internal", "metadata.tencentyun.com", "metadata.azure.internal",
	"metadata", "instance-data",
}

// metadata lists addresses that belong to the machine the agent runs on and to
// its cloud: credentials, and the agents that manage the host.
var metadata = []netip.Prefix{
	netip.MustParsePrefix("169.254.0.0/16"), // link-local: AWS, Azure, Google, Oracle, Tencent, OpenStack, DigitalOcean, Hetzner and others
	netip.MustParsePrefix("fe80::/10"),
	netip.MustParsePrefix("fd00:ec2::/32"),         // AWS: ::254 metadata, ::23 EKS Pod Identity, ::253 DNS
	netip.MustParsePrefix("fd20:ce::254/128"),      // Google
	netip.MustParsePrefix("fd00:42::42/128"),       // Scaleway
	netip.MustParsePrefix("fd00:a9fe:a9fe::1/128"), // Akamai (Linode)
	netip.MustParsePrefix("100.100.100.200/32"),    // Alibaba
	netip.MustParsePrefix("168.63.129.16/32"),      // Azure's wire server
	netip.MustParsePrefix("192.0.0.192/32"),        // Oracle Classic
}

// check refuses a host, and the address and port that a connection to it is
// about to be made to. The address is the zero Addr where a proxy resolves the
// name and connects.
func (g *guard) check(host string, to netip.AddrPort) error {
	host = HostName(host)
	addr := bare(to.Addr())
	target := host
	if addr.IsValid() && host != addr.String() {
		target = host + " (" + addr.String() + ")"
	}
	switch {
	case g.isOwn(addr, to.Port()):
		return refused(target, fmt.Sprintf("port %d is the agent's own listener", to.Port()))
	case g.deny.match(host, addr):
		return refused(target, "is listed in EGRESS_DENY")
	case g.allow.match(host, addr):
		return nil
	case g.allowOnly:
		return refused(target, "is not listed in EGRESS_ALLOW")
	case slices.ContainsFunc(metadata, func(p netip.Prefix) bool { return p.Contains(addr) }):
		return refused(target, "is a link-local or metadata address")
	case !addr.IsValid() && slices.Contains(metadataNames, host):
		return refused(target, "is a metadata service")
	}
	return nil
}

// isOwn reports whether the agent itself listens there.
func (g *guard) isOwn(addr netip.Addr, port uint16) bool {
	return slices.ContainsFunc(g.own, func(own netip.AddrPort) bool {
		return own.Port() == port && (own.Addr() == addr || own.Addr().IsUnspecified() && isLocal(addr) || addr.IsUnspecified())
	})
}

// isLocal reports whether addr is one of this machine's.
func isLocal(addr netip.Addr) bool {
	if addr.IsLoopback() || addr.IsUnspecified() {
		return true
	}
	all, _ := net.InterfaceAddrs()
	return slices.ContainsFunc(all, func(a net.Addr) bool {
		local, err := netip.ParsePrefix(a.String())
		return err == nil && bare(local.Addr()) == addr
	})
}

// embedded lists the IPv6 networks whose addresses hold an IPv4 one, and at
// which byte: IPv4-compatible (RFC 4291), IPv4-translated (RFC 2765), NAT64
// (RFC 6052, RFC 8215) and 6to4 (RFC 3056).
var embedded = map[netip.Prefix]int{
	netip.MustParsePrefix("::/96"):           12,
	netip.MustParsePrefix("::ffff:0:0:0/96"): 12,
	netip.MustParsePrefix("64:ff9b::/96"):    12,
	netip.MustParsePrefix("64:ff9b:1::/48"):  12,
	netip.MustParsePrefix("2002::/16"):       2,
}

// bare takes off the ways of writing an IPv4 address as an IPv6 one, and the
// zone.
func bare(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if !addr.Is6() || addr.IsLoopback() || addr.IsUnspecified() {
		return addr
	}
	for network, at := range embedded {
		if network.Contains(addr) {
			b := addr.As16()
			return netip.AddrFrom4([4]byte(b[at : at+4]))
		}
	}
	return addr
}
