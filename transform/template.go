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
	members []member // not nil: an object, sorted by name, or a list
	list    bool
	value   any
}

type member struct {
	name  string // "" in a list
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
		t.members, t.list = []member{}, true
		for i, item := range v {
			t.members = append(t.members, member{"", p.template(item, at.item(i))})
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
	if t.expr != nil {
		return ev.value(ctx, t.expr)
	}
	if t.members == nil {
		return t.value, nil
	}
	var list []any
	var object map[string]any
	if t.list {
		list = make([]any, 0, len(t.members))
	} else {
		object = make(map[string]any, len(t.members))
	}
	for _, m := range t.members {
		v, err := m.value.eval(ctx, ev)
		if err != nil {
			return nil, err
		}
		if t.list {
			list = append(list, v)
		} else {
			object[m.name] = v
		}
	}
	if t.list {
		return list, nil
	}
	return object, nil
}

// each calls f with each expression of t.
func (t *template) each(f func(*expr)) {
	if t.expr != nil {
		f(t.expr)
	}
	for _, m := range t.members {
		m.value.each(f)
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
