package transform

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// parser reads a mapping and collects what is wrong with it.
type parser struct {
	file     string
	cfg      Config
	env      *environment
	findings []Finding
	places   map[string]located // by JSON pointer
}

// parse gives the rules of a mapping. They can be used where no finding is an
// error.
func (p *parser) parse(data []byte) []*Rule {
	body := bytes.TrimPrefix(data, []byte("\ufeff")) // a byte order mark, as some editors write one
	rules := p.rules(body)
	for i := range p.findings {
		f := &p.findings[i]
		p.locate(body, f)
		if f.Line > 0 {
			f.Start, f.End = f.Start+len(data)-len(body), f.End+len(data)-len(body)
		}
	}
	return rules
}

func (p *parser) rules(data []byte) []*Rule {
	v, finding := decodeFile(data)
	if finding != nil {
		p.add(*finding)
		return nil
	}
	var twice *Finding
	if p.places, twice = places(data); twice != nil {
		p.add(*twice)
	}
	list, at, ok := p.list(v)
	if !ok {
		return nil
	}
	if len(list) == 0 {
		p.add(Finding{Rule: -1, Warning: true, Message: "the mapping has no rules: no event is taken",
			Hint: `[{"enabled": true}] takes every event as it is`})
	}
	var rules []*Rule
	all := -1 // the first rule that takes every event
	for i, v := range list {
		rp := ruleParser{parser: p, rule: &Rule{Index: i, strict: p.cfg.Strict}}
		at := place{pointer: at.item(i).pointer}
		if !rp.parse(v, at) {
			continue
		}
		rules = append(rules, rp.rule)
		if all >= 0 {
			rp.warn(at, fmt.Sprintf("never reached: rule %d takes every event", all), "move it up, or narrow enabled of that rule")
		} else if rp.rule.enabled == nil && rp.rule.always {
			all = i
		}
	}
	return rules
}

// list gives the rules of a file: the file is a list, or an object that holds
// it, for the sake of editors, which find its schema there.
func (p *parser) list(v any) (list []any, at place, ok bool) {
	m, isObject := v.(map[string]any)
	rules, has := m["rules"]
	if has {
		rp := ruleParser{parser: p, rule: &Rule{Index: -1}}
		rp.unknown(place{}, m, []string{"$schema", "rules"})
		v, at = rules, place{pointer: "/rules"}
	}
	if list, ok = v.([]any); ok {
		return list, at, true
	}
	f := Finding{Rule: -1, pointer: at.pointer, Message: "the mapping is " + kind(v) + ", not a list of rules"}
	switch {
	case has:
		f.Message = "rules is " + kind(v) + ", not a list of rules"
	case isObject:
		f.Hint = "put the rule between [ and ]"
	}
	p.add(f)
	return nil, at, false
}

func (p *parser) add(f Finding) {
	f.File = p.file
	p.findings = append(p.findings, f)
}

// ruleParser reads one rule.
type ruleParser struct {
	*parser
	rule *Rule
}

func (p *ruleParser) parse(v any, at place) (ok bool) {
	m, ok := v.(map[string]any)
	if !ok {
		p.fail(at, "the rule is "+kind(v)+", not an object", "")
		return false
	}
	p.rule.always = true
	p.rule.fields = p.members(m, at, ruleFields)
	return true
}

// members reads the members of an object that are in table, in its order, and
// gives those that hold expressions.
func (p *ruleParser) members(m map[string]any, at place, table []field) fields {
	out := make(fields)
	for _, f := range table {
		v := m[f.name]
		if v == nil { // null is as good as absent
			continue
		}
		t := f.read(p, v, at.key(f.name))
		if t == nil {
			continue
		}
		out[f.name] = t
		if f.check != nil {
			f.check(p, t)
		}
	}
	p.unknown(at, m, names(table))
	return out
}

// unknown warns about the keys of m that are not among known.
func (p *ruleParser) unknown(at place, m map[string]any, known []string) {
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if slices.Contains(known, key) {
			continue
		}
		hint := ""
		if near := nearest(key, known); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		p.find(Finding{Field: at.field, Warning: true, Message: fmt.Sprintf("unknown key %q is ignored", key), Hint: hint,
			pointer: at.key(key).pointer, onName: true})
	}
}

func (p *ruleParser) fail(at place, message, hint string) {
	p.find(Finding{Field: at.field, pointer: at.pointer, Message: message, Hint: hint})
}

func (p *ruleParser) warn(at place, message, hint string) {
	p.find(Finding{Field: at.field, pointer: at.pointer, Message: message, Hint: hint, Warning: true})
}

func (p *ruleParser) find(f Finding) {
	f.Rule, f.Name = p.rule.Index, p.rule.Name
	p.add(f)
}

// expr compiles the expression found at a place. It is nil where that fails,
// and a finding says why.
func (p *ruleParser) expr(text string, at place) *expr {
	e, fault := compile(text, at, p.cfg.timeout(), p.env)
	if fault != nil {
		fault.Field, fault.pointer = at.field, at.pointer
		p.find(*fault)
		return nil
	}
	for _, name := range e.unset {
		p.warn(at, fmt.Sprintf("environment variable %s is not set", name), unsetHint(name))
	}
	p.lint(e)
	if looksPlain(text) {
		p.warn(at, fmt.Sprintf("%s looks like plain text, but is evaluated", strings.TrimSpace(text)), quoteHint(text))
	}
	return e
}
