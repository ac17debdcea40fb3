package transform

import (
	"reflect"
	"slices"
	"strings"

	"github.com/itchyny/gojq"
)

// walker goes through a parsed expression. It notes what the expression uses,
// and rewrites what has to be guarded and cannot be defined in the prelude:
// operators, text with values in it, computed keys.
type walker struct {
	trusted bool            // it is the prelude, which may call hidden functions
	env     *environment    // nil for the prelude
	uses    map[string]bool // functions, by signature
	defines map[string]bool // those that it defines itself
	hidden  string          // a function that it must not call
	deletes bool            // it may delete, which in gojq writes to the input and to constants

	computed int       // keys that are no constants, and so may be an index from an event
	fallback int       // > 0 in what // stands in for
	unset    []string  // variables of the environment that are read, but not set
	patterns []pattern // constant regular expressions and formats of times
	fault    string    // what is wrong with the expression
	token    string    // the text that fault is about
}

// pattern is a constant regular expression or format of times.
type pattern struct{ function, text, flags string }

// maxNesting bounds how deep an expression may be nested.
const maxNesting = 5000

// runName is the variable that hands the account of the evaluation to the
// functions of guards.
const runName = "$__run"

func (w *walker) fail(message, token string) {
	if w.fault == "" {
		w.fault, w.token = message, token
	}
}

// walk visits what v holds, then v.
func (w *walker) walk(v any, depth int) {
	w.value(reflect.ValueOf(v), depth)
}

func (w *walker) value(v reflect.Value, depth int) {
	if depth > maxNesting {
		w.fail("the expression is nested too deeply", "")
	}
	if w.fault != "" {
		return
	}
	switch v.Kind() {
	case reflect.Slice:
		for i := range v.Len() {
			w.value(v.Index(i), depth)
		}
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		if q, ok := v.Interface().(*gojq.Query); ok {
			w.query(q, depth)
			return
		}
		for i := range v.Elem().NumField() {
			w.value(v.Elem().Field(i), depth+1)
		}
		w.visit(v.Interface())
	}
}

func (w *walker) query(q *gojq.Query, depth int) {
	if q.Meta != nil || len(q.Imports) > 0 {
		w.fail("modules cannot be used", "")
	}
	w.walk(q.FuncDefs, depth+1)
	w.walk(q.Term, depth+1)
	computed, fallback := w.computed, w.fallback
	if q.Op == gojq.OpAlt {
		w.fallback++
	}
	w.walk(q.Left, depth+1)
	w.fallback, computed = fallback, w.computed-computed
	w.walk(q.Patterns, depth+1)
	w.walk(q.Right, depth+1)
	switch q.Op {
	case gojq.OpAdd, gojq.OpSub, gojq.OpMul:
		*q = gojq.Query{FuncDefs: q.FuncDefs, Term: guard(q.Op.String(), q.Left, q.Right).Term}
	case gojq.OpAssign, gojq.OpModify, gojq.OpUpdateAdd, gojq.OpUpdateSub, gojq.OpUpdateMul, gojq.OpUpdateDiv, gojq.OpUpdateMod, gojq.OpUpdateAlt:
		w.deletes = w.deletes || q.Op == gojq.OpModify
		for op, name := range map[gojq.Operator]string{gojq.OpUpdateAdd: "_add/2", gojq.OpUpdateSub: "_subtract/2", gojq.OpUpdateMul: "_multiply/2"} {
			w.uses[name] = w.uses[name] || q.Op == op
		}
		if computed > 0 {
			w.uses["_at/1"] = true
			q.Left = call("_at", q.Left)
		}
	}
}

func (w *walker) visit(node any) {
	switch n := node.(type) {
	case *gojq.Term:
		w.term(n)
	case *gojq.FuncDef:
		w.defines[signature(n.Name, len(n.Args))] = true
		for _, arg := range n.Args {
			w.variable(arg)
			w.defines[signature(strings.TrimPrefix(arg, "$"), 0)] = true
		}
	case *gojq.Func:
		w.call(n)
	case *gojq.ObjectKeyVal:
		w.variable(n.Key)
	case *gojq.Pattern:
		w.variable(n.Name)
	case *gojq.PatternObject:
		w.variable(n.Key)
	case *gojq.Index:
		if n.Start != nil && !n.IsSlice && !constant(n.Start) {
			w.computed++
			n.Start = pipe(n.Start, guard("_key"))
		}
	}
}

