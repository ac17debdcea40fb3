package transform

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/itchyny/gojq"
)

func (p *ruleParser) name(v any, at place) {
	s, ok := v.(string)
	if !ok {
		p.fail(at, "is "+kind(v)+", not text", "")
		return
	}
	p.rule.Name = s
}

// Texts that have always been taken for booleans where the mapping is read,
// whatever their case.
var (
	trueWords  = []string{"true", "t", "yes", "y", "on", "1"}
	falseWords = []string{"false", "f", "no", "n", "off", "0"}
)

func (p *ruleParser) enabled(v any, at place) {
	p.rule.always = false // also where what follows is wrong: the rule takes nothing then
	switch v := v.(type) {
	case bool:
		p.rule.always = v
		return
	case string:
		word := strings.ToLower(v)
		on := slices.Contains(trueWords, word)
		if on || slices.Contains(falseWords, word) {
			p.rule.always = on
			return
		}
		p.rule.enabled = p.expr(v, at)
		return
	}
	if v == 0 || v == 1 {
		p.rule.always = v == 1
		return
	}
	p.fail(at, "is "+kind(v)+", neither a boolean nor a jq expression", "")
}

// backends are what a rule may say.
var backends = []string{"WEBHOOK", "AZURE_DEVOPS", "JENKINS", "GITLAB", "GITHUB", "PORT_API"}

func (p *ruleParser) backend(v any, at place) {
	s, _ := v.(string)
	s = strings.ReplaceAll(strings.ToUpper(s), "-", "_")
	if !slices.Contains(backends, s) {
		p.fail(at, "names no backend", "it is one of "+strings.Join(backends, ", "))
		return
	}
	p.rule.Backend = s
}

func (p *ruleParser) url(v any, at place) {
	p.rule.url = p.jq(v, at)
	p.web(p.rule.url)
}

func (p *ruleParser) method(v any, at place) {
	p.rule.method = p.jq(v, at)
	p.oneOf(p.rule.method, "GET", "POST", "PUT", "PATCH", "DELETE")
}

func (p *ruleParser) orderBy(v any, at place) { p.rule.orderBy = p.jq(v, at) }
func (p *ruleParser) query(v any, at place)   { p.rule.query = p.object(v, at, true) }

func (p *ruleParser) headers(v any, at place) {
	p.rule.headers = p.object(v, at, false)
	p.sendable(p.rule.headers)
}

func (p *ruleParser) body(v any, at place) {
	p.rule.body = p.template(v, at)
	p.ownBody(p.rule.body)
}

// object reads headers or query: an object of expressions, or an expression
// that gives one.
func (p *ruleParser) object(v any, at place, lists bool) *template {
	switch v := v.(type) {
	case string:
	case map[string]any:
		for name, v := range v {
			_, list := v.([]any)
			if !scalar(v) && !(lists && list) {
				p.fail(at.key(name), "is "+kind(v)+", not a jq expression", "")
				return nil
			}
		}
	default:
		p.fail(at, "is "+kind(v)+", neither an object nor a jq expression", "")
		return nil
	}
	return p.template(v, at)
}

func (p *ruleParser) report(v any, at place) {
	m, ok := v.(map[string]any)
	if !ok {
		p.fail(at, "is "+kind(v)+", not an object", "its fields are "+names(reportFields))
		return
	}
	p.members(m, at, reportFields)
}

// reported reads a field of the report.
func reported(p *ruleParser, v any, at place) {
	name := strings.TrimPrefix(at.field, "report.")
	t := p.template(v, at)
	switch name {
	case "status":
		t.each(func(e *expr) { p.oneOf(e, "SUCCESS", "FAILURE", "IN_PROGRESS") })
	case "link":
		t.each(p.web)
	}
	p.rule.report = append(p.rule.report, reportField{name, t})
}

func (p *ruleParser) decryptPaths(v any, at place) {
	list, ok := v.([]any)
	if !ok {
		p.fail(at, "is "+kind(v)+", not a list of paths", "")
		return
	}
	for i, v := range list {
		s, ok := v.(string)
		if !ok {
			p.fail(at.item(i), "is "+kind(v)+", not a path", "")
			continue
		}
		path, err := parsePath(s)
		if err != nil {
			p.fail(at.item(i), err.Error(), "write it like payload.properties.password")
			continue
		}
		p.rule.paths = append(p.rule.paths, path)
	}
}

func (p *ruleParser) timeout(v any, at place) { p.rule.Timeout = p.seconds(v, at, 24*time.Hour) }

// seconds reads a number of seconds, more than 0 and at most limit.
func (p *ruleParser) seconds(v any, at place, limit time.Duration) time.Duration {
	f, ok := gojq.ToFloat64(v)
	if !ok {
		p.fail(at, "is "+kind(v)+", not a number of seconds", "")
		return 0
	}
	if f <= 0 || f > limit.Seconds() {
		p.fail(at, fmt.Sprintf("is %v: it must be more than 0 and at most %v seconds", f, int(limit.Seconds())), "")
		return 0
	}
	return max(time.Duration(math.Round(f*float64(time.Second))), 1)
}

func (p *ruleParser) onInterrupted(v any, at place) {
	s, _ := v.(string)
	if s != "fail" && s != "retry" {
		p.fail(at, `is neither "fail" nor "retry"`, "")
		return
	}
	p.rule.OnInterrupted = s
}

func (p *ruleParser) retry(v any, at place) {
	m, ok := v.(map[string]any)
	if !ok {
		p.fail(at, "is "+kind(v)+", not an object", `write it like {"attempts": 3, "statuses": [502, 504]}`)
		return
	}
	p.rule.Retry = &Retry{}
	p.members(m, at, retryFields)
}

func (p *ruleParser) attempts(v any, at place) {
	n, ok := v.(int)
	if !ok || n < 1 {
		p.fail(at, "is not an integer of 1 or more", "")
	}
	p.rule.Retry.Attempts = n
}

func (p *ruleParser) statuses(v any, at place) {
	list, ok := v.([]any)
	if !ok {
		p.fail(at, "is "+kind(v)+", not a list of statuses", "")
		return
	}
	for i, v := range list {
		n, ok := v.(int)
		if !ok || n < 400 || n > 599 {
			p.fail(at.item(i), "is not a status from 400 to 599", "")
			continue
		}
		p.rule.Retry.Statuses = append(p.rule.Retry.Statuses, n)
	}
}
