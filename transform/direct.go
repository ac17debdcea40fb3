package transform

import (
	"slices"
	"strconv"

	"github.com/itchyny/gojq"
)

// Most expressions of a mapping are a path, a constant, a comparison of the
// two or a few texts put together. These are evaluated directly: it gives the
// same at a tenth of what it takes to set up the interpreter, which shows
// where thousands of rules are tried for each event.
//
// Only what gives exactly one value is evaluated so, and only as long as
// nothing fails: on any error the interpreter evaluates the whole expression
// again and says what is wrong.

// direct is a piece of an expression. ok is false where it failed.
type direct func(f *frame, in any) (v any, ok bool)

// frame is the state of one direct evaluation.
type frame struct {
	run  run
	vars []any
}

// frame gives a frame for an evaluation of x; done takes it back.
func (e *environment) frame(x *expr) *frame {
	f, ok := e.frames.Get().(*frame)
	if !ok {
		f = &frame{run: run{env: e}}
	}
	f.run.timeout = x.timeout
	f.vars = slices.Grow(f.vars[:0], x.slots)[:x.slots]
	return f
}

func (e *environment) done(f *frame) {
	clear(f.vars)
	e.frames.Put(f)
}

// directCompiler makes direct of a rewritten expression.
type directCompiler struct {
	uses  *uses
	names []string // variables in scope, by slot
	slots int
}

// compileDirect gives nil for what needs the interpreter.
func compileDirect(q *gojq.Query, u *uses) (d direct, slots int) {
	c := directCompiler{uses: u}
	d = c.query(q)
	return d, c.slots
}

func (c *directCompiler) query(q *gojq.Query) direct {
	if q == nil || len(q.FuncDefs) > 0 {
		return nil
	}
	if q.Term != nil {
		return c.term(q.Term)
	}
	if len(q.Patterns) > 0 {
		return c.bind(q)
	}
	l, r := c.query(q.Left), c.query(q.Right)
	if l == nil || r == nil {
		return nil
	}
	switch q.Op {
	case gojq.OpPipe:
		return func(f *frame, in any) (any, bool) {
			v, ok := l(f, in)
			if !ok {
				return nil, false
			}
			return r(f, v)
		}
	case gojq.OpAlt:
		return func(f *frame, in any) (any, bool) {
			v, ok := l(f, in)
			if !ok || truth(v) {
				return v, ok
			}
			return r(f, in)
		}
	case gojq.OpAnd, gojq.OpOr:
		decides := q.Op == gojq.OpOr // the truth of the left side that is enough
		return func(f *frame, in any) (any, bool) {
			v, ok := l(f, in)
			if !ok || truth(v) == decides {
				return decides, ok
			}
			v, ok = r(f, in)
			return truth(v), ok
		}
	}
	return nil
}

func truth(v any) bool { return v != nil && v != false }

// bind is "l as $x | r".
func (c *directCompiler) bind(q *gojq.Query) direct {
	if len(q.Patterns) != 1 || q.Patterns[0].Name == "" {
		return nil
	}
	l := c.query(q.Left)
	c.names = append(c.names, q.Patterns[0].Name)
	slot := len(c.names) - 1
	c.slots = max(c.slots, slot+1)
	r := c.query(q.Right)
	c.names = c.names[:slot]
	if l == nil || r == nil {
		return nil
	}
	return func(f *frame, in any) (any, bool) {
		v, ok := l(f, in)
		if !ok {
			return nil, false
		}
		f.vars[slot] = v
		return r(f, in)
	}
}

func (c *directCompiler) term(t *gojq.Term) direct {
	d := c.base(t)
	for _, s := range t.SuffixList {
		if d == nil || s.Index == nil || s.Iter || s.Optional {
			return nil
		}
		d = c.index(d, s.Index)
	}
	return d
}

func (c *directCompiler) base(t *gojq.Term) direct {
	switch t.Type {
	case gojq.TermTypeIdentity:
		return func(_ *frame, in any) (any, bool) { return in, true }
	case gojq.TermTypeNull:
		return constant(nil)
	case gojq.TermTypeTrue:
		return constant(true)
	case gojq.TermTypeFalse:
		return constant(false)
	case gojq.TermTypeNumber:
		if i, err := strconv.Atoi(t.Number); err == nil {
			return constant(i)
		}
	case gojq.TermTypeString:
		if t.Str.Queries == nil {
			return constant(t.Str.Str)
		}
	case gojq.TermTypeIndex:
		return c.index(func(_ *frame, in any) (any, bool) { return in, true }, t.Index)
	case gojq.TermTypeQuery:
		return c.query(t.Query)
	case gojq.TermTypeIf:
		return c.choice(t.If.Cond, t.If.Then, t.If.Elif, t.If.Else)
	case gojq.TermTypeFunc:
		return c.call(t.Func)
	}
	return nil
}

func constant(v any) direct { return func(*frame, any) (any, bool) { return v, true } }

func (c *directCompiler) index(d direct, x *gojq.Index) direct {
	name := x.Name
	switch {
	case x.Str != nil && x.Str.Queries == nil:
		name = x.Str.Str
	case x.Start != nil || x.IsSlice || name == "":
		return nil
	}
	return func(f *frame, in any) (any, bool) {
		v, ok := d(f, in)
		if !ok || v == nil {
			return nil, ok
		}
		m, ok := v.(map[string]any)
		return m[name], ok
	}
}

func (c *directCompiler) choice(cond, then *gojq.Query, elif []*gojq.IfElif, otherwise *gojq.Query) direct {
	test, yes := c.query(cond), c.query(then)
	var no direct
	switch {
	case len(elif) > 0:
		no = c.choice(elif[0].Cond, elif[0].Then, elif[1:], otherwise)
	case otherwise == nil:
		no = func(_ *frame, in any) (any, bool) { return in, true }
	default:
		no = c.query(otherwise)
	}
	if test == nil || yes == nil || no == nil {
		return nil
	}
	return func(f *frame, in any) (any, bool) {
		v, ok := test(f, in)
		if !ok {
			return nil, false
		}
		if truth(v) {
			return yes(f, in)
		}
		return no(f, in)
	}
}

// call is a variable or one of the package's own functions.
func (c *directCompiler) call(fn *gojq.Func) direct {
	for slot := len(c.names) - 1; slot >= 0; slot-- {
		if c.names[slot] == fn.Name {
			return func(f *frame, _ any) (any, bool) { return f.vars[slot], true }
		}
	}
	own, ok := c.uses.functions[fn.Name]
	if !ok {
		return nil
	}
	args := make([]direct, len(fn.Args))
	for i, arg := range fn.Args {
		if args[i] = c.query(arg); args[i] == nil {
			return nil
		}
	}
	if fn.Name == "==/2" {
		return equal(args[0], args[1], own.call)
	}
	return func(f *frame, in any) (any, bool) {
		values := make([]any, len(args))
		for i, arg := range args {
			var ok bool
			if values[i], ok = arg(f, in); !ok {
				return nil, false
			}
		}
		v := own.call(&f.run, in, values)
		_, failed := v.(error)
		return v, !failed
	}
}

// equal is the operator that nearly every rule is chosen by.
func equal(l, r direct, general ownFunc) direct {
	return func(f *frame, in any) (any, bool) {
		x, ok := l(f, in)
		if !ok {
			return nil, false
		}
		y, ok := r(f, in)
		if !ok {
			return nil, false
		}
		if s, ok := x.(string); ok {
			if t, ok := y.(string); ok {
				return s == t, true
			}
		}
		v := general(&f.run, nil, []any{x, y})
		_, failed := v.(error)
		return v, !failed
	}
}
