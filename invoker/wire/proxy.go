package wire

import (
	"cmp"
	"errors"
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
	value := func(name string) string {
		upper, _ := env(name)
		lower, _ := env(strings.ToLower(name))
		return cmp.Or(strings.TrimSpace(upper), strings.TrimSpace(lower))
	}
	proxies := map[string]string{}
	for _, name := range []string{"ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY"} {
		if v := value(name); v != "" {
			u, err := proxyURL(v)
			if err != nil {
				return nil, fmt.Errorf("%s: not a proxy URL: %w", name, err)
			}
			proxies[name] = u.String()
		}
	}
	all := proxies["ALL_PROXY"]
	config := httpproxy.Config{
		HTTPProxy: cmp.Or(proxies["HTTP_PROXY"], all), HTTPSProxy: cmp.Or(proxies["HTTPS_PROXY"], all), NoProxy: value("NO_PROXY"),
	}
	of := config.ProxyFunc()
	return func(r *http.Request) (*url.URL, error) { return of(r.URL) }, nil
}

// proxyURL reads a proxy; without a scheme it is an http one.
func proxyURL(value string) (*url.URL, error) {
	if !strings.Contains(value, "://") {
		value = "http://" + value
	}
	u, err := url.Parse(value)
	switch {
	case err != nil:
		return nil, errors.New(urlFault(err))
	case !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme):
		return nil, errors.New("its scheme is not http, https, socks5 or socks5h")
	case u.Hostname() == "":
		return nil, errors.New("it names no host")
	}
	return u, nil
}
