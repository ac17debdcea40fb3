package transform

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"port-agent/transform/jq"
)

// parser reads a mapping and collects what is wrong with it.
type parser struct {
	cfg      Config
	env      *jq.Environment
	file     string
	data     []byte
	mark     int // bytes that stood before data
	dec      *jsontext.Decoder
	findings []Finding
	rule     *Rule // the one that is read, nil before the first
}

// rules returns the rules of the mapping. They can be used where no finding is an
// error.
func (p *parser) rules() []*Rule {
	root := p.decode()
	if root == nil {
		return nil
	}
	items, ok := p.list(root)
	if ok && len(items) == 0 {
		p.warn(root.place, "the mapping has no rules: no event is taken", `[{"enabled": true}] takes every event as it is`)
	}
	var rules []*Rule
	all := -1 // the first rule that takes every event
	for i, n := range items {
		p.rule = &Rule{Index: i, strict: p.cfg.Strict}
		members, ok := n.value.(object)
		if !ok {
			p.fail(n.place, "the rule is "+kind(n.value)+", not an object", "")
			continue
		}
		if name := members.member("name"); name != nil { // before the others: findings show it
			p.rule.Name, _ = name.value.(string)
		}
		p.rule.fill(p.members(n.place, members, ruleFields))
		rules = append(rules, p.rule)
		if all >= 0 {
			p.warn(n.place, fmt.Sprintf("never reached: rule %d takes every event", all), "move it up, or narrow enabled of that rule")
		} else if p.rule.enabled.value == true {
			all = i
		}
	}
	return rules
}

// list returns the rules of a file: the file is a list, or an object that holds
// it, for the sake of editors, which find its schema there.
func (p *parser) list(n *node) (items list, ok bool) {
	what, hint := "the mapping", ""
	if o, isObject := n.value.(object); isObject && o.member("rules") != nil {
		p.unknown(n.place, o, []string{"$schema", "rules"})
		what, n = "rules", o.member("rules")
	} else if isObject {
		hint = "put the rule between [ and ]"
	}
	if items, ok = n.value.(list); !ok {
		p.fail(place{at: n.at}, what+" is "+kind(n.value)+", not a list of rules", hint)
	}
	return items, ok
}

// values are the members of an object as their shapes have read them.
type values map[string]any

// get returns a member, the zero value where it is absent or wrong.
func get[T any](v values, name string) T {
	t, _ := v[name].(T)
	return t
}

// template returns a member that is a template, nil where it is left open.
func (v values) template(name string) *node { return get[*node](v, name) }

// members reads the members of an object that are in table, in its order.
func (p *parser) members(at place, o object, table []field) values {
	out := make(values)
	for _, f := range table {
		n := o.member(f.name)
		if n == nil || n.value == nil { // null is as good as absent
			continue
		}
		v := f.shape.read(p, n)
		if v == nil {
			continue
		}
		out[f.name] = v
		if f.check != nil {
			f.check(p, v.(*node))
		}
	}
	p.unknown(at, o, names(table))
	return out
}

// fill sets what the file says. A rule whose enabled is wrong takes nothing.
func (r *Rule) fill(v values) {
	r.enabled = cmp.Or(v.template("enabled"), &node{value: true})
	r.Backend = get[string](v, "backend")
	r.Timeout = get[time.Duration](v, "timeout")
	r.OnInterrupted = get[string](v, "onInterrupted")
	r.DecryptPaths = get[[][]string](v, "fieldsToDecryptPaths")
	r.fields, r.report = v, get[values](v, "report")
	retry := get[values](v, "retry")
	r.Retry = Retry{Attempts: get[int](retry, "attempts"), Statuses: get[[]int](retry, "statuses")}
	switch f := v["follow"].(type) {
	case bool:
		r.Follow = &Follow{Off: !f, rule: r}
	case values:
		r.Follow = &Follow{Interval: get[time.Duration](f, "interval"), Timeout: get[time.Duration](f, "timeout"),
			Success: get[[]string](f, "success"), rule: r, fields: f}
	}
}

// unknown warns about the keys of an object that are not among known.
func (p *parser) unknown(at place, o object, known []string) {
	for _, n := range o {
		if slices.Contains(known, n.key) {
			continue
		}
		hint := ""
		if near := nearest(n.key, known); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		p.warn(place{field: at.field, at: n.keyAt}, fmt.Sprintf("unknown key %q is ignored", n.key), hint)
	}
}

func (p *parser) fail(at place, message, hint string) {
	p.find(jq.Fault{Message: message, Hint: hint}, at, false)
}

func (p *parser) warn(at place, message, hint string) {
	p.find(jq.Fault{Message: message, Hint: hint}, at, true)
}

// find adds a finding about a value, or about a part of the expression that it
// holds.
func (p *parser) find(fault jq.Fault, at place, warning bool) {
	f := Finding{File: p.file, Rule: -1, Field: at.field, Warning: warning, Message: fault.Message, Hint: fault.Hint}
	if p.rule != nil {
		f.Rule, f.Name = p.rule.Index, p.rule.Name
	}
	if fault.End > 0 {
		at.at = inString(p.data, at.at, span{fault.Start, fault.End})
	}
	f.place(p.data, at.at)
	f.Start, f.End = f.Start+p.mark, f.End+p.mark
	p.findings = append(p.findings, f)
}

// template compiles the strings of a value of the mapping, in place: it is JSON
// whose strings are expressions then.
//
// Objects that hold nothing but empty objects vanish below another object, as
// they always have: mappings rely on it. At the root and as elements of an
// array they stay.
func (p *parser) template(n *node) *node {
	switch v := n.value.(type) {
	case string:
		p.compile(n, v)
	case object:
		n.value = slices.DeleteFunc(v, hollow)
	}
	for _, item := range n.items() {
		p.template(item)
	}
	return n
}

// hollow reports whether n is an object of nothing but empty objects.
func hollow(n *node) bool {
	o, ok := n.value.(object)
	return ok && !slices.ContainsFunc(o, func(n *node) bool { return !hollow(n) })
}

// compile compiles the expression that n is. It is null where that fails, and a
// finding says why.
func (p *parser) compile(n *node, text string) {
	e, fault := p.env.Compile(text)
	if fault != nil {
		fault.Hint = cmp.Or(fault.Hint, quoteHint(text), dashHint(text, text[fault.Start:fault.End]))
		p.find(*fault, n.place, false)
		n.value = nil
		return
	}
	n.value = e
	for _, name := range e.Unset {
		p.warn(n.place, fmt.Sprintf("environment variable %s is not set", name), unsetHint(name))
	}
	for _, fault := range e.Faults {
		p.badConstant(n, fault)
	}
	if plainCompiles.MatchString(text) {
		p.warn(n.place, fmt.Sprintf("%s looks like plain text, but is evaluated", strings.TrimSpace(text)), quoteHint(text))
	}
}

// checkFollow looks at what the members of follow mean for one another.
func (p *parser) checkFollow(at place, o object, v values) {
	unused, why := []string{"method", "headers", "body", "done", "status", "statusLabel", "summary", "link", "log"},
		"is ignored without url: the backend's own follower works"
	if v["url"] != nil {
		unused, why = []string{"success", "project"}, "is ignored beside url"
	}
	if v["url"] != nil && v["done"] == nil {
		p.fail(at, "has url, but no done: the run would never end", `"done" is jq on .poll that gives true when it is over`)
	}
	for _, name := range unused {
		if v[name] != nil {
			p.warn(o.member(name).place, why, "")
		}
	}
}
