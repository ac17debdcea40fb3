package transform

import (
	"strconv"
	"strings"

	"github.com/itchyny/gojq"
)

// direct is an expression that needs no interpreter. Mappings choose their
// rules by a path compared with a constant, and setting up the interpreter for
// each of a thousand rules takes milliseconds. ok is false for what only the
// interpreter knows about, failures included.
type direct func(in any) (v any, ok bool)

// maxDirectText bounds the text that is searched directly, since nothing
// counts here.
const maxDirectText = 4096

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
			if !ok {
				return nil, false
			}
			return r(v)
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
			if !ok || !yok || !scalar(x) || !scalar(y) {
				return nil, false
			}
			if s, ok := x.(string); ok {
				t, ok := y.(string)
				return (ok && s == t) == (q.Op == gojq.OpEq), true
			}
			return (gojq.Compare(x, y) == 0) == (q.Op == gojq.OpEq), true
		}
	}
	return nil
}

func truth(v any) bool { return v != nil && v != false }

func directTerm(t *gojq.Term) direct {
	d := func(in any) (any, bool) { return in, true }
	always := func(v any) direct { return func(any) (any, bool) { return v, true } }
	switch t.Type {
	case gojq.TermTypeIdentity:
	case gojq.TermTypeNull:
		d = always(nil)
	case gojq.TermTypeTrue, gojq.TermTypeFalse:
		d = always(t.Type == gojq.TermTypeTrue)
	case gojq.TermTypeNumber:
		i, err := strconv.Atoi(t.Number)
		if err != nil {
			return nil
		}
		d = always(i)
	case gojq.TermTypeString:
		if t.Str.Queries != nil {
			return nil
		}
		d = always(t.Str.Str)
	case gojq.TermTypeIndex:
		d = directIndex(d, t.Index)
	case gojq.TermTypeQuery:
		d = directly(t.Query)
	case gojq.TermTypeFunc:
		d = directCall(t.Func)
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

func directIndex(d direct, x *gojq.Index) direct {
	name := x.Name
	if x.Str != nil && x.Str.Queries == nil {
		name = x.Str.Str
	} else if x.Start != nil && !x.IsSlice {
		name, _ = text(x.Start)
	}
	if name == "" {
		return nil
	}
	return func(in any) (any, bool) {
		v, ok := d(in)
		m, isObject := v.(map[string]any)
		return m[name], ok && (isObject || v == nil)
	}
}

func directCall(f *gojq.Func) direct {
	if f.Name == "not" && len(f.Args) == 0 {
		return func(in any) (any, bool) { return !truth(in), true }
	}
	if len(f.Args) != 1 {
		return nil
	}
	arg, ok := text(f.Args[0])
	var test func(string) bool
	switch f.Name {
	case "startswith":
		test = func(s string) bool { return strings.HasPrefix(s, arg) }
	case "endswith":
		test = func(s string) bool { return strings.HasSuffix(s, arg) }
	case "test":
		x, err := compileRegex(arg, "")
		if err != nil {
			return nil
		}
		test = x.MatchString
	}
	if !ok || test == nil {
		return nil
	}
	return func(in any) (any, bool) {
		s, ok := in.(string)
		ok = ok && len(s) <= maxDirectText
		return ok && test(s), ok
	}
}
