package transform

import "github.com/itchyny/gojq"

// constant reports whether q is a number or a text.
func constant(q *gojq.Query) bool {
	if q.Term == nil || len(q.Term.SuffixList) > 0 {
		return false
	}
	t := q.Term.Type
	return t == gojq.TermTypeNumber || t == gojq.TermTypeUnary || t == gojq.TermTypeString && q.Term.Str.Queries == nil
}

// text gives the text that q is, if it is constant.
func text(q *gojq.Query) (string, bool) {
	if !constant(q) || q.Term.Type != gojq.TermTypeString {
		return "", false
	}
	return q.Term.Str.Str, true
}

// indexName gives the constant name that an index asks for, "" for any other.
func indexName(x *gojq.Index) string {
	switch {
	case x.Str != nil && x.Str.Queries == nil:
		return x.Str.Str
	case x.Start != nil && !x.IsSlice:
		name, _ := text(x.Start)
		return name
	}
	return x.Name
}

func call(name string, args ...*gojq.Query) *gojq.Query {
	return &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeFunc, Func: &gojq.Func{Name: name, Args: args}}}
}

// guard makes the call of a function of guards.
func guard(name string, args ...*gojq.Query) *gojq.Query {
	return call(name, append(args, call(runName))...)
}

func pipe(l, r *gojq.Query) *gojq.Query {
	return &gojq.Query{Left: l, Op: gojq.OpPipe, Right: r}
}
