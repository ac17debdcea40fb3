package jq

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/itchyny/gojq"
)

const (
	maxExpr    = 64 << 10 // bytes of an expression
	maxOutputs = 1000     // values it may return
)

// Expr is a compiled expression. It may be evaluated from many goroutines; its
// fields do not change.
type Expr struct {
	Text     string
	Unset    []string  // variables of the environment that it reads, but that are not set
	Literals []Literal // constant texts that it may return
	Faults   []Fault   // constant regular expressions and formats of times that cannot work

	env   *Environment
	query *gojq.Query // as it is written, for Environment.direct
	code  *gojq.Code
	// deletes says that the expression may delete: gojq does so in its input and
	// in the constants of the code. Then it is evaluated by one at a time.
	deletes  bool
	deleting sync.Mutex
}

// Fault is a part of an expression that cannot work.
type Fault struct {
	Message string
	Hint    string // what to write instead; may be empty
	// Start and End are the part of the text, in bytes; 0 where it is not known.
	Start, End int
}

// variables are what every query sees. Their values are those of Expr.Eval.
var variables = []string{runName, "$ENV", "$__loc__"}

// Compile compiles the expression text, or says what is wrong with it. A blank
// text is the identity.
func (env *Environment) Compile(text string) (*Expr, *Fault) {
	if len(text) > maxExpr {
		return nil, &Fault{Message: fmt.Sprintf("the expression is longer than %d bytes", maxExpr)}
	}
	if i := strings.IndexByte(text, 0); i >= 0 { // where gojq would stop to read
		return nil, &Fault{Message: "the expression holds a NUL character", Hint: "remove it", Start: i, End: i + 1}
	}
	q, err := gojq.Parse(text)
	if err != nil {
		return nil, parseError(text, err)
	}
	if q.Term == nil && q.Left == nil { // nothing but blanks and comments
		q.Term = &gojq.Term{Type: gojq.TermTypeIdentity}
	}
	e := &Expr{Text: text, Literals: literals(text, q), env: env}
	w := walker{env: env, uses: map[string]bool{}, defines: map[string]bool{}}
	w.walk(q)
	if w.format != "" {
		return nil, nameError(text, "format not defined: "+w.format, w.format)
	}
	e.Unset, e.Faults, e.deletes = w.unset, patternFaults(text, w.patterns), w.deletes
	own := *q
	e.query = &own
	q.FuncDefs = append(link(w.uses), q.FuncDefs...)
	if e.code, err = gojq.Compile(q, options...); err != nil {
		_, name, _ := strings.Cut(err.Error(), ": ")
		return nil, nameError(text, err.Error(), name)
	}
	return e, nil
}

// parseError says where an expression does not parse.
func parseError(text string, err error) *Fault {
	f := &Fault{Message: err.Error()}
	if f.Message == "unexpected EOF" {
		f.Message = "the expression ends too early"
	}
	if pe, ok := errors.AsType[*gojq.ParseError](err); ok {
		f.Start = max(0, min(pe.Offset, len(text))-len(pe.Token))
		f.End = min(f.Start+max(1, len(pe.Token)), len(text))
	}
	return f
}

// nameError says that an expression uses a name that does not exist.
func nameError(text, message, name string) *Fault {
	name, _, _ = strings.Cut(name, "/")
	f := &Fault{Message: message}
	at := regexp.MustCompile(`(?:^|[^\w.$])(` + regexp.QuoteMeta(name) + `)(?:$|\W)`).FindStringSubmatchIndex(text)
	if name != "" && at != nil {
		f.Start, f.End = at[2], at[3]
	}
	return f
}

// Eval returns the first output of e for input, null where there is none. An
// error is about the expression and holds no value of the input, or it is the
// cause of ctx's end.
func (e *Expr) Eval(ctx context.Context, input any) (v any, err error) {
	if v, ok := e.env.direct(e.query, input); ok {
		switch v.(type) {
		case nil, bool: // what rules are chosen by, a thousand times an event
			return v, nil
		case []any, map[string]any:
		default:
			return settle(v)
		}
	}
	return e.interpret(ctx, input)
}

func (e *Expr) interpret(ctx context.Context, input any) (v any, err error) {
	env := e.env.values
	if e.deletes {
		e.deleting.Lock()
		defer e.deleting.Unlock()
		env = maps.Clone(env)
	}
	r := &run{Context: ctx, env: e.env, deadline: time.Now().Add(e.env.timeout), next: checkEvery}
	defer func() {
		if r.holds {
			<-r.env.heavy
		}
		if recover() != nil {
			v, err = nil, errors.New("the evaluation failed")
		}
	}()
	if e.deletes {
		if err = r.make(weigh(input, maxBytes)); err != nil {
			return nil, err
		}
		if input, err = settle(input); err != nil {
			return nil, err
		}
	}
	first, err := r.first(e.code.RunWithContext(r, input, r, env, map[string]any{"file": "<top-level>", "line": 1}))
	if err != nil {
		return nil, err
	}
	return settle(first)
}

func (r *run) first(outputs gojq.Iter) (first any, err error) {
	for n := 0; ; n++ {
		v, ok := outputs.Next()
		if !ok {
			return first, nil
		}
		if err, ok := v.(error); ok {
			if r.err != nil {
				return nil, r.err
			}
			if h, ok := errors.AsType[*gojq.HaltError](err); ok && h.Value() == nil && h.ExitCode() == 0 {
				return first, nil
			}
			return nil, cleanError(err)
		}
		if n >= maxOutputs {
			return nil, fmt.Errorf("returns more than %d values", maxOutputs)
		}
		if n == 0 {
			first = v
		}
	}
}
