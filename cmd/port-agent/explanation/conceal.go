package explanation

import (
	"fmt"
	"regexp"
	"strings"

	"port-agent/agent"
	"port-agent/agent/event"
	"port-agent/agent/redact"
	"port-agent/invoker"
)

const redacted = "[redacted]"

// concealer removes secrets from what explain shows: those that the agent knows, and
// values under names that are usual for secrets. The zero value shows everything.
type concealer struct{ redactor *redact.Redactor }

// newConcealer makes the concealer of an explanation; secrets are those of the
// settings.
func newConcealer(showAll bool, secrets []string, x *agent.Explanation) concealer {
	if showAll {
		return concealer{}
	}
	secrets = append(secrets, x.Secrets...)
	for name, value := range x.Draft.Headers {
		if invoker.NamesSecret(name) {
			_, credentials, _ := strings.Cut(value, " ") // behind Bearer, Basic and the like
			secrets = append(secrets, value, credentials)
		}
	}
	if x.Request != nil {
		secrets = append(secrets, x.Request.Secrets()...)
	}
	return concealer{redact.New(secrets...)}
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
		if !invoker.NamesSecret(name) {
			return p
		}
		return p[:1] + name + "=" + redacted
	})
}

// named conceals the values of a header or a query parameter. An empty name stands
// for texts without one.
func (c concealer) named(name string, values ...string) []string {
	out := make([]string, len(values))
	for i, v := range values {
		if out[i] = c.text(v); c.redactor != nil && invoker.NamesSecret(name) {
			out[i] = redacted
		}
	}
	return out
}

func (c concealer) headers(h map[string]string) map[string]string {
	out := make(map[string]string, len(h))
	for name, value := range h {
		out[name] = c.named(name, value)[0]
	}
	return out
}

func (c concealer) query(q map[string][]string) map[string][]string {
	out := make(map[string][]string, len(q))
	for name, values := range q {
		out[name] = c.named(name, values...)
	}
	return out
}

// value conceals secrets in a JSON value.
func (c concealer) value(v any) any { return c.walk(v, false) }

// walk conceals secrets in v; secret says that v is under the name of one.
func (c concealer) walk(v any, secret bool) any {
	if c.redactor == nil {
		return v
	}
	switch v := v.(type) {
	case string:
		if secret && v != "" && v != event.NotDecrypted {
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
			out[c.redactor.String(name)] = c.walk(x, secretField(name))
		}
		return out
	case nil, bool:
		return v
	}
	if number := fmt.Sprint(v); len(number) > 5 && c.redactor.String(number) != number {
		return redacted
	}
	return v
}

// secretField guesses by the name of a field of a body, where "key" is too common to
// mean a secret.
func secretField(name string) bool {
	return invoker.NamesSecret(name) && !strings.EqualFold(name, "key")
}
