package transform

import (
	"context"
	"maps"
	"slices"
)

// template is JSON whose strings are expressions: an expression, an object, a
// list, or a number, a boolean or null.
type template struct {
	place
	expr    *expr
	members []member    // not nil: an object, sorted by name
	items   []*template // not nil: a list
	value   any
}

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
		t.expr = p.expr(v, at)
	case map[string]any:
		t.members = []member{}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if !hollow(v[name]) {
				t.members = append(t.members, member{name, p.template(v[name], at.key(name))})
			}
		}
	case []any:
		t.items = []*template{}
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
	switch {
	case t.expr != nil:
		return ev.value(ctx, t.expr)
	case t.members != nil:
		out := make(map[string]any, len(t.members))
		for _, m := range t.members {
			v, err := m.value.eval(ctx, ev)
			if err != nil {
				return nil, err
			}
			out[m.name] = v
		}
		return out, nil
	case t.items != nil:
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

// each calls f with each expression of t.
func (t *template) each(f func(*expr)) {
	if t.expr != nil {
		f(t.expr)
	}
	for _, m := range t.members {
		m.value.each(f)
	}
	for _, item := range t.items {
		item.each(f)
	}
}

// textAt gives the text of the expression at or above field, "" without one.
func (t *template) textAt(field string) (text string) {
	t.each(func(e *expr) {
		if e.field == field || e.field == t.field {
			text = e.text
		}
	})
	return text
}
