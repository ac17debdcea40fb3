package invoker

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"golang.org/x/net/proxy"
)

// connect opens a connection that requests to u can be written to. Via is the
// proxy to go through, nil for none.
func (i *Invoker) connect(ctx context.Context, u, via *url.URL) (net.Conn, error) {
	c, err := i.reach(ctx, u, via)
	if err != nil || u.Scheme != "https" {
		return c, err
	}
	return secure(ctx, c, u.Hostname(), i.tlsFor(u.Hostname()))
}

// reach opens a connection whose other end is the server of u, or a proxy that
// takes requests for it.
func (i *Invoker) reach(ctx context.Context, u, via *url.URL) (net.Conn, error) {
	if via == nil {
		return i.dial(ctx, "tcp", hostPort(u))
	}
	if isSocks(via) {
		return i.socks(ctx, u, via)
	}
	c, err := i.dial(ctx, "tcp", proxyAddress(via))
	if err == nil && via.Scheme == "https" {
		c, err = secure(ctx, c, via.Hostname(), i.tlsFor(via.Hostname()))
	}
	if err == nil && !plainProxy(u, via) {
		err = openTunnel(ctx, c, u, via)
	}
	if err != nil {
		return nil, &net.OpError{Op: "proxyconnect", Net: "tcp", Err: err}
	}
	return c, nil
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
	return d.DialContext(ctx, network, address)
}

// dialContext makes a dial function what golang.org/x/net/proxy wants.
type dialContext func(ctx context.Context, network, address string) (net.Conn, error)

func (d dialContext) Dial(network, address string) (net.Conn, error) {
	return d(context.Background(), network, address)
}

func (d dialContext) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return d(ctx, network, address)
}

// socks connects through a SOCKS5 proxy, which resolves the name of the host.
func (i *Invoker) socks(ctx context.Context, u, via *url.URL) (net.Conn, error) {
	var login *proxy.Auth
	if via.User != nil {
		password, _ := via.User.Password()
		login = &proxy.Auth{User: via.User.Username(), Password: password}
	}
	// What the proxy's own dialer returns hides the socket.
	var socket net.Conn
	dialer, err := proxy.SOCKS5("tcp", proxyAddress(via), login, dialContext(func(ctx context.Context, network, address string) (c net.Conn, err error) {
		socket, err = i.dial(ctx, network, address)
		return socket, err
	}))
	if err != nil {
		return nil, err
	}
	if _, err := dialer.(proxy.ContextDialer).DialContext(ctx, "tcp", hostPort(u)); err != nil {
		return nil, err
	}
	return socket, nil
}

// openTunnel asks a proxy for a connection to the server of u (RFC 9110, section
// 9.3.6). It closes c where it fails.
func openTunnel(ctx context.Context, c net.Conn, u, via *url.URL) error {
	return within(ctx, c, func() error {
		ask := "CONNECT " + hostPort(u) + " HTTP/1.1\r\nHost: " + hostPort(u) + "\r\n"
		if via.User != nil {
			ask += "Proxy-Authorization: " + basic(via) + "\r\n"
		}
		if _, err := io.WriteString(c, ask+"\r\n"); err != nil {
			return err
		}
		// The server of u has been told nothing yet: nothing follows the answer.
		res, err := http.ReadResponse(bufio.NewReader(io.LimitReader(c, maxAnswerHeader)), &http.Request{Method: http.MethodConnect})
		if err == nil && res.StatusCode != http.StatusOK {
			err = fmt.Errorf("answered %s", res.Status)
		}
		return err
	})
}

// secure makes c a TLS connection to a host, and closes it where that fails.
func secure(ctx context.Context, c net.Conn, host string, config *tls.Config) (net.Conn, error) {
	config = config.Clone()
	config.ServerName = host
	s := tls.Client(c, config)
	return s, within(ctx, c, s.Handshake)
}

// within talks to the other end of c until ctx ends or dialTimeout has passed.
// It closes c where that fails.
func within(ctx context.Context, c net.Conn, talk func() error) error {
	_ = c.SetDeadline(time.Now().Add(dialTimeout))
	stop := context.AfterFunc(ctx, expiry(c))
	err := talk()
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		c.Close()
		return err
	}
	return c.SetDeadline(time.Time{})
}

// expiry ends reading from c and writing to it at once.
func expiry(c net.Conn) func() {
	return func() { _ = c.SetDeadline(time.Unix(1, 0)) }
}
