package jq

import (
	"strconv"

	"github.com/itchyny/gojq"
)

// direct evaluates what is simple without the interpreter, which takes
// milliseconds for a thousand. ok is false for what only that knows, or fails.
func (e *Environment) direct(q *gojq.Query, in any) (v any, ok bool) {
	if len(q.FuncDefs) > 0 || len(q.Patterns) > 0 {
		return nil, false
	}
	if q.Term != nil {
		return e.directTerm(q.Term, in)
	}
	l, ok := e.direct(q.Left, in)
	if !ok {
		return nil, false
	}
	switch q.Op {
	case gojq.OpPipe:
		return e.direct(q.Right, l)
	case gojq.OpAnd, gojq.OpOr:
		if decides := q.Op == gojq.OpOr; truth(l) == decides {
			return decides, true
		}
		r, ok := e.direct(q.Right, in)
		return truth(r), ok
	case gojq.OpEq, gojq.OpNe:
		r, ok := e.direct(q.Right, in)
		ok = ok && scalar(l) && scalar(r)
		return ok && (gojq.Compare(l, r) == 0) == (q.Op == gojq.OpEq), ok
	}
	return nil, false
}

func (e *Environment) directTerm(t *gojq.Term, in any) (v any, ok bool) {
	switch t.Type {
	case gojq.TermTypeIdentity:
		v, ok = in, true
	case gojq.TermTypeIndex:
		v, ok = directIndex(t.Index, in)
	case gojq.TermTypeQuery:
		v, ok = e.direct(t.Query, in)
	case gojq.TermTypeFunc:
		v, ok = e.directCall(t.Func, in)
	case gojq.TermTypeString:
		v, ok = t.Str.Str, t.Str.Queries == nil
	case gojq.TermTypeNumber:
		n, err := strconv.Atoi(t.Number)
		v, ok = n, err == nil
	case gojq.TermTypeTrue, gojq.TermTypeFalse, gojq.TermTypeNull:
		if ok = true; t.Type != gojq.TermTypeNull {
			v = t.Type == gojq.TermTypeTrue
		}
	}
	for _, s := range t.SuffixList {
		if !ok || s.Index == nil {
			return nil, false
		}
		v, ok = directIndex(s.Index, v)
	}
	return v, ok
}

func directIndex(x *gojq.Index, in any) (v any, ok bool) {
	name := indexName(x)
	m, ok := in.(map[string]any)
	return m[name], name != "" && (ok || in == nil)
}

// directCall is not, and test with a constant expression on a short text.
func (e *Environment) directCall(f *gojq.Func, in any) (v any, ok bool) {
	if f.Name == "not" && len(f.Args) == 0 {
		return !truth(in), true
	}
	s, ok := in.(string)
	if !ok || len(s) > maxDirectText || f.Name != "test" || len(f.Args) != 1 {
		return nil, false
	}
	re, ok := text(f.Args[0])
	if !ok {
		return nil, false
	}
	x, err := e.regexes.get(re, "")
	return err == nil && x.MatchString(s), err == nil
}
