package transform

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/itchyny/gojq"
)

const (
	maxExpr    = 64 << 10 // bytes of an expression
	maxOutputs = 1000     // values it may give
)

// expr is a compiled expression. It may be evaluated from many goroutines.
type expr struct {
	field, text string
	unset       []string // variables it reads that are not set
	null        bool     // it is the literal null

	timeout time.Duration
	env     *environment
	query   *gojq.Query // rewritten; read only
	uses    uses
	direct  direct // nil: the interpreter is needed
	slots   int    // variables that direct uses

	// A machine runs one evaluation at a time. The first is kept for good; the
	// pool has those that were made when it was in use.
	first atomic.Pointer[machine]
	pool  sync.Pool
}

// machine is the code of an expression with the account that its functions
// are bound to.
type machine struct {
	code *gojq.Code
	run  run
}

// compileError is an expression that does not compile.
type compileError struct {
	column        int // in its text, from 1; 0 where it is not known
	message, hint string
}

// compile compiles the expression text, found at field.
func compile(text, field string, timeout time.Duration, env *environment) (*expr, *compileError) {
	if len(text) > maxExpr {
		return nil, &compileError{message: fmt.Sprintf("the expression is longer than %d bytes", maxExpr)}
	}
	src := text
	if strings.TrimSpace(src) == "" {
		src = "." // as it has always been
	}
	q, err := gojq.Parse(src)
	if err != nil {
		return nil, parseError(text, err)
	}
	if q.Term == nil && q.Left == nil { // nothing but comments
		q.Term = identity().Term
	}
	prelude := loadPrelude()
	w := rewriter{prelude: prelude, env: env}
	w.query(q)
	if w.err != nil {
		return nil, nameError(text, w.err.message, w.err.token)
	}
	q.FuncDefs = append(prelude.link(&w.uses), q.FuncDefs...)
	e := &expr{field: field, text: text, unset: w.unset, timeout: timeout, env: env, query: q, uses: w.uses,
		null: q.Term != nil && q.Term.Type == gojq.TermTypeNull}
	m, err := e.machine()
	if err != nil {
		_, name, _ := strings.Cut(err.Error(), ": ")
		return nil, nameError(text, err.Error(), name)
	}
	e.first.Store(m)
	e.direct, e.slots = compileDirect(q, &e.uses)
	return e, nil
}

// parseError says where an expression does not parse.
func parseError(text string, err error) *compileError {
	ce := &compileError{message: err.Error(), hint: quoteHint(text)}
	var pe *gojq.ParseError
	if errors.As(err, &pe) {
		ce.column = max(1, pe.Offset-len(pe.Token)+1)
		if ce.message == "unexpected EOF" {
			ce.message = "the expression ends too early"
		}
	}
	return ce
}

// nameError says that an expression uses a name that does not exist.
func nameError(text, message, name string) *compileError {
	hint := quoteHint(text)
	if hint == "" {
		hint = dashHint(text, name)
	}
	return &compileError{column: find(text, name), message: message, hint: hint}
}

// find gives the column of a name in an expression, 0 where it is not there.
func find(text, name string) int {
	if name == "" {
		return 0
	}
	at := regexp.MustCompile(`(?:^|[^\w.$])(` + regexp.QuoteMeta(name) + `)(?:$|\W)`).FindStringSubmatchIndex(text)
	if at == nil {
		return 0
	}
	return at[2] + 1
}

// machine makes another machine. It cannot fail once it has not.
func (e *expr) machine() (*machine, error) {
	m := &machine{run: run{env: e.env, timeout: e.timeout}}
	options := make([]gojq.CompilerOption, 0, len(e.uses.functions))
	for name, f := range e.uses.functions {
		options = append(options, gojq.WithFunction(name, f.args, f.args, func(in any, args []any) any {
			if m.run.err != nil {
				return m.run.err
			}
			v := f.call(&m.run, in, args)
			if err, ok := v.(error); ok {
				return &ownError{err}
			}
			return v
		}))
	}
	var err error
	m.code, err = gojq.Compile(e.query, options...)
	return m, err
}

func (e *expr) take() *machine {
	if m := e.first.Swap(nil); m != nil {
		return m
	}
	if m, ok := e.pool.Get().(*machine); ok {
		return m
	}
	m, err := e.machine()
	if err != nil {
		panic("transform: compile again: " + err.Error()) // compile has done the same before
	}
	return m
}

func (e *expr) give(m *machine) {
	if !e.first.CompareAndSwap(nil, m) {
		e.pool.Put(m)
	}
}

// eval gives the first output of e for input, null where there is none. An
// error is about the expression and holds no value of the input, or it is the
// cause of ctx's end.
func (e *expr) eval(ctx context.Context, input any) (v any, err error) {
	m := e.take()
	m.run.start(ctx)
	defer func() {
		m.run.end()
		if p := recover(); p != nil {
			v, err = nil, errors.New("the evaluation broke down") // and its machine is dropped
			return
		}
		e.give(m)
	}()
	if e.direct != nil {
		f := frame{run: &m.run}
		if e.slots > 0 {
			f.vars = make([]any, e.slots)
		}
		if v, ok := e.direct(&f, input); ok {
			return m.run.settle(v)
		}
		m.run.end()
		m.run.start(ctx)
	}
	return m.eval(input)
}

func (m *machine) eval(input any) (any, error) {
	outputs := m.code.RunWithContext(&m.run, input)
	var first any
	for n := 0; ; n++ {
		v, ok := outputs.Next()
		if !ok {
			break
		}
		if err, ok := v.(error); ok {
			if m.run.err != nil {
				return nil, m.run.err
			}
			if halted(err) {
				break
			}
			return nil, cleanError(err)
		}
		if n >= maxOutputs {
			return nil, fmt.Errorf("gives more than %d values", maxOutputs)
		}
		if n == 0 {
			first = v
		}
	}
	return m.run.settle(first)
}

// halted reports whether an expression has ended itself with halt.
func halted(err error) bool {
	var h *gojq.HaltError
	return errors.As(err, &h) && h.Value() == nil && h.ExitCode() == 0
}
