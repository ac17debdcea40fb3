package invoker

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/url"
	"testing"
	"testing/synctest"
	"time"
)

// Whoever takes a connection and then says nothing is waited for no longer
// than dialTimeout, also where the attempt itself has more time.
func TestConnectTimeout(t *testing.T) {
	t.Parallel()
	u, via := &url.URL{Scheme: "https", Host: "backend.test"}, &url.URL{Scheme: "http", Host: "proxy.test:3128"}
	for name, talk := range map[string]func(context.Context, net.Conn) error{
		"TLS": func(ctx context.Context, c net.Conn) error {
			_, err := secure(ctx, c, "backend.test", new(tls.Config))
			return err
		},
		"proxy": func(ctx context.Context, c net.Conn) error { return openTunnel(ctx, c, u, via) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				closed := make(chan struct{})
				go func() {
					_, _ = io.Copy(io.Discard, server)
					close(closed)
				}()
				start := time.Now()
				err := talk(t.Context(), client)
				if got := time.Since(start); got != dialTimeout {
					t.Errorf("gave up after %v, want %v", got, dialTimeout)
				}
				if got, want := plain(err), "connecting timed out after 10s"; got != want {
					t.Errorf("got %s, want %s", got, want)
				}
				<-closed
			})
		})
	}
}
