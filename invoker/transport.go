package invoker

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

const (
	// dialTimeout bounds name resolution with the TCP connection, and once
	// more the TLS handshake, apart from the time of the whole attempt.
	dialTimeout = 10 * time.Second
	// idleTimeout is below the keep-alive of common servers (5 s in Node.js,
	// uvicorn and Apache). A server that closes an idle connection while a
	// request is on its way leaves it unknown whether the request was carried
	// out; a connection that is closed on this side first does not.
	idleTimeout = 4 * time.Second
	maxIdle     = 1024 // connections, to all hosts
	// One TLS session is enough for many connections to a host.
	maxSessions     = 64
	maxAnswerHeader = 256 << 10
)

// Transport returns an HTTP transport for calls that are not a backend's, such
// as those to Port's API: with the same certificate authorities, client
// certificates and proxies, but always with the certificate check and without
// egress policy. Env reads one environment variable, like os.LookupEnv. The
// error names the setting or file that is at fault.
func Transport(cfg Config, env func(string) (string, bool)) (*http.Transport, error) {
	proxies, err := readProxies(env)
	if err != nil {
		return nil, err
	}
	roots, err := rootCAs(cfg.CADir, env)
	if err != nil {
		return nil, err
	}
	return &http.Transport{
		Proxy:                  proxies.choose,
		DialContext:            newDialer().DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: roots, ClientSessionCache: tls.NewLRUClientSessionCache(maxSessions)},
		TLSHandshakeTimeout:    dialTimeout,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: maxAnswerHeader,
		ForceAttemptHTTP2:      true,
	}, nil
}

func newDialer() *net.Dialer { return &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second} }

// prepare makes the transports to backends. A TLS configuration does not know
// for which host it is used, so that each kind of host has a transport of its
// own: those that are shown a client certificate, those of TLS_LEGACY_HOSTS,
// and Port's API where certificates are not checked, since it is sent the
// agent's token.
func (i *Invoker) prepare() error {
	var err error
	if i.proxies, err = readProxies(i.deps.Env); err != nil {
		return err
	}
	roots, err := rootCAs(i.cfg.CADir, i.deps.Env)
	if err != nil {
		return err
	}
	certificates, err := clientCertificates(i.cfg.ClientCertDir)
	if err != nil {
		return err
	}
	if i.legacy, err = parseTargets("TLS_LEGACY_HOSTS", i.cfg.TLSLegacyHosts); err != nil {
		return err
	}
	config := func(host string) *tls.Config {
		c := &tls.Config{
			RootCAs: roots, InsecureSkipVerify: !i.cfg.VerifySSL && (host == "" || host != i.portName()), NextProtos: []string{"http/1.1"},
			ClientSessionCache: tls.NewLRUClientSessionCache(maxSessions),
		}
		if pair, ok := certificates[host]; ok {
			c.GetClientCertificate = pair.load
		}
		if i.isLegacy(host) {
			allowLegacy(c)
		}
		return c
	}
	i.dialer = newDialer()
	i.common, i.byHost = i.newTransport(config("")), make(map[string]*http.Transport)
	for host := range certificates {
		i.byHost[host] = i.newTransport(config(host))
	}
	if port := i.portName(); port != "" && !i.cfg.VerifySSL {
		i.byHost[port] = i.newTransport(config(port))
	}
	old := config("")
	allowLegacy(old)
	i.old = i.newTransport(old)
	return nil
}

// newTransport speaks HTTP/1.1 alone: of a request over HTTP/2 it is not known
// what was sent when the connection breaks.
func (i *Invoker) newTransport(config *tls.Config) *http.Transport {
	return &http.Transport{
		Proxy:                  i.proxies.choose,
		DialContext:            i.dial,
		TLSClientConfig:        config,
		TLSNextProto:           map[string]func(string, *tls.Conn) http.RoundTripper{},
		TLSHandshakeTimeout:    dialTimeout,
		IdleConnTimeout:        idleTimeout,
		MaxIdleConns:           maxIdle,
		MaxIdleConnsPerHost:    maxIdle,
		MaxResponseHeaderBytes: maxAnswerHeader,
		ExpectContinueTimeout:  time.Second,
		DisableCompression:     true, // see unpack
		OnProxyConnectResponse: func(_ context.Context, _ *url.URL, _ *http.Request, res *http.Response) error {
			if res.StatusCode == http.StatusOK {
				return nil
			}
			return &net.OpError{Op: "proxyconnect", Net: "tcp", Err: fmt.Errorf("answered %s", res.Status)}
		},
	}
}

// allowLegacy accepts what servers of long ago need and Go leaves out for
// safety: TLS 1.0 and 1.1, key exchange by RSA, weak ciphers, renegotiation,
// and a client hello that fits one packet.
func allowLegacy(c *tls.Config) {
	c.MinVersion = tls.VersionTLS10
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		c.CipherSuites = append(c.CipherSuites, suite.ID)
	}
	c.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}
	c.Renegotiation = tls.RenegotiateFreelyAsClient
}

// transport is the one for a host.
func (i *Invoker) transport(host string) *http.Transport {
	host = hostName(host)
	if t, ok := i.byHost[host]; ok {
		return t
	}
	if i.isLegacy(host) {
		return i.old
	}
	return i.common
}

func (i *Invoker) isLegacy(host string) bool {
	addr, _ := netip.ParseAddr(host)
	return i.legacy.match(host, addr)
}

// dial connects to a backend or to a proxy. The egress policy looks at each
// address after the name was resolved, so that no DNS answer gets around it.
// A proxy is the operator's choice and may be anywhere.
func (i *Invoker) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := *i.dialer
	if host, _, err := net.SplitHostPort(address); err == nil && !i.proxies.is(address) {
		d.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
			target, err := netip.ParseAddrPort(address)
			if err != nil {
				return &RefusedError{host, "has an address that cannot be checked"}
			}
			return i.guard.connection(host, target)
		}
	}
	c, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return newLink(c), nil
}

// portName is the host name of Port's API, or "".
func (i *Invoker) portName() string {
	u, err := url.Parse(i.deps.PortAPI)
	if err != nil {
		return ""
	}
	return hostName(u.Hostname())
}
