package transform

import (
	"context"
	"maps"
	"slices"
)

// template compiles the strings of a value of the mapping, in place: it is JSON
// whose strings are expressions then.
//
// Objects that hold nothing but empty objects vanish below another object, as
// they always have: mappings rely on it. At the root and as elements of an
// array they stay.
func (p *parser) template(n *node) *node {
	switch v := n.value.(type) {
	case string:
		n.value = nil
		if e := p.expr(v, n.place); e != nil {
			n.value = e
		}
	case map[string]*node:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if hollow(v[name]) {
				delete(v, name)
			} else {
				p.template(v[name])
			}
		}
	case []*node:
		for _, item := range v {
			p.template(item)
		}
	}
	return n
}

// hollow reports whether n is an object of nothing but empty objects.
func hollow(n *node) bool {
	m, ok := n.value.(map[string]*node)
	for _, n := range m {
		ok = ok && hollow(n)
	}
	return ok
}

// expr gives the expression that n is, nil where it is none.
func (n *node) expr() *expr {
	e, _ := n.value.(*expr)
	return e
}

// eval gives the value of a template. Errors are those of evaluation.value.
func (n *node) eval(ctx context.Context, ev *evaluation) (any, error) {
	switch v := n.value.(type) {
	case *expr:
		return ev.value(ctx, v)
	case map[string]*node:
		out := make(map[string]any, len(v))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			value, err := v[name].eval(ctx, ev)
			if err != nil {
				return nil, err
			}
			out[name] = value
		}
		return out, nil
	case []*node:
		out := make([]any, len(v))
		for i, n := range v {
			value, err := n.eval(ctx, ev)
			if err != nil {
				return nil, err
			}
			out[i] = value
		}
		return out, nil
	}
	return n.value, nil
}

// each calls f with each expression of a template.
func (n *node) each(f func(*expr)) {
	switch v := n.value.(type) {
	case *expr:
		f(v)
	case map[string]*node:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			v[name].each(f)
		}
	case []*node:
		for _, n := range v {
			n.each(f)
		}
	}
}
