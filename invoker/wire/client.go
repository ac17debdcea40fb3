// Package wire makes HTTP calls over net/http, and reports for each that fails
// whether the server may have seen a byte of it.
//
// What it promises: one Do is one attempt, which sends its request again only
// where a redirect asks for it; an answer belongs to its request; the egress
// policy holds for every address, whatever the name, proxy or redirect that leads
// to it; an answer takes no more memory and time than its bounds; a client
// certificate is shown to its own host only.
//
// What it is not: it does not retry, sign or judge, and it does not know what a
// call is for. It imports no package of the project. Packages that build
// requests, configure the process or read an *Error import it.
package wire

import (
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
)

const defaultCADir = "/usr/local/share/ca-certificates"

// Config holds the settings of the package. Proxies and certificate files come
// from the usual variables instead: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY
// (upper or lower case), SSL_CERT_FILE, SSL_CERT_DIR and REQUESTS_CA_BUNDLE.
type Config struct {
	// VerifySSL is whether the certificates of servers are checked.
	VerifySSL bool `envconfig:"WEBHOOK_VERIFY_SSL" default:"true"`

	// EgressAllow lists targets that may be reached although they are
	// link-local or metadata addresses; EgressDeny lists targets that may not.
	// Entries are host names, names that begin with "*.", addresses and
	// CIDRs. A denied target stays denied when it is allowed as well, but for
	// the entry "*" of EgressDeny: it denies whatever EgressAllow does not list.
	EgressAllow []string `envconfig:"EGRESS_ALLOW"`
	EgressDeny  []string `envconfig:"EGRESS_DENY"`

	// CADir holds further certificate authorities to trust, one or more in
	// each *.crt and *.pem file.
	CADir string `envconfig:"CA_CERTIFICATES_DIR" default:"/usr/local/share/ca-certificates"`
	// ClientCertDir holds the client certificates to show, by the host they
	// are for: HOST.crt and HOST.key, or the folder HOST with tls.crt and
	// tls.key in it. They are read again at each handshake, so that a renewed
	// certificate needs no restart.
	ClientCertDir string `envconfig:"CLIENT_CERTIFICATES_DIR"`
	// TLSLegacyHosts lists servers, by name, "*."-name or address, that are
	// spoken to with what is no longer safe: TLS 1.0 and 1.1, RSA key
	// exchange, weak ciphers and renegotiation.
	TLSLegacyHosts []string `envconfig:"TLS_LEGACY_HOSTS"`
}

// Validate names every setting that cannot be used.
func (c Config) Validate() error {
	_, egress := newGuard(c.EgressAllow, c.EgressDeny)
	_, legacy := parseTargets("TLS_LEGACY_HOSTS", c.TLSLegacyHosts)
	return errors.Join(egress, legacy)
}

// Client makes calls. Its methods may be called from many goroutines at once.
type Client struct {
	verify       bool
	guard        *guard
	proxy        func(*http.Request) (*url.URL, error)
	roots        *x509.CertPool
	certificates map[string]keyPair // for clients, by host
	legacy       targets
	dialer       *net.Dialer

	mu         sync.Mutex
	transports map[way]*http.Transport
}

// New returns a Client. It makes no call. Env reads one environment variable, like
// os.LookupEnv. Listeners are where the process itself listens, over TCP or nil:
// no call gets there, whatever the settings say. The error names the setting or
// the file that is at fault.
func New(cfg Config, env func(string) (string, bool), listeners ...net.Listener) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := &Client{verify: cfg.VerifySSL, dialer: newDialer(), transports: make(map[way]*http.Transport)}
	c.guard, _ = newGuard(cfg.EgressAllow, cfg.EgressDeny) // as Validate has done
	for _, l := range listeners {
		if l != nil {
			own := l.Addr().(*net.TCPAddr).AddrPort()
			c.guard.own = append(c.guard.own, netip.AddrPortFrom(bare(own.Addr()), own.Port()))
		}
	}
	c.legacy, _ = parseTargets("TLS_LEGACY_HOSTS", cfg.TLSLegacyHosts)
	var err error
	if c.proxy, err = readProxies(env); err != nil {
		return nil, err
	}
	if c.roots, err = rootCAs(cfg.CADir, env); err != nil {
		return nil, err
	}
	if c.certificates, err = clientCertificates(cfg.ClientCertDir); err != nil {
		return nil, err
	}
	return c, nil
}

// Close closes idle connections. Calls under way are not touched; their
// connections are closed a few seconds after they end.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.transports {
		t.CloseIdleConnections()
	}
}
