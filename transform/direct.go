package transform

import "github.com/itchyny/gojq"

// direct evaluates what rules are chosen by without the interpreter, which takes
// milliseconds for a thousand. ok is false for what only that knows, or fails.
type direct func(in any) (v any, ok bool)

// directly gives nil for what needs the interpreter.
func directly(q *gojq.Query) direct {
	if q == nil || len(q.FuncDefs) > 0 || len(q.Patterns) > 0 {
		return nil
	}
	if q.Term != nil {
		return directTerm(q.Term)
	}
	l, r := directly(q.Left), directly(q.Right)
	if l == nil || r == nil {
		return nil
	}
	switch q.Op {
	case gojq.OpPipe:
		return func(in any) (any, bool) {
			v, ok := l(in)
			v, rok := r(v)
			return v, ok && rok
		}
	case gojq.OpAnd, gojq.OpOr:
		decides := q.Op == gojq.OpOr // the truth of the left side that is enough
		return func(in any) (any, bool) {
			v, ok := l(in)
			if !ok || truth(v) == decides {
				return decides, ok
			}
			v, ok = r(in)
			return truth(v), ok
		}
	case gojq.OpEq, gojq.OpNe:
		return func(in any) (any, bool) {
			x, ok := l(in)
			y, yok := r(in)
			ok = ok && yok && scalar(x) && scalar(y)
			return ok && (gojq.Compare(x, y) == 0) == (q.Op == gojq.OpEq), ok
		}
	}
	return nil
}

func directTerm(t *gojq.Term) direct {
	d := func(in any) (any, bool) { return in, true }
	switch t.Type {
	case gojq.TermTypeIdentity:
	case gojq.TermTypeIndex:
		d = directIndex(d, t.Index)
	case gojq.TermTypeQuery:
		d = directly(t.Query)
	case gojq.TermTypeFunc:
		d = directTest(t.Func)
	case gojq.TermTypeNull, gojq.TermTypeTrue, gojq.TermTypeFalse, gojq.TermTypeNumber, gojq.TermTypeString:
		d = directConstant(t)
	default:
		return nil
	}
	for _, s := range t.SuffixList {
		if d == nil || s.Index == nil {
			return nil
		}
		d = directIndex(d, s.Index)
	}
	return d
}

func directConstant(t *gojq.Term) direct {
	if t.Str != nil && t.Str.Queries != nil {
		return nil
	}
	code, err := gojq.Compile(&gojq.Query{Term: &gojq.Term{Type: t.Type, Number: t.Number, Str: t.Str}})
	if err != nil {
		return nil
	}
	v, _ := code.Run(nil).Next()
	return func(any) (any, bool) { return v, true }
}

func directIndex(d direct, x *gojq.Index) direct {
	name := indexName(x)
	if d == nil || name == "" {
		return nil
	}
	return func(in any) (any, bool) {
		v, ok := d(in)
		m, isObject := v.(map[string]any)
		return m[name], ok && (isObject || v == nil)
	}
}

// directTest is not, and test with a constant expression.
func directTest(f *gojq.Func) direct {
	if f.Name == "not" && len(f.Args) == 0 {
		return func(in any) (any, bool) { return !truth(in), true }
	}
	if f.Name != "test" || len(f.Args) != 1 {
		return nil
	}
	arg, ok := text(f.Args[0])
	re, err := compileRegex(arg, "")
	if !ok || err != nil {
		return nil
	}
	return func(in any) (any, bool) {
		s, ok := in.(string)
		ok = ok && len(s) <= maxDirectText
		return ok && re.MatchString(s), ok
	}
}
