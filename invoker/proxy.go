package invoker

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/http/httpproxy"
)

// proxies is what HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY say.
type proxies struct {
	of        func(*url.URL) (*url.URL, error)
	addresses []string // host:port of each proxy
}

// readProxies reads the variables in upper or lower case. An error names the
// variable and not its value, which may hold a password.
func readProxies(env func(string) (string, bool)) (*proxies, error) {
	p := new(proxies)
	read := func(name string) (string, error) {
		value := firstOf(env, name, strings.ToLower(name))
		if value == "" {
			return "", nil
		}
		u, err := proxyURL(value)
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		p.addresses = append(p.addresses, proxyAddress(u))
		return u.String(), nil
	}
	var all string
	config := httpproxy.Config{NoProxy: firstOf(env, "NO_PROXY", "no_proxy")}
	for _, v := range []struct {
		name string
		to   *string
	}{{"ALL_PROXY", &all}, {"HTTP_PROXY", &config.HTTPProxy}, {"HTTPS_PROXY", &config.HTTPSProxy}} {
		var err error
		if *v.to, err = read(v.name); err != nil {
			return nil, err
		}
	}
	config.HTTPProxy, config.HTTPSProxy = cmp.Or(config.HTTPProxy, all), cmp.Or(config.HTTPSProxy, all)
	p.of = config.ProxyFunc()
	return p, nil
}

func firstOf(env func(string) (string, bool), names ...string) string {
	for _, n := range names {
		if v, _ := env(n); strings.TrimSpace(v) != "" {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

var proxyPorts = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}

// proxyURL reads a proxy; without a scheme it is an http one.
func proxyURL(value string) (*url.URL, error) {
	if !strings.Contains(value, "://") {
		value = "http://" + value
	}
	u, err := url.Parse(value)
	if err != nil {
		return nil, fmt.Errorf("not a proxy URL: %s", urlFault(err))
	}
	if _, ok := proxyPorts[u.Scheme]; !ok {
		return nil, fmt.Errorf("not a proxy URL: its scheme is not http, https, socks5 or socks5h")
	}
	if u.Hostname() == "" {
		return nil, fmt.Errorf("not a proxy URL: it names no host")
	}
	return u, nil
}

// proxyAddress is the address to dial for a proxy.
func proxyAddress(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	return u.Host + ":" + proxyPorts[u.Scheme]
}

func (p *proxies) choose(r *http.Request) (*url.URL, error) { return p.of(r.URL) }

// is reports whether address is that of a proxy.
func (p *proxies) is(address string) bool { return slices.Contains(p.addresses, address) }
