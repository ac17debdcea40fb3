package transform

import (
	"context"
	"slices"

	"port-agent/transform/jq"
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

// text gives the expression that n is, "" where it is none.
func (n *node) text() string {
	if e, ok := n.value.(*jq.Expr); ok {
		return e.Text
	}
	return ""
}

// eval gives the value of a template. Errors are those of evaluation.value.
func (n *node) eval(ctx context.Context, ev *evaluation) (v any, err error) {
	switch v := n.value.(type) {
	case *jq.Expr:
		return ev.value(ctx, n, v)
	case object:
		out := make(map[string]any, len(v))
		for _, n := range v {
			if out[n.key], err = n.eval(ctx, ev); err != nil {
				return nil, err
			}
		}
		return out, nil
	case list:
		out := make([]any, len(v))
		for i, n := range v {
			if out[i], err = n.eval(ctx, ev); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return n.value, nil
}

// each calls f with each expression of a template.
func (n *node) each(f func(*node, *jq.Expr)) {
	if e, ok := n.value.(*jq.Expr); ok {
		f(n, e)
	}
	for _, item := range n.items() {
		item.each(f)
	}
}
