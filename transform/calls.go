package transform

import (
	"cmp"
	"slices"
	"strings"

	"github.com/itchyny/gojq"
)

// call resolves the call of a function or the use of a variable.
func (w *rewriter) call(t *gojq.Term) {
	f := t.Func
	if strings.HasPrefix(f.Name, "$") {
		w.variable(f.Name)
		switch f.Name {
		case "$ENV":
			w.reads(t.SuffixList)
			w.replace(t, w.builtin("env"))
		case "$__loc__":
			w.replace(t, location())
		}
		return
	}
	for _, arg := range f.Args {
		w.query(arg)
	}
	key := signature(f.Name, len(f.Args))
	if slices.Contains(w.scope, key) {
		return
	}
	switch key {
	case "debug/0", "debug/1", "stderr/0":
		w.replace(t, &gojq.Term{Type: gojq.TermTypeIdentity})
		return
	case "env/0":
		w.reads(t.SuffixList)
	}
	if args := replacement(key, f.Args); args != nil {
		w.replace(t, w.builtin("_replace", args...))
		return
	}
	if w.trusted || !strings.HasPrefix(f.Name, "_") {
		if _, ok := w.prelude.byName[key]; ok {
			w.replace(t, w.defined(f.Name, f.Args...))
			return
		}
		if _, ok := builtins[key]; ok {
			w.replace(t, w.builtin(f.Name, f.Args...))
			return
		}
	}
	w.fail("function not defined: "+key, f.Name)
}

// replacement gives the arguments of _replace (the expression, the text, the
// flags, and whether all matches count) for a call of sub or gsub that puts in
// a constant text, and nil for any other.
func replacement(key string, args []*gojq.Query) []*gojq.Query {
	if !strings.HasPrefix(key, "sub/") && !strings.HasPrefix(key, "gsub/") || len(args) < 2 || len(args) > 3 {
		return nil
	}
	if t := args[1].Term; t == nil || t.Type != gojq.TermTypeString || t.Str.Queries != nil || len(t.SuffixList) > 0 {
		return nil
	}
	flags := &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeString, Str: &gojq.String{}}}
	if len(args) == 3 {
		flags = args[2]
	}
	global := &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeFalse}}
	if strings.HasPrefix(key, "gsub/") {
		global = &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeTrue}}
	}
	return []*gojq.Query{args[0], args[1], flags, global}
}

// variable is told of each variable that is used.
func (w *rewriter) variable(name string) {
	if strings.Contains(name, "::") {
		w.fail("modules cannot be used", name)
	}
}

// reads notes the variable of the environment that an expression reads, where
// it is not set and nothing stands in for it.
func (w *rewriter) reads(suffixes []*gojq.Suffix) {
	if w.env == nil || w.fallback > 0 || len(suffixes) == 0 || suffixes[0].Index == nil {
		return
	}
	name := suffixes[0].Index.Name
	if s := suffixes[0].Index.Str; s != nil && s.Queries == nil {
		name = s.Str
	}
	if x := suffixes[0].Index.Start; x != nil && !suffixes[0].Index.IsSlice &&
		x.Term != nil && x.Term.Type == gojq.TermTypeString && x.Term.Str.Queries == nil && len(x.Term.SuffixList) == 0 {
		name = x.Term.Str.Str
	}
	if name == "" || slices.Contains(w.unset, name) {
		return
	}
	if _, ok := w.env.values[name]; !ok {
		w.unset = append(w.unset, name)
	}
}

// location is what $__loc__ stands for. Where in a text it stood is not known.
func location() *gojq.Term {
	return &gojq.Term{Type: gojq.TermTypeObject, Object: &gojq.Object{KeyVals: []*gojq.ObjectKeyVal{
		{Key: "file", Val: &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeString, Str: &gojq.String{Str: "<top-level>"}}}},
		{Key: "line", Val: &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeNumber, Number: "1"}}},
	}}}
}

// defined makes the call of a function of the prelude.
func (w *rewriter) defined(name string, args ...*gojq.Query) *gojq.Term {
	w.uses.addPrelude(signature(name, len(args)))
	return function(hidden(name), args...)
}

// builtin makes the call of one of builtins.
func (w *rewriter) builtin(name string, args ...*gojq.Query) *gojq.Term {
	key := signature(name, len(args))
	b := builtins[key]
	if b.own != nil {
		return w.own(name, args...)
	}
	if b.arg != nil {
		for i, arg := range args {
			args[i] = pipe(arg, w.hook(key+" argument", b.arg))
		}
	}
	t := function(cmp.Or(b.as, name), args...)
	if b.pre != nil {
		t = group(pipe(w.hook(key+" before", b.pre), &gojq.Query{Term: t}))
	}
	if b.post != nil {
		t = group(pipe(&gojq.Query{Term: t}, w.hook(key+" after", b.post)))
	}
	return t
}

// own makes the call of one of the package's own functions.
func (w *rewriter) own(name string, args ...*gojq.Query) *gojq.Term {
	key := signature(name, len(args))
	w.uses.addFunction(key, ownFunction{len(args), builtins[key].own})
	return function(key, args...)
}

// hook makes the call of a function that looks at its input and passes it on.
func (w *rewriter) hook(key string, look preFunc) *gojq.Query {
	w.uses.addFunction(key, ownFunction{0, func(r *run, in any, _ []any) any {
		if err := look(r, in); err != nil {
			return err
		}
		return in
	}})
	return &gojq.Query{Term: function(key)}
}
