package transform

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"port-agent/transform/jq"
)

// badConstant reports a constant of an expression that cannot work. In a report it
// is a warning: a report that fails changes nothing.
func (p *parser) badConstant(n *node, fault jq.Fault) {
	p.find(fault, n.place, strings.HasPrefix(n.field, "report."))
}

// eachLiteral calls f with each constant text that an expression of t may return. A
// message of f says why it cannot work.
func (p *parser) eachLiteral(t *node, hint string, f func(n *node, l jq.Literal) (message string)) {
	t.each(func(n *node, e *jq.Expr) {
		for _, l := range e.Literals {
			if message := f(n, l); message != "" {
				p.badConstant(n, jq.Fault{Message: message, Hint: hint, Start: l.Start, End: l.End})
			}
		}
	})
}

// oneOf makes the check of a field that takes only some texts.
func oneOf(allowed ...string) func(*parser, *node) {
	return func(p *parser, t *node) {
		p.eachLiteral(t, "", func(_ *node, l jq.Literal) string {
			if l.Open || slices.Contains(allowed, strings.ToUpper(strings.TrimSpace(l.Text))) {
				return ""
			}
			return fmt.Sprintf("%.40q is not one of %s", l.Text, strings.Join(allowed, ", "))
		})
	}
}

// web checks URLs.
func (p *parser) web(t *node) {
	p.eachLiteral(t, `write it like "https://host/path"`, func(n *node, l jq.Literal) string {
		u, err := url.Parse(l.Text)
		switch {
		case l.Open && !webURL(l.Text):
			return fmt.Sprintf("a URL that begins with %.60q is not an http(s) URL", l.Text)
		case l.Open || l.Text == "" && !strings.HasSuffix(n.field, "url"): // no link
		case strings.Contains(l.Text, "{{"): // refused at run time, with a better reason
		case err != nil || u.Host == "" || !webURL(l.Text):
			return fmt.Sprintf("%.60q is not an http(s) URL", l.Text)
		}
		return ""
	})
}

// webURL reports whether s begins like an http(s) URL, as far as it goes.
func webURL(s string) bool {
	s = strings.ToLower(s)
	for _, scheme := range []string{"http://", "https://"} {
		if n := min(len(s), len(scheme)); s[:n] == scheme[:n] {
			return true
		}
	}
	return false
}

// sendable checks the names and values of headers.
func (p *parser) sendable(t *node) {
	for _, n := range t.items() {
		if !httpguts.ValidHeaderFieldName(n.key) {
			p.fail(place{field: t.field, at: n.keyAt}, fmt.Sprintf("%.60q is not a header name", n.key), "letters, digits and dashes")
		}
	}
	p.eachLiteral(t, "line ends and control characters cannot be sent", func(_ *node, l jq.Literal) string {
		if httpguts.ValidHeaderFieldValue(l.Text) {
			return ""
		}
		return "a header cannot hold this text"
	})
}

var userInput = regexp.MustCompile(`^\s*\.payload\.properties(?:\.\w+|\.?"[^"]+"|\.?\[\s*"[^"]+"\s*\])+\s*(?:\|\s*(?:fromjson|tojson|tostring|\.)\s*|//[^|]*)*$`)

// ownBody warns about a body that is a user's alone: what is sent is signed.
func (p *parser) ownBody(t *node) {
	if userInput.MatchString(t.text()) {
		p.warn(t.place, "the whole body is a single user input: the user who runs the action writes what the agent signs",
			`put it into an object, such as {"input": …}`)
	}
}

var readsResponse = regexp.MustCompile(`\.\s*"?response\b`)

// afterRestart warns about what is gone when the agent has started again.
func (p *parser) afterRestart(t *node) {
	t.each(func(n *node, e *jq.Expr) {
		if readsResponse.MatchString(e.Text) {
			p.warn(n.place, ".response is gone after a restart of the agent: it is null in the polls after that", "read it in url, or take it from .body or env")
		}
	})
}
