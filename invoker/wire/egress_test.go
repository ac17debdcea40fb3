package wire

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"port-agent/invoker/wire/wiretest"
)

// resolver answers from a table of host names, over DNS on 127.0.0.1.
func resolver(t *testing.T, hosts map[string]string) *net.Resolver {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 512)
		for {
			n, from, err := server.ReadFrom(buf)
			if err != nil {
				return
			}
			if answer := answerDNS(buf[:n], hosts); answer != nil {
				_, _ = server.WriteTo(answer, from)
			}
		}
	}()
	t.Cleanup(func() { server.Close(); <-done })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}

func answerDNS(query []byte, hosts map[string]string) []byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	m.Response, m.Authoritative, m.Additionals = true, true, nil
	addr, err := netip.ParseAddr(hosts[strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))])
	header := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 1}
	switch {
	case err != nil:
		m.RCode = dnsmessage.RCodeNameError
	case addr.Is4() && q.Type == dnsmessage.TypeA:
		m.Answers = []dnsmessage.Resource{{Header: header, Body: &dnsmessage.AResource{A: addr.As4()}}}
	case addr.Is6() && q.Type == dnsmessage.TypeAAAA:
		m.Answers = []dnsmessage.Resource{{Header: header, Body: &dnsmessage.AAAAResource{AAAA: addr.As16()}}}
	}
	answer, err := m.Pack()
	if err != nil {
		return nil
	}
	return answer
}

