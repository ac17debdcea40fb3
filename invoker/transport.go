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

// prepare reads what the transports to backends are made of.
func (i *Invoker) prepare() (err error) {
	if i.proxy, err = readProxies(i.deps.Env); err != nil {
		return err
	}
	if i.roots, err = rootCAs(i.cfg.CADir, i.deps.Env); err != nil {
		return err
	}
	if i.certificates, err = clientCertificates(i.cfg.ClientCertDir); err != nil {
		return err
	}
	if i.legacy, err = parseTargets("TLS_LEGACY_HOSTS", i.cfg.TLSLegacyHosts); err != nil {
		return err
	}
	i.dialer, i.transports = newDialer(), make(map[way]*http.Transport)
	return nil
}

// way is what the requests over one transport have in common. A TLS
// configuration does not know for which host it is used, so hosts that need
// another one than the rest have a transport of their own.
type way struct {
	host    string // that is shown a client certificate; or Port's, where others are not checked; else ""
	legacy  bool   // one of TLS_LEGACY_HOSTS
	proxied bool
}

// transport gives the one for a host.
func (i *Invoker) transport(host string, proxied bool) *http.Transport {
	host = hostName(host)
	addr, _ := netip.ParseAddr(host)
	w := way{legacy: i.legacy.match(host, addr), proxied: proxied}
	pair, shown := i.certificates[host]
	port := i.portAPI != nil && host == hostName(i.portAPI.Hostname()) // is sent the agent's token
	if shown || port && !i.cfg.VerifySSL {
		w.host = host
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	t, ok := i.transports[w]
	if !ok {
		config := &tls.Config{
			RootCAs: i.roots, InsecureSkipVerify: !i.cfg.VerifySSL && !port, NextProtos: []string{"http/1.1"},
			ClientSessionCache: tls.NewLRUClientSessionCache(maxSessions),
		}
		if shown {
			config.GetClientCertificate = pair.load
		}
		if w.legacy {
			allowLegacy(config)
		}
		t = i.newTransport(config, proxied)
		i.transports[w] = t
	}
	return t
}

// newTransport speaks HTTP/1.1 alone: of a request over HTTP/2 it is not known
// what was sent when the connection breaks. A proxy is the operator's choice
// and may be anywhere.
func (i *Invoker) newTransport(config *tls.Config, proxied bool) *http.Transport {
	t := &http.Transport{
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
	if proxied {
		t.Proxy = i.proxy
		t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			return linked(i.dialer.DialContext(ctx, network, address))
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

// dial connects to a backend. The egress policy looks at each address after the
// name was resolved, so that no DNS answer gets around it.
func (i *Invoker) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := *i.dialer
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	d.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
		target, err := netip.ParseAddrPort(address)
		if err != nil {
			return refused(host, "has an address that cannot be checked")
		}
		return i.guard.check(host, target)
	}
	return linked(d.DialContext(ctx, network, address))
}

func linked(c net.Conn, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	return newLink(c), nil
}
