package transform

import (
	"context"
	"maps"
	"slices"
)

// template is JSON whose strings are expressions. Exactly one of expr, members,
// items and value is what it is.
type template struct {
	place
	kind templateKind

	expr    *expr
	members []member // sorted by name
	items   []*template
	value   any // a number, a boolean or null
}

type templateKind int

const (
	constantKind templateKind = iota
	exprKind
	objectKind
	arrayKind
)

type member struct {
	name  string
	value *template
}

// template compiles the JSON value v, found at a place.
//
// Objects that hold nothing but empty objects vanish below another object, as
// they always have: mappings rely on it. At the root and as elements of an
// array they stay.
func (p *ruleParser) template(v any, at place) *template {
	t := &template{place: at}
	switch v := v.(type) {
	case string:
		t.kind, t.expr = exprKind, p.expr(v, at)
	case map[string]any:
		t.kind = objectKind
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if !hollow(v[name]) {
				t.members = append(t.members, member{name, p.template(v[name], at.key(name))})
			}
		}
	case []any:
		t.kind = arrayKind
		for i, item := range v {
			t.items = append(t.items, p.template(item, at.item(i)))
		}
	default:
		t.value = v
	}
	return t
}

// hollow reports whether v is an object of nothing but empty objects.
func hollow(v any) bool {
	m, ok := v.(map[string]any)
	if !ok {
		return false
	}
	for _, v := range m {
		if !hollow(v) {
			return false
		}
	}
	return true
}

// eval gives the value of t. Errors are those of evaluation.value.
func (t *template) eval(ctx context.Context, ev *evaluation) (any, error) {
	switch t.kind {
	case exprKind:
		return ev.value(ctx, t.expr)
	case objectKind:
		out := make(map[string]any, len(t.members))
		for _, m := range t.members {
			v, err := m.value.eval(ctx, ev)
			if err != nil {
				return nil, err
			}
			out[m.name] = v
		}
		return out, nil
	case arrayKind:
		out := make([]any, len(t.items))
		for i, item := range t.items {
			v, err := item.eval(ctx, ev)
			if err != nil {
				return nil, err
			}
			out[i] = v
		}
		return out, nil
	}
	return t.value, nil
}

// each calls f with each expression of t. A nil template has none.
func (t *template) each(f func(*expr)) {
	switch {
	case t == nil:
	case t.expr != nil:
		f(t.expr)
	default:
		for _, m := range t.members {
			m.value.each(f)
		}
		for _, item := range t.items {
			item.each(f)
		}
	}
}

// text gives the text of the expression at or above field, "" without one.
func (t *template) text(field string) string {
	if t.kind == exprKind {
		return t.expr.text
	}
	for _, m := range t.members {
		if m.value.field == field {
			return m.value.text(field)
		}
	}
	return ""
}
