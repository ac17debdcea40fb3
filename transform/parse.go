package transform

import (
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
}

// parse gives the rules of a mapping. They can be used where no finding is an
// error.
func (p *parser) parse(data []byte) []*Rule {
	v, finding := decodeFile(data)
	if finding != nil {
		finding.File = p.file
		p.findings = append(p.findings, *finding)
		if !finding.Warning {
			return nil
		}
	}
	list, ok := v.([]any)
	if !ok {
		f := Finding{File: p.file, Rule: -1, Message: "the mapping is " + kind(v) + ", not a list of rules"}
		if _, ok := v.(map[string]any); ok {
			f.Hint = "put the rule between [ and ]"
		}
		p.findings = append(p.findings, f)
		return nil
	}
	if len(list) == 0 {
		p.findings = append(p.findings, Finding{File: p.file, Rule: -1, Warning: true,
			Message: "the mapping has no rules: no event is taken", Hint: `[{"enabled": true}] takes every event as it is`})
	}
	var rules []*Rule
	all := -1 // the first rule that takes every event
	for i, v := range list {
		rp := ruleParser{parser: p, rule: &Rule{Index: i, strict: p.cfg.Strict}}
		if !rp.parse(v) {
			continue
		}
		rules = append(rules, rp.rule)
		if all >= 0 {
			rp.warn("", fmt.Sprintf("never reached: rule %d takes every event", all), "move it up, or narrow enabled of that rule")
		} else if rp.rule.enabled == nil && rp.rule.always {
			all = i
		}
	}
	return rules
}

// ruleParser reads one rule.
type ruleParser struct {
	*parser
	rule *Rule
}

// ruleFields are the fields of a rule, in the order in which they are read:
// the name first, since findings tell it.
var ruleFields = []struct {
	name  string
	parse func(*ruleParser, any)
}{
	{"name", (*ruleParser).name},
	{"enabled", (*ruleParser).enabled},
	{"backend", (*ruleParser).backend},
	{"url", (*ruleParser).url},
	{"method", (*ruleParser).method},
	{"headers", (*ruleParser).headers},
	{"query", (*ruleParser).query},
	{"body", (*ruleParser).body},
	{"report", (*ruleParser).report},
	{"fieldsToDecryptPaths", (*ruleParser).decryptPaths},
	{"timeout", (*ruleParser).timeout},
	{"orderBy", (*ruleParser).orderBy},
	{"onInterrupted", (*ruleParser).onInterrupted},
	{"retry", (*ruleParser).retry},
}

func (p *ruleParser) parse(v any) (ok bool) {
	m, ok := v.(map[string]any)
	if !ok {
		p.fail("", "the rule is "+kind(v)+", not an object", "")
		return false
	}
	p.rule.always = true
	known := make([]string, len(ruleFields))
	for i, f := range ruleFields {
		known[i] = f.name
		if v := m[f.name]; v != nil { // null is as good as absent
			f.parse(p, v)
		}
	}
	p.unknown("", m, known)
	return true
}

// unknown warns about the keys of m that are not among known.
func (p *ruleParser) unknown(field string, m map[string]any, known []string) {
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if slices.Contains(known, key) {
			continue
		}
		hint := ""
		if near := nearest(key, known); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		p.warn(field, fmt.Sprintf("unknown key %q is ignored", key), hint)
	}
}

func (p *ruleParser) fail(field, message, hint string) {
	p.add(Finding{Field: field, Message: message, Hint: hint})
}

func (p *ruleParser) warn(field, message, hint string) {
	p.add(Finding{Field: field, Message: message, Hint: hint, Warning: true})
}

func (p *ruleParser) add(f Finding) {
	f.File, f.Rule, f.Name = p.file, p.rule.Index, p.rule.Name
	p.findings = append(p.findings, f)
}

// expr compiles the expression found at field. It is nil where that fails,
// and a finding says why.
func (p *ruleParser) expr(text, field string) *expr {
	e, err := compile(text, field, p.cfg.timeout(), p.env)
	if err != nil {
		p.add(Finding{Field: field, Column: err.column, Message: err.message, Hint: err.hint})
		return nil
	}
	for _, name := range e.unset {
		p.warn(field, fmt.Sprintf("environment variable %s is not set", name), unsetHint(name))
	}
	if looksPlain(text) {
		p.warn(field, fmt.Sprintf("%s looks like plain text, but is evaluated", strings.TrimSpace(text)), quoteHint(text))
	}
	return e
}

// jq reads a field that has to be an expression.
func (p *ruleParser) jq(v any, field string) *expr {
	s, ok := v.(string)
	if !ok {
		p.fail(field, "is "+kind(v)+", not a jq expression", "")
		return nil
	}
	return p.expr(s, field)
}
