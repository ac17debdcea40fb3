package jq

import (
	"fmt"
	"slices"
	"strings"

	"github.com/itchyny/gojq"
)

// function is a function of Go that queries call.
type function struct {
	args int
	call func(r *run, in any, args []any) (any, error)
}

// guards are what stands between a value and what gojq would do with it without
// bounds. Most look at the input, count what will be made of it, and pass it on;
// _sides returns what is on the two sides of an operator.
var guards = map[string]function{
	"_sides":    {2, func(r *run, _ any, args []any) (any, error) { return slices.Clone(args), r.make(shallow(args...)) }},
	"_compared": {1, compared},
	"_count":    {1, func(r *run, in any, args []any) (any, error) { return in, r.make(min(whole(args[0]), maxBytes+1)) }},
	"_copied":   {0, func(r *run, in any, _ []any) (any, error) { return in, r.make(shallow(in)) }},
	"_sized":    {0, func(r *run, in any, _ []any) (any, error) { return in, r.make(2 * weigh(in, maxBytes)) }},
	"_parts":    {1, parts},
	"_work":     {1, func(r *run, in any, args []any) (any, error) { return in, r.work(whole(args[0])) }},
	"_settled":  {0, settled},
	"_refuse":   {0, func(_ *run, in any, _ []any) (any, error) { return nil, refuse("%s", in) }},
	"_marks":    {0, func(_ *run, in any, _ []any) (any, error) { return unescapeMarks.Replace(in.(string)), nil }},
	"_matches":  {2, matches},
	"_test":     {2, test},
	"_splits":   {2, between},
}

// options make guards known to the compiler. Each gets the account of the evaluation
// as its last argument.
var options = func() (out []gojq.CompilerOption) {
	for name, f := range guards {
		out = append(out, gojq.WithFunction(name, f.args+1, f.args+1, func(in any, args []any) any {
			r := args[f.args].(*run)
			if r.err != nil {
				return r.err
			}
			v, err := f.call(r, in, args[:f.args])
			if err != nil {
				return err
			}
			return v
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

// shallow returns the bytes of a copy of some values that shares what they hold.
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

// weigh returns the bytes of a value with all that it holds, or some number
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

func whole(v any) int {
	n, _ := gojq.ToInt(v)
	return n
}

// compared counts the comparison of each part of a value with each part of
// another one.
func compared(r *run, in any, args []any) (any, error) {
	const part = 2 * valueBytes
	return in, r.work(weigh(in, maxBytes) / part * weigh(args[0], maxBytes) / part / 128)
}

func parts(r *run, in any, args []any) (any, error) {
	s, _ := in.(string)
	sep, _ := args[0].(string)
	return in, r.make(2 * valueBytes * strings.Count(s, sep))
}

// settled brings numbers of a million digits, which gojq reads in quadratic
// time where they are used, to others.
func settled(_ *run, in any, _ []any) (any, error) {
	v, err := settle(in)
	if err != nil {
		return nil, &ownError{err}
	}
	return v, nil
}

// unescapeMarks leaves what jq 1.5 leaves, beside what RFC 3986 calls
// unreserved.
var unescapeMarks = strings.NewReplacer("%21", "!", "%2A", "*", "%27", "'", "%28", "(", "%29", ")")
