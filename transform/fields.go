package transform

import (
	"errors"
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

// words have always been taken for booleans where the mapping is read, whatever
// their case.
var words = map[string]bool{"true": true, "t": true, "yes": true, "y": true, "on": true, "1": true,
	"false": false, "f": false, "no": false, "n": false, "off": false, "0": false}

func (p *ruleParser) enabled(v any, at place) {
	p.rule.always = false // also where what follows is wrong: the rule takes nothing then
	switch v := v.(type) {
	case bool:
		p.rule.always = v
		return
	case string:
		on, known := words[strings.ToLower(v)]
		if p.rule.always = on; !known {
			p.rule.enabled = p.expr(v, at)
		}
		return
	}
	if p.rule.always = v == 1; v != 0 && v != 1 {
		p.fail(at, "is "+kind(v)+", neither a boolean nor a jq expression", "")
	}
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

// jq reads an expression.
func (p *ruleParser) jq(v any, at place) *template {
	if s, ok := v.(string); ok {
		return &template{place: at, expr: p.expr(s, at)}
	}
	p.fail(at, "is "+kind(v)+", not a jq expression", "")
	return nil
}

// object reads an object of expressions, or an expression that gives one. Only a
// query may hold lists of expressions as well.
func (p *ruleParser) object(v any, at place) *template {
	switch v := v.(type) {
	case string:
	case map[string]any:
		for name, v := range v {
			_, list := v.([]any)
			if !scalar(v) && !(list && at.field == "query") {
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
		p.fail(at, "is "+kind(v)+", not an object", "its fields are "+strings.Join(names(reportFields), ", "))
		return
	}
	p.rule.report = p.members(m, at, reportFields)
}

// each calls read for each element of a list of what.
func (p *ruleParser) each(v any, at place, what string, read func(any, place)) {
	list, ok := v.([]any)
	if !ok {
		p.fail(at, "is "+kind(v)+", not a list of "+what, "")
	}
	for i, v := range list {
		read(v, at.item(i))
	}
}

func (p *ruleParser) decryptPaths(v any, at place) {
	p.each(v, at, "paths", func(v any, at place) {
		s, ok := v.(string)
		if !ok {
			p.fail(at, "is "+kind(v)+", not a path", "")
			return
		}
		path, err := parsePath(s)
		if err != nil {
			p.fail(at, err.Error(), "write it like payload.properties.password")
		}
		p.rule.paths = append(p.rule.paths, path)
	})
}

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
	p.each(v, at, "statuses", func(v any, at place) {
		n, ok := v.(int)
		if !ok || n < 400 || n > 599 {
			p.fail(at, "is not a status from 400 to 599", "")
		}
		p.rule.Retry.Statuses = append(p.rule.Retry.Statuses, n)
	})
}

func (p *ruleParser) success(v any, at place) {
	if list, ok := v.([]any); !ok || len(list) == 0 {
		p.fail(at, "is not a list of end states", `write it like ["SUCCESS", "UNSTABLE"]`)
		return
	}
	p.each(v, at, "end states", func(v any, at place) {
		s, ok := v.(string)
		if !ok || s == "" {
			p.fail(at, "is "+kind(v)+", not an end state", "")
		}
		p.rule.follow.Success = append(p.rule.follow.Success, s)
	})
}

func (p *ruleParser) follow(v any, at place) {
	p.rule.follow = &Follow{rule: p.rule}
	switch v := v.(type) {
	case bool:
		p.rule.follow.Off = !v
	case map[string]any:
		p.rule.follow.fields = p.members(v, at, followFields)
		p.checkFollow(v, at)
	default:
		p.fail(at, "is "+kind(v)+", neither a boolean nor an object", "")
	}
}

var (
	followGeneric = []string{"method", "headers", "body", "done", "status", "statusLabel", "summary", "link", "log"}
	followBuiltIn = []string{"success", "project"}
)

// checkFollow looks at what the members of follow mean for one another.
func (p *ruleParser) checkFollow(m map[string]any, at place) {
	unused, why := followGeneric, "is ignored without url: the backend's own follower works"
	if m["url"] != nil {
		unused, why = followBuiltIn, "is ignored beside url"
		if m["done"] == nil {
			p.fail(at, "has url, but no done: the run would never end", `"done" is jq on .poll that gives true when it is over`)
		}
	}
	for _, name := range unused {
		if m[name] != nil {
			p.warn(at.key(name), why, "")
		}
	}
}

// brackets turns indexes in brackets to steps: a[0].b[] is a.0.b.*.
var brackets = strings.NewReplacer(".[]", ".*", ".[", ".", "[]", ".*", "[", ".", "]", "", `"`, "")

// parsePath reads the path of an encrypted field: names and indexes between
// dots, from the root of the event, with or without a dot in front.
func parsePath(s string) ([]string, error) {
	s = strings.TrimPrefix(brackets.Replace(s), ".")
	if s == "" {
		return nil, errors.New("the path is empty")
	}
	path := strings.Split(s, ".")
	for _, step := range path {
		if step == "" {
			return nil, errors.New("the path has an empty step")
		}
	}
	return path, nil
}
