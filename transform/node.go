package transform

import (
	"slices"

	"port-agent/transform/jq"
)

// span is a part of a text, in bytes.
type span struct{ start, end int }

// place is where a value stands in a mapping file.
type place struct {
	field string // as findings and errors name it: "body.list[0]"
	at    span
}

// below names a member of the field.
func (p place) below(key string) string {
	if p.field == "" {
		return key
	}
	return p.field + "." + key
}

// node is a value of a mapping file.
type node struct {
	place
	key   string // of a member of an object, and where it is
	keyAt span
	value any // nil, bool, int, *big.Int, float64, string, list, object or, where template has been, *jq.Expr
}

type (
	list   []*node
	object []*node // in the order of the file, each key once
)

// member returns the member with a key, nil where there is none.
func (o object) member(key string) *node {
	if i := slices.IndexFunc(o, func(n *node) bool { return n.key == key }); i >= 0 {
		return o[i]
	}
	return nil
}

// items returns what a list or an object holds.
func (n *node) items() []*node {
	switch v := n.value.(type) {
	case list:
		return v
	case object:
		return v
	}
	return nil
}

// text returns the expression that n is, "" where it is none.
func (n *node) text() string {
	if e, ok := n.value.(*jq.Expr); ok {
		return e.Text
	}
	return ""
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
