package jq

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
	prelude bool            // it is the prelude, which guards itself
	env     *Environment    // nil for the prelude
	uses    map[string]bool // functions, by signature
	defines map[string]bool // those that it defines itself
	deletes bool            // it may delete, which in gojq writes to the input and to constants

	computed int       // keys that are no constants, and so may be an index from an event
	fallback int       // > 0 in what // stands in for
	unset    []string  // variables of the environment that are read, but not set
	patterns []pattern // constant regular expressions and formats of times
	format   string    // one that does not exist
}

// runName is the variable that hands the account of the evaluation to the
// functions of guards.
const runName = "$__run"

// walk visits what v holds, then v.
func (w *walker) walk(v any) { w.value(reflect.ValueOf(v)) }

func (w *walker) value(v reflect.Value) {
	switch {
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			w.value(v.Index(i))
		}
	case v.Kind() == reflect.Pointer && !v.IsNil():
		if q, ok := v.Interface().(*gojq.Query); ok {
			w.query(q)
			return
		}
		for i := range v.Elem().NumField() {
			w.value(v.Elem().Field(i))
		}
		w.visit(v.Interface())
	}
}

// operators are the functions of the prelude that apply an operator.
var operators = map[gojq.Operator]string{gojq.OpAdd: "_sum", gojq.OpSub: "_difference", gojq.OpMul: "_product", gojq.OpDiv: "_quotient"}

func (w *walker) query(q *gojq.Query) {
	w.walk(q.FuncDefs)
	w.walk(q.Term)
	computed, fallback := w.computed, w.fallback
	if q.Op == gojq.OpAlt {
		w.fallback++
	}
	w.walk(q.Left)
	w.fallback, computed = fallback, w.computed-computed
	w.walk(q.Patterns)
	w.walk(q.Right)
	switch q.Op {
	case gojq.OpAdd, gojq.OpSub, gojq.OpMul, gojq.OpDiv:
		if !w.prelude {
			w.guard(q)
		}
	case gojq.OpAssign, gojq.OpModify, gojq.OpUpdateAdd, gojq.OpUpdateSub, gojq.OpUpdateMul, gojq.OpUpdateDiv, gojq.OpUpdateMod, gojq.OpUpdateAlt:
		w.deletes = w.deletes || q.Op == gojq.OpModify
		for _, name := range []string{"_add/2", "_subtract/2", "_multiply/2", "_divide/2"} { // by these names gojq calls them
			w.uses[name] = true
		}
		if computed > 0 {
			q.Left = w.call("_at", q.Left)
		}
	}
}

// guard makes a call of an operation, one of operators.
func (w *walker) guard(q *gojq.Query) {
	q.Left, q.Op, q.Right = w.call("_sides", q.Left, q.Right), gojq.OpPipe, w.call(operators[q.Op])
}

// call makes the call of a function of the prelude or of guards.
func (w *walker) call(name string, args ...*gojq.Query) *gojq.Query {
	f := &gojq.Func{Name: name, Args: args}
	w.function(f)
	return &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeFunc, Func: f}}
}

func pipe(l, r *gojq.Query) *gojq.Query {
	return &gojq.Query{Left: l, Op: gojq.OpPipe, Right: r}
}

func (w *walker) visit(node any) {
	switch n := node.(type) {
	case *gojq.Term:
		w.term(n)
	case *gojq.FuncDef:
		w.defines[signature(n.Name, len(n.Args))] = true
		for _, arg := range n.Args {
			w.defines[signature(strings.TrimPrefix(arg, "$"), 0)] = true
		}
	case *gojq.Func:
		w.function(n)
	case *gojq.Index:
		if n.Start != nil && !n.IsSlice && !constant(n.Start) {
			w.computed++
			n.Start = pipe(n.Start, w.call("_key"))
		}
	}
}

// formats are those that exist, with the functions that gojq calls for them.
var formats = map[string]string{"@text": "tostring", "@json": "tojson", "@html": "_tohtml", "@uri": "_touri", "@urid": "_tourid",
	"@csv": "_tocsv", "@tsv": "_totsv", "@sh": "_tosh", "@base64": "_tobase64", "@base64d": "_tobase64d"}

// term rewrites text with values in it as a sum.
func (w *walker) term(t *gojq.Term) {
	if t.Type == gojq.TermTypeFunc && (t.Func.Name == "$ENV" || t.Func.Name == "env" && len(t.Func.Args) == 0) {
		w.reads(t.SuffixList)
	}
	if t.Format != "" {
		if formats[t.Format] == "" {
			w.format = t.Format
		}
		w.uses[signature(formats[t.Format], 0)] = true
	}
	if t.Str == nil || t.Str.Queries == nil || w.prelude {
		return
	}
	format := &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeFormat, Format: t.Format}}
	if t.Format == "" {
		format = w.call("tostring")
	}
	var sum *gojq.Query
	for _, part := range t.Str.Queries {
		if part.Term == nil || part.Term.Str == nil {
			part = pipe(part, format)
		}
		if sum != nil {
			part = &gojq.Query{Left: sum, Op: gojq.OpAdd, Right: part}
			w.guard(part)
		}
		sum = part
	}
	*t = gojq.Term{Type: gojq.TermTypeQuery, Query: sum, SuffixList: t.SuffixList}
}

// patterned are the functions that take a regular expression or a format of
// times, with how many arguments stand before the flags.
var patterned = map[string]int{"test": 1, "match": 1, "capture": 1, "scan": 1, "splits": 1, "sub": 2, "gsub": 2,
	"split": 1, "strptime": 1, "strftime": 1, "strflocaltime": 1}

// function notes the call of a function.
func (w *walker) function(f *gojq.Func) {
	key := signature(f.Name, len(f.Args))
	if w.defines[key] {
		return
	}
	if g, ok := guards[f.Name]; ok && g.args == len(f.Args) {
		f.Args = append(f.Args, &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeFunc, Func: &gojq.Func{Name: runName}}})
		return
	}
	w.uses[key] = true
	switch key {
	case "getpath/1", "nth/1":
		w.computed++
	case "del/1", "delpaths/1", "map_values/1", "walk/1", "truncate_stream/1":
		w.deletes = true
	}
	flags, ok := patterned[f.Name]
	if !ok || len(f.Args) < flags || key == "split/1" {
		return
	}
	p, constant := pattern{function: f.Name}, false
	if p.text, constant = text(f.Args[0]); constant && len(f.Args) > flags {
		p.flags, constant = text(f.Args[flags])
	}
	if constant {
		w.patterns = append(w.patterns, p)
	}
	if _, ok := text(f.Args[len(f.Args)-1]); ok && (key == "sub/2" || key == "gsub/2") {
		// What is put in is constant: nothing has to be evaluated for each match.
		f.Name = "_" + f.Name
		w.uses["_"+key] = true
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

// text returns the text that q is, if it is constant.
func text(q *gojq.Query) (string, bool) {
	if !constant(q) || q.Term.Type != gojq.TermTypeString {
		return "", false
	}
	return q.Term.Str.Str, true
}

// indexName returns the constant name that an index asks for, "" for any other.
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
