package wire

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/http/httpproxy"
)

// readProxies reads HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, in upper or
// lower case. It returns what chooses the proxy of a request, nil for none. An
// error names the variable and not its value, which may hold a password.
func readProxies(env func(string) (string, bool)) (func(*http.Request) (*url.URL, error), error) {
	read := func(name string) (string, error) {
		value := firstOf(env, name, strings.ToLower(name))
		if value == "" {
			return "", nil
		}
		u, err := proxyURL(value)
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		return u.String(), nil
	}
	all, err := read("ALL_PROXY")
	if err != nil {
		return nil, err
	}
	plain, err := read("HTTP_PROXY")
	if err != nil {
		return nil, err
	}
	secure, err := read("HTTPS_PROXY")
	if err != nil {
		return nil, err
	}
	config := httpproxy.Config{NoProxy: firstOf(env, "NO_PROXY", "no_proxy"), HTTPProxy: cmp.Or(plain, all), HTTPSProxy: cmp.Or(secure, all)}
	of := config.ProxyFunc()
	return func(r *http.Request) (*url.URL, error) { return of(r.URL) }, nil
}

func firstOf(env func(string) (string, bool), names ...string) string {
	for _, n := range names {
		if v, _ := env(n); strings.TrimSpace(v) != "" {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// proxyURL reads a proxy; without a scheme it is an http one.
func proxyURL(value string) (*url.URL, error) {
	if !strings.Contains(value, "://") {
		value = "http://" + value
	}
	u, err := url.Parse(value)
	if err != nil {
		return nil, fmt.Errorf("not a proxy URL: %s", urlFault(err))
	}
	if !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) {
		return nil, fmt.Errorf("not a proxy URL: its scheme is not http, https, socks5 or socks5h")
	}
	if u.Hostname() == "" {
		return nil, fmt.Errorf("not a proxy URL: it names no host")
	}
	return u, nil
}
