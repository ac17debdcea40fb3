package transform

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/itchyny/gojq"
)

// expr is a compiled expression.
type expr struct {
	field, text string
	unset       []string // variables it reads that are not set
	null        bool     // it is the literal null
	timeout     time.Duration
	code        *gojq.Code
}

// compileError is an expression that does not compile.
type compileError struct {
	column        int // in its text, from 1; 0 unknown
	message, hint string
}

// maxOutputs bounds how many values an expression may give.
const maxOutputs = 1000

func compile(text, field string, timeout time.Duration, env *environment) (*expr, *compileError) {
	e := &expr{field: field, text: text, timeout: timeout}
	src := text
	if strings.TrimSpace(src) == "" {
		src = "."
	}
	q, err := gojq.Parse(src)
	if err != nil {
		return nil, parseError(text, err)
	}
	if e.code, err = gojq.Compile(q, gojq.WithEnvironLoader(env.load)); err != nil {
		return nil, &compileError{message: err.Error(), hint: quoteHint(text)}
	}
	return e, nil
}

func parseError(text string, err error) *compileError {
	ce := &compileError{message: err.Error(), hint: quoteHint(text)}
	var pe *gojq.ParseError
	if errors.As(err, &pe) {
		ce.column = pe.Offset - len(pe.Token) + 1
	}
	return ce
}

// eval gives the first output of e for input, null where there is none.
func (e *expr) eval(ctx context.Context, input any) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, e.timeout)
	defer cancel()
	it := e.code.RunWithContext(ctx, input)
	var first any
	for n := 0; ; n++ {
		v, ok := it.Next()
		if !ok {
			return first, nil
		}
		if err, ok := v.(error); ok {
			return nil, err
		}
		if n == 0 {
			first = v
		}
		if n >= maxOutputs {
			return nil, fmt.Errorf("gave more than %d values", maxOutputs)
		}
	}
}