func TestEgress(t *testing.T) {
	t.Parallel()
	s := wiretest.New(t, func(w http.ResponseWriter, r *http.Request) {
		if to := r.URL.Query().Get("to"); to != "" {
			http.Redirect(w, r, to, http.StatusFound)
		}
	})
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	hosts := map[string]string{
		"backend.test": "127.0.0.1", "evil.test": "169.254.169.254", "evil6.test": "fe80::1", "ec2.test": "fd00:ec2::254",
		"mapped.test": "::ffff:169.254.1.1", "nat64.test": "64:ff9b::a9fe:a9fe", "metadata.google.internal": "169.254.169.254",
		"in.corp.test": "127.0.0.1",
	}
	for _, tc := range []struct {
		name, url   string
		allow, deny []string
		want        string // of the refusal; "": reached
	}{
		{name: "a backend", url: "http://backend.test:PORT/"},
		{name: "by address", url: "http://169.254.169.254/latest", want: "169.254.169.254 is a link-local or metadata address"},
		{name: "by address in IPv6", url: "http://[fe80::1%25lo]/", want: "fe80::1%lo (fe80::1) is a link-local or metadata address"},
		{name: "mapped", url: "http://[::ffff:169.254.169.254]/", want: "::ffff:169.254.169.254 (169.254.169.254) is a link-local or metadata address"},
		{name: "by NAT64", url: "http://[64:ff9b::a9fe:a9fe]/", want: "64:ff9b::a9fe:a9fe (169.254.169.254) is a link-local or metadata address"},
		{name: "by name", url: "http://metadata.google.internal/", want: "metadata.google.internal (169.254.169.254) is a link-local or metadata address"},
		{name: "by name with a dot", url: "http://Metadata.Google.Internal./", want: "metadata.google.internal (169.254.169.254) is a link-local or metadata address"},
		{name: "by DNS answer", url: "http://evil.test:PORT/", want: "evil.test (169.254.169.254) is a link-local or metadata address"},
		{name: "by DNS answer in IPv6", url: "http://evil6.test:PORT/", want: "evil6.test (fe80::1) is a link-local or metadata address"},
		{name: "the address of EC2", url: "http://ec2.test/", want: "ec2.test (fd00:ec2::254) is a link-local or metadata address"},
		{name: "by DNS answer, mapped", url: "http://mapped.test/", want: "mapped.test (169.254.1.1) is a link-local or metadata address"},
		{name: "by DNS answer, NAT64", url: "http://nat64.test/", want: "nat64.test (169.254.169.254) is a link-local or metadata address"},
		{name: "by redirect", url: "http://backend.test:PORT/?to=http://169.254.169.254/latest", want: "169.254.169.254 is a link-local or metadata address"},
		{name: "by redirect to a name", url: "http://backend.test:PORT/?to=http://evil.test/latest", want: "evil.test (169.254.169.254) is a link-local or metadata address"},
		{name: "denied name", url: "http://in.corp.test:PORT/", deny: []string{"*.corp.test"}, want: "in.corp.test (127.0.0.1) is listed in EGRESS_DENY"},
		{name: "denied network", url: "http://backend.test:PORT/", deny: []string{"127.0.0.0/8"}, want: "backend.test (127.0.0.1) is listed in EGRESS_DENY"},
		{name: "denied address", url: "http://127.0.0.1:PORT/", deny: []string{"127.0.0.1"}, want: "127.0.0.1 is listed in EGRESS_DENY"},
		{name: "denied and allowed", url: "http://in.corp.test:PORT/", allow: []string{"in.corp.test"}, deny: []string{"*.corp.test"}, want: "in.corp.test (127.0.0.1) is listed in EGRESS_DENY"},
		{name: "all but those allowed", url: "http://backend.test:PORT/", allow: []string{"*.corp.test"}, deny: []string{"*"}, want: "backend.test (127.0.0.1) is not listed in EGRESS_ALLOW"},
		{name: "one of those allowed", url: "http://in.corp.test:PORT/", allow: []string{"*.corp.test"}, deny: []string{"*"}},
		{name: "in an allowed network", url: "http://backend.test:PORT/", allow: []string{" 127.0.0.0/8 "}, deny: []string{"*"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			cfg := verified
			cfg.EgressAllow, cfg.EgressDeny = tc.allow, tc.deny
			c := newClient(t, cfg, nil)
			c.dialer.Resolver = resolver(t, hosts)
			_, err := do(t, c, get(t, strings.ReplaceAll(tc.url, "PORT", port)))
			if tc.want == "" {
				if err != nil {
					t.Errorf("got %v, want none", err)
				}
				return
			}
			if !errors.Is(err, errRefused) || !strings.HasSuffix(err.Error(), ": refused by egress policy: "+tc.want) {
				t.Fatalf("got %v, want %s", err, tc.want)
			}
			if e := fault(t, err); !e.Final || e.Sent {
				t.Errorf("got final %t, sent %t, want true, false", e.Final, e.Sent)
			}
		})
	}
}

// What is listed is let through; whether somebody is there is another matter.
func TestEgressAllowed(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		allow, host, address string
		want                 bool
	}{
		{"169.254.169.254", "evil.test", "169.254.169.254", true},
		{"169.254.0.0/16", "evil.test", "169.254.169.254", true},
		{"metadata.google.internal", "metadata.google.internal", "169.254.169.254", true},
		{"*.google.internal", "metadata.google.internal", "::ffff:169.254.169.254", true},
		{"[fe80::1]", "x.test", "fe80::1%eth0", true},
		{"google.internal", "metadata.google.internal", "169.254.169.254", false},
		{"169.254.0.0/24", "evil.test", "169.254.169.254", false},
	} {
		g, err := newGuard([]string{tc.allow}, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = g.check(tc.host, netip.AddrPortFrom(netip.MustParseAddr(tc.address), 80))
		if got := err == nil; got != tc.want {
			t.Errorf("%s at %s with %s: got %v, want allowed %t", tc.host, tc.address, tc.allow, err, tc.want)
		}
	}
}

func TestEgressSettings(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"10.0.0.0/40", "https://x.test", "a b", "*", "a.*.b", "user@host"} {
		cfg := verified
		cfg.EgressAllow = []string{bad}
		if err := cfg.Validate(); err == nil || !strings.HasPrefix(err.Error(), "EGRESS_ALLOW: ") {
			t.Errorf("%s: got %v", bad, err)
		}
	}
}