var formats = []string{"@text", "@json", "@html", "@uri", "@urid", "@csv", "@tsv", "@sh", "@base64", "@base64d", "@base32"}

func (w *walker) term(t *gojq.Term) {
	switch t.Type {
	case gojq.TermTypeFunc:
		if t.Func.Name == "$ENV" || t.Func.Name == "env" && len(t.Func.Args) == 0 {
			w.reads(t.SuffixList)
		}
	case gojq.TermTypeFormat:
		if !slices.Contains(formats, t.Format) {
			w.fail("format not defined: "+t.Format, t.Format)
		}
		w.uses["_touri/0"] = w.uses["_touri/0"] || t.Format == "@uri"
		w.uses["format/1"] = w.uses["format/1"] || t.Format == "@base32"
		interpolate(t, &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeFormat, Format: t.Format}})
	case gojq.TermTypeString:
		w.uses["tostring/0"] = w.uses["tostring/0"] || t.Str.Queries != nil
		interpolate(t, call("tostring"))
	}
}

// interpolate turns text with values in it into a sum; format makes text of
// each value.
func interpolate(t *gojq.Term, format *gojq.Query) {
	if t.Str == nil || t.Str.Queries == nil {
		return
	}
	var sum *gojq.Query
	for _, part := range t.Str.Queries {
		if part.Term == nil || part.Term.Str == nil {
			part = pipe(part, format)
		}
		if sum != nil {
			part = guard("+", sum, part)
		}
		sum = part
	}
	*t = gojq.Term{Type: gojq.TermTypeQuery, Query: sum, SuffixList: t.SuffixList}
}

// call notes the call of a function or the use of a variable.
func (w *walker) call(f *gojq.Func) {
	w.variable(f.Name)
	if g, ok := guards[f.Name]; ok && w.trusted && g.args == len(f.Args) {
		f.Args = append(f.Args, call(runName))
		return
	}
	key := signature(f.Name, len(f.Args))
	w.uses[key] = true
	if key[0] == '_' && !w.trusted {
		w.hidden = key
	}
	switch key {
	case "getpath/1", "nth/1":
		w.computed++
	case "del/1", "delpaths/1", "map_values/1", "walk/1", "truncate_stream/1":
		w.deletes = true
	}
	if !w.defines[key] {
		w.pattern(f, key)
	}
}

// patterned are the functions that take a regular expression or a format of
// times, with the place of the flags among the arguments.
var patterned = map[string]int{"test/1": 0, "match/1": 0, "capture/1": 0, "scan/1": 0, "splits/1": 0, "sub/2": 0, "gsub/2": 0,
	"test/2": 1, "match/2": 1, "capture/2": 1, "scan/2": 1, "splits/2": 1, "split/2": 1, "sub/3": 2, "gsub/3": 2,
	"strptime/1": 0, "strftime/1": 0, "strflocaltime/1": 0}

// pattern notes a constant regular expression or format of times, and directs
// a call of sub or gsub that puts in a constant text to a function that need
// not evaluate anything for each match.
func (w *walker) pattern(f *gojq.Func, key string) {
	flagsAt, ok := patterned[key]
	if !ok {
		return
	}
	p, constant := pattern{function: f.Name}, false
	if p.text, constant = text(f.Args[0]); constant && flagsAt > 0 {
		p.flags, constant = text(f.Args[flagsAt])
	}
	if constant {
		w.patterns = append(w.patterns, p)
	}
	if key != "sub/2" && key != "gsub/2" {
		return
	}
	if _, ok := text(f.Args[1]); ok {
		flags := &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeString, Str: &gojq.String{Str: strings.TrimSuffix(f.Name, "sub")}}}
		*f = *call("_swap", f.Args[0], f.Args[1], flags).Term.Func
		w.uses["_swap/3"] = true
	}
}

// variable is told of each variable that is used.
func (w *walker) variable(name string) {
	if strings.Contains(name, "::") {
		w.fail("modules cannot be used", name)
	}
	if name == runName && !w.trusted {
		w.fail("variable not defined: "+name, name)
	}
}

// reads notes the variable of the environment that an expression reads, where
// it is not set and nothing stands in for it.
func (w *walker) reads(suffixes []*gojq.Suffix) {
	if w.env == nil || w.fallback > 0 || len(suffixes) == 0 || suffixes[0].Index == nil {
		return
	}
	name := indexName(suffixes[0].Index)
	if _, ok := w.env.values[name]; !ok && name != "" && !slices.Contains(w.unset, name) {
		w.unset = append(w.unset, name)
	}
}

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
