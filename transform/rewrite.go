package transform

import (
	"strings"

	"github.com/itchyny/gojq"
)

// rewriter goes through a parsed expression and directs all that makes values,
// or goes through them, to functions with bounds: operators, iteration, text
// with values in it, and calls. Nothing of what an expression means changes,
// but for what jq 1.5 did differently from gojq.
//
// Names that the parser cannot produce, such as "+/2", are those of functions
// that expressions cannot call themselves.
type rewriter struct {
	prelude *prelude
	env     *environment // nil for the prelude
	trusted bool         // the prelude: may call functions with an underscore

	scope    []string // signatures of the functions that are in scope
	depth    int
	fallback int // > 0 in an operand that // stands in for
	uses     uses
	unset    []string // variables that are read, but not set
	err      *rewriteError
}

// rewriteError is what is wrong with an expression that parses.
type rewriteError struct {
	message string
	token   string // the text it is about, to find its place
}

// maxNesting bounds how deep an expression may be nested.
const maxNesting = 2000

func (w *rewriter) fail(message, token string) {
	if w.err == nil {
		w.err = &rewriteError{message, token}
	}
}

// enter counts a level of nesting. It is false where there is nothing to go
// into, or no further.
func (w *rewriter) enter(ok bool) bool {
	if !ok || w.err != nil {
		return false
	}
	if w.depth >= maxNesting {
		w.fail("the expression is nested too deeply", "")
		return false
	}
	w.depth++
	return true
}

func (w *rewriter) query(q *gojq.Query) {
	if !w.enter(q != nil) {
		return
	}
	mark := len(w.scope)
	defer func() { w.depth--; w.scope = w.scope[:mark] }()
	if q.Meta != nil || len(q.Imports) > 0 {
		w.fail("modules cannot be used", "")
		return
	}
	for _, fd := range q.FuncDefs {
		w.funcDef(fd)
	}
	if q.Term != nil {
		w.term(q.Term)
		return
	}
	if q.Op == gojq.OpAlt {
		w.fallback++
	}
	w.query(q.Left)
	if q.Op == gojq.OpAlt {
		w.fallback--
	}
	w.patterns(q.Patterns)
	w.query(q.Right)
	if w.err == nil {
		w.operator(q)
	}
}

// operator turns q into a call where it is an operator that computes.
func (w *rewriter) operator(q *gojq.Query) {
	switch q.Op {
	case gojq.OpAdd, gojq.OpSub, gojq.OpMul, gojq.OpDiv, gojq.OpMod,
		gojq.OpEq, gojq.OpNe, gojq.OpLt, gojq.OpLe, gojq.OpGt, gojq.OpGe:
		*q = gojq.Query{FuncDefs: q.FuncDefs, Term: w.own(q.Op.String(), q.Left, q.Right)}
	case gojq.OpAssign:
		*q = gojq.Query{FuncDefs: q.FuncDefs, Term: w.defined("_assign", q.Left, q.Right)}
	case gojq.OpModify:
		*q = gojq.Query{FuncDefs: q.FuncDefs, Term: w.defined("_modify", q.Left, q.Right)}
	case gojq.OpUpdateAdd:
		w.update(q, w.own("+", identity(), operand()))
	case gojq.OpUpdateSub:
		w.update(q, w.own("-", identity(), operand()))
	case gojq.OpUpdateMul:
		w.update(q, w.own("*", identity(), operand()))
	case gojq.OpUpdateDiv:
		w.update(q, w.own("/", identity(), operand()))
	case gojq.OpUpdateMod:
		w.update(q, w.own("%", identity(), operand()))
	case gojq.OpUpdateAlt:
		w.update(q, group(&gojq.Query{Left: identity(), Op: gojq.OpAlt, Right: operand()}))
	}
}

// operandName is the variable that holds the right side of an update.
const operandName = "$%"

func operand() *gojq.Query { return &gojq.Query{Term: function(operandName)} }

// update turns "l op= r" into "r as $% | l |= f", where f makes use of $%.
func (w *rewriter) update(q *gojq.Query, f *gojq.Term) {
	modify := w.defined("_modify", q.Left, &gojq.Query{Term: f})
	*q = gojq.Query{
		FuncDefs: q.FuncDefs,
		Left:     q.Right,
		Op:       gojq.OpPipe,
		Patterns: []*gojq.Pattern{{Name: operandName}},
		Right:    &gojq.Query{Term: modify},
	}
}

func (w *rewriter) funcDef(fd *gojq.FuncDef) {
	w.scope = append(w.scope, signature(fd.Name, len(fd.Args)))
	mark := len(w.scope)
	for _, arg := range fd.Args {
		w.scope = append(w.scope, signature(strings.TrimPrefix(arg, "$"), 0))
	}
	w.query(fd.Body)
	w.scope = w.scope[:mark]
}

