package explanation

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"port-agent/agent"
)

const redacted = "[redacted]"

// concealer takes secrets out of what explain shows: those that the agent
// knows, and what stands where secrets usually stand. The zero value shows all.
type concealer struct{ redactor *agent.Redactor }

// newConcealer makes the concealer of an explanation; secrets are those of the
// settings.
func newConcealer(showAll bool, secrets []string, x *agent.Explanation) concealer {
	if showAll {
		return concealer{}
	}
	c := concealer{agent.NewRedactor(append(secrets, x.Secrets...)...)}
	for name, value := range x.Draft.Headers {
		if secretHeader(name) {
			_, credentials, _ := strings.Cut(value, " ") // behind Bearer, Basic and the like
			c.redactor.Add(value)
			c.redactor.Add(credentials)
		}
	}
	if x.Request == nil {
		return c
	}
	// The request counts all of its query as secret, for logs. Here what gives
	// no hint of being one is shown.
	plain := plainQuery(x.Request.URL)
	for _, secret := range x.Request.Secrets() {
		if !slices.Contains(plain, secret) {
			c.redactor.Add(secret)
		}
	}
	return c
}

func plainQuery(raw string) (values []string) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil
	}
	for name, v := range u.Query() {
		if !secretParameter(name) {
			values = append(values, v...)
		}
	}
	return values
}

var (
	userInfo  = regexp.MustCompile(`://[^/?#\s@"]*@`)
	parameter = regexp.MustCompile(`([?&][^=&#\s"]+=)[^&#\s"]+`)
)

// text conceals secrets in a text, and in the URLs in it.
func (c concealer) text(s string) string {
	if c.redactor == nil {
		return s
	}
	s = userInfo.ReplaceAllString(c.redactor.String(s), "://"+redacted+"@")
	return parameter.ReplaceAllStringFunc(s, func(p string) string {
		name, _, _ := strings.Cut(p[1:], "=")
		if !secretParameter(name) {
			return p
		}
		return p[:1] + name + "=" + redacted
	})
}

func (c concealer) headers(h map[string]string) map[string]string {
	out := make(map[string]string, len(h))
	for name, value := range h {
		if out[name] = c.text(value); c.redactor != nil && secretHeader(name) {
			out[name] = redacted
		}
	}
	return out
}

func (c concealer) query(q map[string][]string) map[string][]string {
	out := make(map[string][]string, len(q))
	for name, values := range q {
		out[name] = make([]string, len(values))
		for i, v := range values {
			if out[name][i] = c.text(v); c.redactor != nil && secretParameter(name) {
				out[name][i] = redacted
			}
		}
	}
	return out
}

// value conceals secrets in a JSON value.
func (c concealer) value(v any) any {
	if c.redactor == nil {
		return v
	}
	return c.walk(c.redactor.Value(v), false)
}

// walk conceals texts that stand under the name of a secret.
func (c concealer) walk(v any, secret bool) any {
	switch v := v.(type) {
	case string:
		if secret && v != "" && v != agent.NotDecrypted {
			return redacted
		}
		return c.text(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = c.walk(v[i], secret)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, x := range v {
			out[name] = c.walk(x, secretField(name))
		}
		return out
	}
	return v
}

// secretHeader, secretParameter and secretField guess by a name that its value
// is a secret. In bodies, where "key" and "code" are everyday names, it takes
// more than in headers and in queries.
func secretHeader(name string) bool {
	return containsAny(name, "auth", "token", "key", "secret", "password", "cookie", "credential")
}

func secretParameter(name string) bool {
	return secretHeader(name) || slices.Contains([]string{"sig", "signature", "code", "pwd", "pass", "pat"}, strings.ToLower(name))
}

func secretField(name string) bool {
	return containsAny(name, "authorization", "password", "passwd", "secret", "token", "credential",
		"apikey", "api_key", "api-key", "privatekey", "private_key", "private-key")
}

func containsAny(name string, words ...string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(name, w) })
}
