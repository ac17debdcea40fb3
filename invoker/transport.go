package invoker

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// dialTimeout bounds name resolution and the TCP connection, and once
	// more what a proxy and the TLS handshake take each, apart from the time
	// of the whole attempt.
	dialTimeout = 10 * time.Second
	// One TLS session is enough for many connections to a host.
	maxSessions = 64
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

// prepare reads what connections to backends need: proxies, authorities and,
// for each host that is shown a client certificate, a TLS configuration of
// its own, since none knows for which host it is used. Port's API has its own
// where certificates are not checked: it is sent the agent's token.
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
	config := func(verify bool) *tls.Config {
		return &tls.Config{
			RootCAs: roots, InsecureSkipVerify: !verify, NextProtos: []string{"http/1.1"},
			ClientSessionCache: tls.NewLRUClientSessionCache(maxSessions),
		}
	}
	i.tls = config(i.cfg.VerifySSL)
	i.tlsByHost = make(map[string]*tls.Config, len(certificates)+1)
	for host, files := range certificates {
		i.tlsByHost[host] = config(i.cfg.VerifySSL)
		i.tlsByHost[host].GetClientCertificate = files.load
	}
	if port := i.portName(); port != "" && !i.cfg.VerifySSL {
		if i.tlsByHost[port] == nil {
			i.tlsByHost[port] = config(true)
		}
		i.tlsByHost[port].InsecureSkipVerify = false
	}
	i.dialer = newDialer()
	i.pool = newPool(i.connect)
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

func (i *Invoker) tlsFor(host string) *tls.Config {
	if config, ok := i.tlsByHost[hostName(host)]; ok {
		return config
	}
	return i.tls
}