func (w *rewriter) term(t *gojq.Term) {
	if !w.enter(t != nil) {
		return
	}
	defer func() { w.depth-- }()
	switch t.Type {
	case gojq.TermTypeIndex:
		w.index(t.Index)
	case gojq.TermTypeFunc:
		w.call(t)
	case gojq.TermTypeRecurse:
		w.replace(t, w.defined("recurse"))
	case gojq.TermTypeObject:
		for _, kv := range t.Object.KeyVals {
			w.member(kv)
		}
	case gojq.TermTypeArray:
		w.query(t.Array.Query)
	case gojq.TermTypeUnary:
		w.term(t.Unary.Term)
	case gojq.TermTypeFormat:
		w.format(t)
	case gojq.TermTypeString:
		w.text(t, "tostring")
	case gojq.TermTypeIf:
		w.query(t.If.Cond)
		w.query(t.If.Then)
		for _, e := range t.If.Elif {
			w.query(e.Cond)
			w.query(e.Then)
		}
		w.query(t.If.Else)
	case gojq.TermTypeTry:
		w.query(t.Try.Body)
		w.query(t.Try.Catch)
	case gojq.TermTypeReduce:
		w.query(t.Reduce.Query)
		w.patterns(t.Reduce.Patterns)
		w.query(t.Reduce.Start)
		w.query(t.Reduce.Update)
	case gojq.TermTypeForeach:
		w.query(t.Foreach.Query)
		w.patterns(t.Foreach.Patterns)
		w.query(t.Foreach.Start)
		w.query(t.Foreach.Update)
		w.query(t.Foreach.Extract)
	case gojq.TermTypeLabel:
		w.query(t.Label.Body)
	case gojq.TermTypeQuery:
		w.query(t.Query)
	}
	w.suffixes(t)
}

// replace puts r in the place of t and keeps what follows t.
func (w *rewriter) replace(t, r *gojq.Term) {
	suffixes := t.SuffixList
	*t = *r
	t.SuffixList = append(t.SuffixList, suffixes...)
}

// suffixes rewrites what follows a term. Before each iteration it puts a count
// of what that will go through.
func (w *rewriter) suffixes(t *gojq.Term) {
	suffixes := t.SuffixList
	t.SuffixList = nil
	for _, s := range suffixes {
		if s.Index != nil {
			w.index(s.Index)
		}
		if s.Iter {
			before := *t
			*t = *group(pipe(&gojq.Query{Term: &before}, w.hook("[]", preEntries)))
		}
		t.SuffixList = append(t.SuffixList, s)
	}
}

func (w *rewriter) index(x *gojq.Index) {
	if x.Str != nil && x.Str.Queries != nil {
		t := &gojq.Term{Type: gojq.TermTypeString, Str: x.Str}
		w.text(t, "tostring")
		x.Str, x.Start = nil, &gojq.Query{Term: t}
		return
	}
	w.query(x.Start)
	w.query(x.End)
	if x.Start != nil && !x.IsSlice && !literal(x.Start) {
		x.Start = pipe(x.Start, w.hook("[.]", preIndex))
	}
}

func (w *rewriter) member(kv *gojq.ObjectKeyVal) {
	if strings.HasPrefix(kv.Key, "$") {
		w.variable(kv.Key)
	}
	if kv.Key == "$__loc__" || kv.Key == "$ENV" {
		name := kv.Key
		if kv.Val == nil {
			t := function(name)
			w.call(t)
			kv.Key, kv.Val = name[1:], &gojq.Query{Term: t}
			return
		}
	}
	if kv.KeyString != nil && kv.KeyString.Queries != nil {
		t := &gojq.Term{Type: gojq.TermTypeString, Str: kv.KeyString}
		w.text(t, "tostring")
		kv.KeyString, kv.KeyQuery = nil, &gojq.Query{Term: t}
		if kv.Val == nil { // {"a\(b)"} is {"a\(b)": ."a\(b)"}
			kv.Val = &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeIndex, Index: &gojq.Index{Start: kv.KeyQuery}}}
			return
		}
	} else {
		w.query(kv.KeyQuery)
	}
	w.query(kv.Val)
}

func (w *rewriter) patterns(patterns []*gojq.Pattern) {
	for _, p := range patterns {
		w.patterns(p.Array)
		for _, kv := range p.Object {
			if kv.KeyString != nil && kv.KeyString.Queries != nil {
				t := &gojq.Term{Type: gojq.TermTypeString, Str: kv.KeyString}
				w.text(t, "tostring")
				kv.KeyString, kv.KeyQuery = nil, &gojq.Query{Term: t}
			} else if kv.KeyQuery != nil {
				w.query(kv.KeyQuery)
				kv.KeyQuery = pipe(kv.KeyQuery, w.hook("[.]", preIndex))
			}
			if kv.Val != nil {
				w.patterns([]*gojq.Pattern{kv.Val})
			}
		}
	}
}

// text turns text with values in it into a sum; format is the function that
// makes text of each value.
func (w *rewriter) text(t *gojq.Term, format string) {
	if t.Str.Queries == nil {
		return
	}
	var sum *gojq.Query
	for _, part := range t.Str.Queries {
		if part.Term == nil || part.Term.Str == nil {
			w.query(part)
			part = pipe(part, &gojq.Query{Term: w.builtin(format)})
		}
		if sum == nil {
			sum = part
			continue
		}
		sum = &gojq.Query{Term: w.own("+", sum, part)}
	}
	if sum == nil {
		sum = &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeString, Str: &gojq.String{}}}
	}
	w.replace(t, group(sum))
}

func (w *rewriter) format(t *gojq.Term) {
	if _, ok := builtins[signature(t.Format, 0)]; !ok {
		w.fail("format not defined: "+t.Format, t.Format)
		return
	}
	if t.Str == nil {
		w.replace(t, w.builtin(t.Format))
		return
	}
	if t.Str.Queries == nil {
		w.replace(t, &gojq.Term{Type: gojq.TermTypeString, Str: t.Str})
		return
	}
	w.text(t, t.Format)
}
