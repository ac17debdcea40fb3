package wire

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

// Transport returns an HTTP transport for calls to servers that the operator has
// configured: it has the certificate authorities and proxies of a Client, always
// checks certificates, and has no egress policy. Env reads one environment
// variable, like os.LookupEnv. The error names the setting or file at fault.
func Transport(cfg Config, env func(string) (string, bool)) (*http.Transport, error) {
	proxy, err := readProxies(env)
	if err != nil {
		return nil, err
	}
	roots, err := rootCAs(cfg.CADir, env)
	if err != nil {
		return nil, err
	}
	return &http.Transport{
		Proxy:                  proxy,
		DialContext:            newDialer().DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: roots, ClientSessionCache: tls.NewLRUClientSessionCache(maxSessions)},
		TLSHandshakeTimeout:    dialTimeout,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: maxAnswerHeader,
		ForceAttemptHTTP2:      true,
	}, nil
}

func newDialer() *net.Dialer { return &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second} }

// way is what the calls over one transport have in common. A TLS configuration
// does not know for which host it is used, so hosts that need another one than
// the rest have a transport of their own.
type way struct {
	host       string // that is shown a client certificate, else ""
	legacy     bool   // one of TLS_LEGACY_HOSTS
	unverified bool   // the certificate of the server is not checked
	proxied    bool
}

// transport returns the transport for a call.
func (c *Client) transport(call *Call, proxied bool) *http.Transport {
	host := HostName(call.URL.Hostname())
	addr, _ := netip.ParseAddr(host)
	w := way{legacy: c.legacy.match(host, addr), unverified: !c.verify && !call.Verify, proxied: proxied}
	pair, shown := c.certificates[host]
	if shown {
		w.host = host
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t, ok := c.transports[w]
	if !ok {
		config := &tls.Config{
			RootCAs: c.roots, InsecureSkipVerify: w.unverified, NextProtos: []string{"http/1.1"},
			ClientSessionCache: tls.NewLRUClientSessionCache(maxSessions),
		}
		if shown {
			config.GetClientCertificate = pair.load
		}
		if w.legacy {
			allowLegacy(config)
		}
		t = c.newTransport(config, proxied)
		c.transports[w] = t
	}
	return t
}

// newTransport speaks HTTP/1.1 alone: of a request over HTTP/2 it is not known
// what was sent when the connection breaks. A proxy is the operator's choice
// and may be anywhere.
func (c *Client) newTransport(config *tls.Config, proxied bool) *http.Transport {
	t := &http.Transport{
		DialContext:            c.dial,
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
	if proxied {
		t.Proxy = c.proxy
		t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			return linked(c.dialer.DialContext(ctx, network, address))
		}
	}
	return t
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

// dial connects to a server. The egress policy looks at each address after the
// name was resolved, so that no DNS answer gets around it.
func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := *c.dialer
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	d.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
		target, err := netip.ParseAddrPort(address)
		if err != nil {
			return refused(host, "has an address that cannot be checked")
		}
		return c.guard.check(host, target)
	}
	return linked(d.DialContext(ctx, network, address))
}

func linked(c net.Conn, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	return newLink(c), nil
}
