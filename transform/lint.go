package transform

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/itchyny/gojq"
	"golang.org/x/net/http/httpguts"
)

// literal is a constant text that an expression may give. An open one is the
// beginning of such a text.
type literal struct {
	text string
	open bool
}

func literals(q *gojq.Query) (out []literal) {
	beginnings := func(q *gojq.Query) []literal {
		for _, l := range literals(q) {
			out = append(out, literal{l.text, true})
		}
		return out
	}
	switch {
	case q == nil:
	case q.Op == gojq.OpAlt, q.Op == gojq.OpComma:
		return append(literals(q.Left), literals(q.Right)...)
	case q.Op == gojq.OpPipe:
		return literals(q.Right)
	case q.Op == gojq.OpAdd:
		return beginnings(q.Left)
	case q.Term == nil || len(q.Term.SuffixList) > 0:
	case q.Term.Type == gojq.TermTypeQuery:
		return literals(q.Term.Query)
	case q.Term.Type == gojq.TermTypeString && q.Term.Str.Queries == nil:
		return []literal{{q.Term.Str.Str, false}}
	case q.Term.Type == gojq.TermTypeString:
		return beginnings(q.Term.Str.Queries[0])
	case q.Term.Type == gojq.TermTypeIf:
		out = append(literals(q.Term.If.Then), literals(q.Term.If.Else)...)
		for _, e := range q.Term.If.Elif {
			out = append(out, literals(e.Then)...)
		}
	}
	return out
}

// badConstant reports a constant of e that cannot work. In a report it is a warning:
// a report that fails changes nothing.
func (p *parser) badConstant(e *expr, literal, message, hint string) {
	f := Finding{Message: message, Hint: hint, Warning: strings.HasPrefix(e.field, "report.")}
	quoted, _ := gojq.Marshal(literal)
	if i := strings.Index(e.text, string(quoted)); i >= 0 {
		f.Start, f.End = i, i+len(quoted)
	}
	p.find(f, e.place)
}

// lint looks at the constants of an expression, wherever it stands.
func (p *parser) lint(e *expr) {
	for _, c := range e.patterns {
		if strings.Contains(c.function, "time") { // strptime, strftime, strflocaltime
			if bad := badDirective.FindString(percent.ReplaceAllString(c.text, "")); bad != "" {
				p.badConstant(e, c.text, fmt.Sprintf("the format of a time has no %s", bad), "")
			}
			continue
		}
		if _, err := compileRegex(c.text, c.flags); err != nil {
			p.badConstant(e, c.text, err.Error(), regexHint(c.text))
		}
	}
}

var (
	percent      = regexp.MustCompile(`%%`)
	badDirective = regexp.MustCompile(`%[-_^#0-9:]*[^-_^#0-9:GYgyCmBbhAawuVUWedjkHlIPpMSsfZztn+cvrFDxTXR%]`)
	lookAround   = regexp.MustCompile(`\(\?<?[=!]`)
	unicode      = regexp.MustCompile(`\\u([0-9A-Fa-f]{4})`)
	backRef      = regexp.MustCompile(`\\[1-9]`)
)

func regexHint(re string) string {
	if m := unicode.FindStringSubmatch(re); m != nil {
		return `write \x{` + m[1] + "}"
	}
	if lookAround.MatchString(re) {
		return "look-ahead and look-behind do not exist here: match more and take a group of it, or use two tests"
	}
	if backRef.MatchString(re) {
		return "references to groups do not exist here"
	}
	return ""
}

// oneOf makes the check of a field that takes only some texts.
func oneOf(allowed ...string) func(*parser, *node) {
	return func(p *parser, t *node) {
		t.each(func(e *expr) {
			for _, s := range e.literals {
				if !s.open && !slices.Contains(allowed, strings.ToUpper(strings.TrimSpace(s.text))) {
					p.badConstant(e, s.text, fmt.Sprintf("%.40q is not one of %s", s.text, strings.Join(allowed, ", ")), "")
				}
			}
		})
	}
}

// web checks URLs.
func (p *parser) web(t *node) {
	const hint = `write it like "https://host/path"`
	t.each(func(e *expr) {
		for _, s := range e.literals {
			u, err := url.Parse(s.text)
			switch {
			case s.open && !webURL(s.text):
				p.badConstant(e, s.text, fmt.Sprintf("a URL that begins with %.60q is not an http(s) URL", s.text), hint)
			case s.open || s.text == "" && !strings.HasSuffix(e.field, "url"): // no link
			case strings.Contains(s.text, "{{"): // refused at run time, with a better reason
			case err != nil || u.Host == "" || !webURL(s.text):
				p.badConstant(e, s.text, fmt.Sprintf("%.60q is not an http(s) URL", s.text), hint)
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
	members, _ := t.value.(map[string]*node)
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if !httpguts.ValidHeaderFieldName(name) {
			p.fail(place{field: t.field, at: members[name].name}, fmt.Sprintf("%.60q is not a header name", name), "letters, digits and dashes")
		}
	}
	t.each(func(e *expr) {
		for _, s := range e.literals {
			if !httpguts.ValidHeaderFieldValue(s.text) {
				p.badConstant(e, s.text, "a header cannot hold this text", "line ends and control characters cannot be sent")
			}
		}
	})
}

var userInput = regexp.MustCompile(`^\s*\.payload\.properties(?:\.\w+|\.?"[^"]+"|\.?\[\s*"[^"]+"\s*\])+\s*(?:\|\s*(?:fromjson|tojson|tostring|\.)\s*|//[^|]*)*$`)

// ownBody warns about a body that is a user's alone: what is sent is signed.
func (p *parser) ownBody(t *node) {
	if t.expr() != nil && userInput.MatchString(t.expr().text) {
		p.warn(t.place, "the whole body is a single user input: the user who runs the action writes what the agent signs",
			`put it into an object, such as {"input": …}`)
	}
}

var readsResponse = regexp.MustCompile(`\.\s*"?response\b`)

// afterRestart warns about what is gone when the agent has started again.
func (p *parser) afterRestart(t *node) {
	t.each(func(e *expr) {
		if readsResponse.MatchString(e.text) {
			p.warn(e.place, ".response is gone after a restart of the agent: it is null in the polls after that", "read it in url, or take it from .body or env")
		}
	})
}
