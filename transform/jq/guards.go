package jq

import (
	"fmt"
	"slices"
	"strings"

	"github.com/itchyny/gojq"
)

// function is a function of Go that queries call: it gives a value or an
// error, as gojq wants it.
type function struct {
	args int
	call func(r *run, in any, args []any) any
}

// guards are what stands between an event and what gojq would do with it
// without bounds. Most look at the input, count what will be made of it, and
// pass it on; _sides gives what is on the two sides of an operator.
var guards = map[string]function{
	"_sides":    {2, func(r *run, _ any, args []any) any { return counted(r, slices.Clone(args), shallow(args...)) }},
	"_compared": {1, compared},
	"_count": {1, func(r *run, in any, args []any) any {
		n, _ := gojq.ToInt(args[0])
		return counted(r, in, min(n, maxBytes+1))
	}},
	"_sized":   {0, func(r *run, in any, _ []any) any { return counted(r, in, 2*weigh(in, maxBytes)) }},
	"_parts":   {1, parts},
	"_work":    {1, func(r *run, in any, args []any) any { n, _ := gojq.ToInt(args[0]); return worked(r, in, n) }},
	"_settled": {0, settled},
	"_refuse":  {0, func(_ *run, in any, _ []any) any { return refuse("%s", in) }},
	"_marks":   {0, func(_ *run, in any, _ []any) any { return unescapeMarks.Replace(in.(string)) }},
	"_matches": {2, searching(matches)},
	"_test":    {2, regexTest},
	"_splits":  {2, searching(between)},
}

// options tell the compiler of guards. Each gets the account of the evaluation
// as its last argument.
var options = func() (out []gojq.CompilerOption) {
	for name, f := range guards {
		out = append(out, gojq.WithFunction(name, f.args+1, f.args+1, func(in any, args []any) any {
			r := args[f.args].(*run)
			if r.err != nil {
				return r.err
			}
			return f.call(r, in, args[:f.args])
		}))
	}
	return append(out, gojq.WithVariables(variables))
}()

// refuse makes an error of the package's own. It must show no value.
func refuse(format string, args ...any) error { return &ownError{fmt.Errorf(format, args...)} }

const (
	valueBytes = 16 // of a value in a list
	entryBytes = 64 // of an entry of an object
)

// shallow gives the bytes of a copy of some values that shares what they hold.
func shallow(values ...any) (n int) {
	for _, v := range values {
		switch v := v.(type) {
		case string:
			n += len(v)
		case []any:
			n += valueBytes * len(v)
		case map[string]any:
			n += entryBytes * len(v)
		default:
			n += valueBytes
		}
	}
	return n
}

// weigh gives the bytes of a value with all that it holds, or some number
// beyond limit.
func weigh(v any, limit int) int {
	n := shallow(v)
	switch v := v.(type) {
	case []any:
		for i := 0; i < len(v) && n <= limit; i++ {
			n += weigh(v[i], limit-n)
		}
	case map[string]any:
		for k, v := range v {
			if n += len(k); n > limit {
				break
			}
			n += weigh(v, limit-n)
		}
	}
	return n
}

// counted counts n bytes and passes in on.
func counted(r *run, in any, n int) any {
	if err := r.make(n); err != nil {
		return err
	}
	return in
}

// worked counts n units of work and passes in on.
func worked(r *run, in any, n int) any {
	if err := r.work(n); err != nil {
		return err
	}
	return in
}

// compared counts the comparison of each part of a value with each part of
// another one.
func compared(r *run, in any, args []any) any {
	const part = 2 * valueBytes
	return worked(r, in, weigh(in, maxBytes)/part*weigh(args[0], maxBytes)/part/128)
}

func parts(r *run, in any, args []any) any {
	s, _ := in.(string)
	sep, _ := args[0].(string)
	return counted(r, in, 2*valueBytes*strings.Count(s, sep))
}

// settled brings numbers of a million digits, which gojq reads in quadratic
// time where they are used, to others.
func settled(_ *run, in any, _ []any) any {
	v, err := settle(in)
	if err != nil {
		return &ownError{err}
	}
	return v
}

// unescapeMarks leaves what jq 1.5 leaves, beside what RFC 3986 calls
// unreserved.
var unescapeMarks = strings.NewReplacer("%21", "!", "%2A", "*", "%27", "'", "%28", "(", "%29", ")")
