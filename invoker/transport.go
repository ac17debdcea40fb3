package invoker

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

const (
	// dialTimeout bounds name resolution and the TCP connection, and once
	// more the TLS handshake, apart from the time of the whole attempt.
	dialTimeout = 10 * time.Second
	// idleTimeout is below the keep-alive of common servers (5 s in Node.js,
	// uvicorn and Apache). A server that closes an idle connection while a
	// request is on its way leaves it unknown whether the request was carried
	// out; a connection that is closed on this side first does not.
	idleTimeout = 4 * time.Second
	// idlePerHost is beyond what is ever in flight to one host at once.
	idlePerHost = 256

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
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	t := newTransport(proxies, &tls.Config{RootCAs: roots}, dialer.DialContext)
	t.ForceAttemptHTTP2 = true
	t.IdleConnTimeout = 90 * time.Second
	return t, nil
}

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// newTransport speaks HTTP/1.1 unless its caller says otherwise. To backends
// it stays so: with one request at a time on a connection it is known whether
// bytes of a request have left, and net/http repeats none by itself, as it
// does in HTTP/2 after some stream errors.
func newTransport(proxies *proxies, tlsConfig *tls.Config, dial dialFunc) *http.Transport {
	tlsConfig.ClientSessionCache = tls.NewLRUClientSessionCache(64)
	return &http.Transport{
		Proxy:                  proxies.choose,
		DialContext:            dial,
		TLSClientConfig:        tlsConfig,
		TLSHandshakeTimeout:    dialTimeout,
		MaxIdleConns:           4 * idlePerHost,
		MaxIdleConnsPerHost:    idlePerHost,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxAnswerHeader,
	}
}

// buildTransports makes the transport for backends, and one more for each
// host that is shown a client certificate: the certificate belongs to a
// host, and a TLS configuration does not know for which host it is used.
// Port's API has its own where certificates are not checked: it is sent the
// agent's token.
func (i *Invoker) buildTransports() error {
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
	i.dialer = &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	configs := make(map[string]*tls.Config)
	for host, files := range certificates {
		configs[host] = &tls.Config{RootCAs: roots, InsecureSkipVerify: !i.cfg.VerifySSL, GetClientCertificate: files.load}
	}
	if port := i.portName(); port != "" && !i.cfg.VerifySSL {
		if configs[port] == nil {
			configs[port] = &tls.Config{RootCAs: roots}
		}
		configs[port].InsecureSkipVerify = false
	}
	i.transport = newTransport(i.proxies, &tls.Config{RootCAs: roots, InsecureSkipVerify: !i.cfg.VerifySSL}, i.dial)
	i.byHost = make(map[string]*http.Transport, len(configs))
	for host, config := range configs {
		i.byHost[host] = newTransport(i.proxies, config, i.dial)
	}
	return nil
}

// portName is the host name of Port's API, or "".
func (i *Invoker) portName() string {
	u, err := url.Parse(i.deps.PortAPI)
	if err != nil {
		return ""
	}
	return hostName(u.Hostname())
}

// hostName gives a host in one spelling.
func hostName(host string) string { return strings.ToLower(strings.TrimSuffix(host, ".")) }

func (i *Invoker) transportFor(host string) *http.Transport {
	if t, ok := i.byHost[hostName(host)]; ok {
		return t
	}
	return i.transport
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
			return i.guard.address(host, target.Addr())
		}
	}
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &meteredConn{Conn: conn}, nil
}