// The services of every cloud are refused, in whatever form their addresses
// are written.
func TestEgressClouds(t *testing.T) {
	t.Parallel()
	g, err := newGuard(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]bool{
		"169.254.169.254": false, "169.254.170.2": false, "fe80::a9fe:a9fe%eth0": false, // AWS, Azure, Google, OpenStack
		"fd00:ec2::254": false, "fd00:ec2::23": false, "fd20:ce::254": false, "fd00:42::42": false, "fd00:a9fe:a9fe::1": false,
		"100.100.100.200": false, "168.63.129.16": false, "192.0.0.192": false,
		"::ffff:100.100.100.200": false, "::ffff:168.63.129.16": false, "::192.0.0.192": false, "::ffff:0:169.254.1.2": false,
		"64:ff9b::a83f:8110": false, "64:ff9b:1::6464:64c8": false, "2002:a9fe:a9fe::1": false,
		"100.100.100.201": true, "168.63.129.17": true, "10.0.0.1": true, "127.0.0.1": true, "::1": true, "2001:db8::1": true, "fd00:1::1": true,
	} {
		err := g.check("x.test", netip.AddrPortFrom(netip.MustParseAddr(address), 80))
		if got := err == nil; got != want {
			t.Errorf("%s: got %v, want reached %t", address, err, want)
		}
	}
}

// The chart's NetworkPolicy keeps the pod from the same networks.
func TestNetworkPolicyExceptsTheSame(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../charts/port-agent/templates/networkpolicy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var got []netip.Prefix
	for _, m := range regexp.MustCompile(`(?m)^      - (\S+/\d+)$`).FindAllSubmatch(text, -1) {
		got = append(got, netip.MustParsePrefix(string(m[1])))
	}
	if !slices.Equal(slices.SortedFunc(slices.Values(got), netip.Prefix.Compare), slices.SortedFunc(slices.Values(metadata), netip.Prefix.Compare)) {
		t.Errorf("the policy excepts %v, the agent refuses %v", got, metadata)
	}
}

// listener is one that says that it listens at an address.
type listener struct {
	net.Listener
	at string
}

func (l listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(l.at)) }

// A call never leads to the agent's own listeners, whatever is allowed.
func TestEgressOwnListeners(t *testing.T) {
	t.Parallel()
	s := wiretest.New(t, nil)
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	for _, tc := range []struct {
		listener, host string
		want           bool
	}{
		{"0.0.0.0:PORT", "127.0.0.1", false},
		{"0.0.0.0:PORT", "0.0.0.0", false},
		{"0.0.0.0:PORT", "self.test", false},
		{"127.0.0.1:PORT", "[::ffff:127.0.0.1]", false},
		{"[::ffff:127.0.0.1]:PORT", "127.0.0.1", false},
		{"[::]:PORT", "127.0.0.1", false},
		{"127.0.0.2:PORT", "127.0.0.1", true},
		{"[::]:1", "127.0.0.1", true},
		{"", "127.0.0.1", true},
	} {
		cfg := verified
		cfg.EgressAllow = []string{"127.0.0.0/8", "0.0.0.0"}
		own := []net.Listener{nil}
		if tc.listener != "" {
			own = append(own, listener{at: strings.ReplaceAll(tc.listener, "PORT", port)})
		}
		c := newClient(t, cfg, nil, own...)
		c.dialer.Resolver = resolver(t, map[string]string{"self.test": "127.0.0.1"})
		_, err := do(t, c, post(t, "http://"+tc.host+":"+port))
		if got := err == nil; got != tc.want {
			t.Errorf("listener %s, target %s: got %v, want reached %t", tc.listener, tc.host, err, tc.want)
		}
		if err != nil && !strings.Contains(err.Error(), "port "+port+" is the agent's own listener") {
			t.Errorf("got %v", err)
		}
	}
}
