package transform

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/itchyny/gojq"
)

const (
	maxExpr    = 64 << 10 // bytes of an expression
	maxOutputs = 1000     // values it may give
)

// expr is a compiled expression. It may be evaluated from many goroutines.
type expr struct {
	place
	text  string
	unset []string // variables it reads that are not set
	null  bool     // it is the literal null

	timeout time.Duration
	env     *environment

	// direct evaluates the expression without the interpreter, with so many
	// variables; nil where that cannot be done.
	direct direct
	slots  int
	// free are machines that no evaluation uses, at most one for each
	// processor. Expressions that are evaluated directly have none until one
	// fails: of thousands of rules few are ever used.
	free chan *machine
}

// machine is the code of an expression with the account that its functions
// are bound to.
type machine struct {
	code *gojq.Code
	run  run
}

// compileError is an expression that does not compile.
type compileError struct {
	column        int // in its text, in bytes from 1; 0 where it is not known
	length        int // bytes that it is about from there
	message, hint string
}

// compile compiles the expression text, found at a place.
func compile(text string, at place, timeout time.Duration, env *environment) (*expr, *compileError) {
	if len(text) > maxExpr {
		return nil, &compileError{message: fmt.Sprintf("the expression is longer than %d bytes", maxExpr)}
	}
	e := &expr{place: at, text: text, timeout: timeout, env: env, free: make(chan *machine, runtime.GOMAXPROCS(0))}
	q, w, ce := e.rewrite()
	if ce != nil {
		return nil, ce
	}
	e.unset = w.unset
	e.null = q.Term != nil && q.Term.Type == gojq.TermTypeNull
	if e.direct, e.slots = compileDirect(q, &w.uses); e.direct != nil {
		return e, nil // every name in it has been found
	}
	m, err := e.machine(q, &w.uses)
	if err != nil {
		_, name, _ := strings.Cut(err.Error(), ": ")
		return nil, nameError(text, err.Error(), name)
	}
	e.give(m)
	return e, nil
}

// rewrite parses and rewrites the expression.
func (e *expr) rewrite() (*gojq.Query, *rewriter, *compileError) {
	src := e.text
	if strings.TrimSpace(src) == "" {
		src = "." // as it has always been
	}
	q, err := gojq.Parse(src)
	if err != nil {
		return nil, nil, parseError(e.text, err)
	}
	if q.Term == nil && q.Left == nil { // nothing but comments
		q.Term = identity().Term
	}
	prelude := loadPrelude()
	w := &rewriter{prelude: prelude, env: e.env}
	w.query(q)
	if w.err != nil {
		return nil, nil, nameError(e.text, w.err.message, w.err.token)
	}
	q.FuncDefs = append(prelude.link(&w.uses), q.FuncDefs...)
	return q, w, nil
}

// parseError says where an expression does not parse.
func parseError(text string, err error) *compileError {
	ce := &compileError{message: err.Error(), hint: quoteHint(text)}
	var pe *gojq.ParseError
	if errors.As(err, &pe) {
		ce.column, ce.length = max(1, pe.Offset-len(pe.Token)+1), len(pe.Token)
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
	return &compileError{column: find(text, name), length: len(name), message: message, hint: hint}
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

// machine makes a machine of a rewritten expression.
func (e *expr) machine(q *gojq.Query, u *uses) (*machine, error) {
	m := &machine{run: run{env: e.env, timeout: e.timeout}}
	options := make([]gojq.CompilerOption, 0, len(u.functions))
	for name, f := range u.functions {
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
	m.code, err = gojq.Compile(q, options...)
	return m, err
}

// take gives a machine that is free, or another one.
func (e *expr) take() (*machine, error) {
	select {
	case m := <-e.free:
		return m, nil
	default:
	}
	q, w, ce := e.rewrite()
	if ce != nil {
		return nil, errors.New(ce.message)
	}
	return e.machine(q, &w.uses)
}

func (e *expr) give(m *machine) {
	select {
	case e.free <- m:
	default:
	}
}

// eval gives the first output of e for input, null where there is none. An
// error is about the expression and holds no value of the input, or it is the
// cause of ctx's end.
func (e *expr) eval(ctx context.Context, input any) (any, error) {
	if e.direct != nil {
		if v, ok, err := e.evalDirect(ctx, input); ok {
			return v, err
		}
	}
	return e.interpret(ctx, input)
}

// evalDirect evaluates e without the interpreter. ok is false where it failed.
func (e *expr) evalDirect(ctx context.Context, input any) (v any, ok bool, err error) {
	f := e.env.frame(e)
	f.run.start(ctx)
	defer func() {
		f.run.end()
		if recover() != nil { // the interpreter says what it is
			v, ok, err = nil, false, nil
			return
		}
		e.env.done(f)
	}()
	if v, ok = e.direct(f, input); !ok {
		return nil, false, nil
	}
	v, err = f.run.settle(v)
	return v, true, err
}

// interpret evaluates e with the interpreter.
func (e *expr) interpret(ctx context.Context, input any) (v any, err error) {
	m, err := e.take()
	if err != nil {
		return nil, err
	}
	m.run.start(ctx)
	defer func() {
		m.run.end()
		if recover() != nil { // and the machine is dropped
			v, err = nil, errors.New("the evaluation broke down")
			return
		}
		e.give(m)
	}()
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
