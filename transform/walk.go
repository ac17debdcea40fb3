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

	computed int      // keys that are no constants, and so may be an index from an event
	fallback int      // > 0 in what // stands in for
	unset    []string // variables of the environment that are read, but not set
	patterns []pattern
	err      *rewriteError
}

// pattern is a constant regular expression or time format.
type pattern struct{ function, text, flags string }

// rewriteError is what is wrong with an expression that parses.
type rewriteError struct {
	message string
	token   string // the text it is about, to find its place
}

// maxNesting bounds how deep an expression may be nested.
const maxNesting = 5000

// runName is the variable that hands the account of the evaluation to the
// functions of guards.
const runName = "$__run"

func (w *walker) fail(message, token string) {
	if w.err == nil {
		w.err = &rewriteError{message, token}
	}
}

// walk visits what v holds, then v.
func (w *walker) walk(v reflect.Value, depth int) {
	if depth > maxNesting {
		w.fail("the expression is nested too deeply", "")
	}
	if w.err != nil {
		return
	}
	switch v.Kind() {
	case reflect.Slice:
		for i := range v.Len() {
			w.walk(v.Index(i), depth)
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
			w.walk(v.Elem().Field(i), depth+1)
		}
		w.visit(v.Interface())
	}
}

func (w *walker) visit(node any) {
	switch n := node.(type) {
	case *gojq.Term:
		w.term(n)
	case *gojq.FuncDef:
		if w.defines == nil {
			w.defines = map[string]bool{}
		}
		w.defines[signature(n.Name, len(n.Args))] = true
		for _, arg := range n.Args {
			w.defines[signature(strings.TrimPrefix(arg, "$"), 0)] = true
		}
	case *gojq.Func:
		w.call(n)
		w.replace(n)
	case *gojq.ObjectKeyVal:
		w.variable(n.Key)
	case *gojq.Index:
		if n.Start != nil && !n.IsSlice && !constant(n.Start) {
			w.computed++
			n.Start = pipe(n.Start, guard("_key"))
		}
	}
}

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

func (w *walker) query(q *gojq.Query, depth int) {
	if q.Meta != nil || len(q.Imports) > 0 {
		w.fail("modules cannot be used", "")
	}
	visit := func(v any) { w.walk(reflect.ValueOf(v), depth+1) }
	visit(q.FuncDefs)
	visit(q.Term)
	computed := w.computed
	if q.Op == gojq.OpAlt {
		w.fallback++
	}
	visit(q.Left)
	if q.Op == gojq.OpAlt {
		w.fallback--
	}
	computed = w.computed - computed
	visit(q.Patterns)
	visit(q.Right)
	switch q.Op {
	case gojq.OpAdd, gojq.OpSub, gojq.OpMul:
		*q = gojq.Query{FuncDefs: q.FuncDefs, Term: guard(q.Op.String(), q.Left, q.Right).Term}
		return
	case gojq.OpModify:
		w.deletes = true
	case gojq.OpUpdateAdd:
		w.uses["_add/2"] = true
	case gojq.OpUpdateSub:
		w.uses["_subtract/2"] = true
	case gojq.OpUpdateMul:
		w.uses["_multiply/2"] = true
	case gojq.OpAssign, gojq.OpUpdateDiv, gojq.OpUpdateMod, gojq.OpUpdateAlt:
	default:
		return
	}
	if computed > 0 {
		w.uses["_at/1"] = true
		q.Left = call("_at", q.Left)
	}
}

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
		w.interpolate(t, &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeFormat, Format: t.Format}})
	case gojq.TermTypeString:
		w.uses["tostring/0"] = w.uses["tostring/0"] || t.Str.Queries != nil
		w.interpolate(t, call("tostring"))
	}
}

var formats = []string{"@text", "@json", "@html", "@uri", "@urid", "@csv", "@tsv", "@sh", "@base64", "@base64d", "@base32"}

// interpolate turns text with values in it into a sum; format makes text of
// each value.
func (w *walker) interpolate(t *gojq.Term, format *gojq.Query) {
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
	key := signature(f.Name, len(f.Args))
	if g, ok := guards[f.Name]; ok && w.trusted && g.args == len(f.Args) {
		f.Args = append(f.Args, call(runName))
		return
	}
	w.uses[key] = true
	if key[0] == '_' && !w.trusted {
		w.hidden = key
	}
	switch key {
	case "getpath/1", "nth/1":
		w.computed++
	case "del/1", "delpaths/1", "map_values/1", "walk/1", "truncate_stream/1":
		w.deletes = true
	case "test/1", "match/1", "capture/1", "scan/1", "splits/1", "sub/2", "gsub/2", "strptime/1", "strftime/1", "strflocaltime/1",
		"test/2", "match/2", "capture/2", "scan/2", "splits/2", "sub/3", "gsub/3", "split/2":
		p, ok := pattern{function: key}, false
		if w.defines[key] {
			return
		}
		if p.text, ok = text(f.Args[0]); !ok {
			return
		}
		if n := len(f.Args); n == 3 || n == 2 && !strings.HasSuffix(f.Name, "sub") {
			if p.flags, ok = text(f.Args[n-1]); !ok {
				return
			}
		}
		w.patterns = append(w.patterns, p)
	}
}

// replace directs a call of sub or gsub that puts in a constant text to a
// function that need not evaluate anything for each match.
func (w *walker) replace(f *gojq.Func) {
	if f.Name != "sub" && f.Name != "gsub" || len(f.Args) != 2 || w.defines[signature(f.Name, 2)] {
		return
	}
	if _, ok := text(f.Args[1]); !ok {
		return
	}
	flags := &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeString, Str: &gojq.String{Str: strings.TrimSuffix(f.Name, "sub")}}}
	*f = *guard("_replace", f.Args[0], f.Args[1], flags).Term.Func
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
