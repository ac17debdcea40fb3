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

// badConstant reports a constant of e that cannot work. In a report it is a warning:
// a report that fails changes nothing.
func (p *parser) badConstant(e *expr, fault jq.Fault) {
	p.find(Finding{Message: fault.Message, Hint: fault.Hint, Start: fault.Start, End: fault.End,
		Warning: strings.HasPrefix(e.field, "report.")}, e.place)
}

// badLiteral is badConstant for a text that e may give.
func (p *parser) badLiteral(e *expr, l jq.Literal, message, hint string) {
	p.badConstant(e, jq.Fault{Message: message, Hint: hint, Start: l.Start, End: l.End})
}

// oneOf makes the check of a field that takes only some texts.
func oneOf(allowed ...string) func(*parser, *node) {
	return func(p *parser, t *node) {
		t.each(func(e *expr) {
			for _, s := range e.Literals {
				if !s.Open && !slices.Contains(allowed, strings.ToUpper(strings.TrimSpace(s.Text))) {
					p.badLiteral(e, s, fmt.Sprintf("%.40q is not one of %s", s.Text, strings.Join(allowed, ", ")), "")
				}
			}
		})
	}
}

// web checks URLs.
func (p *parser) web(t *node) {
	const hint = `write it like "https://host/path"`
	t.each(func(e *expr) {
		for _, s := range e.Literals {
			u, err := url.Parse(s.Text)
			switch {
			case s.Open && !webURL(s.Text):
				p.badLiteral(e, s, fmt.Sprintf("a URL that begins with %.60q is not an http(s) URL", s.Text), hint)
			case s.Open || s.Text == "" && !strings.HasSuffix(e.field, "url"): // no link
			case strings.Contains(s.Text, "{{"): // refused at run time, with a better reason
			case err != nil || u.Host == "" || !webURL(s.Text):
				p.badLiteral(e, s, fmt.Sprintf("%.60q is not an http(s) URL", s.Text), hint)
			}
		}
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
	t.each(func(e *expr) {
		for _, s := range e.Literals {
			if !httpguts.ValidHeaderFieldValue(s.Text) {
				p.badLiteral(e, s, "a header cannot hold this text", "line ends and control characters cannot be sent")
			}
		}
	})
}

var userInput = regexp.MustCompile(`^\s*\.payload\.properties(?:\.\w+|\.?"[^"]+"|\.?\[\s*"[^"]+"\s*\])+\s*(?:\|\s*(?:fromjson|tojson|tostring|\.)\s*|//[^|]*)*$`)

// ownBody warns about a body that is a user's alone: what is sent is signed.
func (p *parser) ownBody(t *node) {
	if t.expr() != nil && userInput.MatchString(t.expr().Text) {
		p.warn(t.place, "the whole body is a single user input: the user who runs the action writes what the agent signs",
			`put it into an object, such as {"input": …}`)
	}
}

var readsResponse = regexp.MustCompile(`\.\s*"?response\b`)

// afterRestart warns about what is gone when the agent has started again.
func (p *parser) afterRestart(t *node) {
	t.each(func(e *expr) {
		if readsResponse.MatchString(e.Text) {
			p.warn(e.place, ".response is gone after a restart of the agent: it is null in the polls after that", "read it in url, or take it from .body or env")
		}
	})
}
