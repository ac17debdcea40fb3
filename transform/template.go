package transform

import (
	"context"
	"maps"
	"slices"
)

// template is JSON whose strings are expressions.
type template struct {
	place
	value any // *expr, map[string]*template, []*template, or a number, a boolean or nil
}

// template compiles a value of the mapping.
//
// Objects that hold nothing but empty objects vanish below another object, as
// they always have: mappings rely on it. At the root and as elements of an
// array they stay.
func (p *parser) template(n *node) *template {
	t := &template{n.place, n.value}
	switch v := n.value.(type) {
	case string:
		t.value = nil
		if e := p.expr(v, n.place); e != nil {
			t.value = e
		}
	case map[string]*node:
		members := make(map[string]*template)
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if !hollow(v[name]) {
				members[name] = p.template(v[name])
			}
		}
		t.value = members
	case []*node:
		list := make([]*template, len(v))
		for i, item := range v {
			list[i] = p.template(item)
		}
		t.value = list
	}
	return t
}

// hollow reports whether n is an object of nothing but empty objects.
func hollow(n *node) bool {
	m, ok := n.value.(map[string]*node)
	for _, n := range m {
		ok = ok && hollow(n)
	}
	return ok
}

// expr gives the expression that t is, nil where it is none.
func (t *template) expr() *expr {
	e, _ := t.value.(*expr)
	return e
}

// eval gives the value of t. Errors are those of evaluation.value.
func (t *template) eval(ctx context.Context, ev *evaluation) (any, error) {
	switch v := t.value.(type) {
	case *expr:
		return ev.value(ctx, v)
	case map[string]*template:
		out := make(map[string]any, len(v))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			value, err := v[name].eval(ctx, ev)
			if err != nil {
				return nil, err
			}
			out[name] = value
		}
		return out, nil
	case []*template:
		out := make([]any, len(v))
		for i, t := range v {
			value, err := t.eval(ctx, ev)
			if err != nil {
				return nil, err
			}
			out[i] = value
		}
		return out, nil
	}
	return t.value, nil
}

// each calls f with each expression of t.
func (t *template) each(f func(*expr)) {
	switch v := t.value.(type) {
	case *expr:
		f(v)
	case map[string]*template:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			v[name].each(f)
		}
	case []*template:
		for _, t := range v {
			t.each(f)
		}
	}
}
