package transform

import (
	"errors"
	"fmt"
	"time"

	"github.com/itchyny/gojq"
)

// found is what a search found in a text.
type found struct {
	text  string
	names []string
	at    [][]int // byte offsets, as package regexp gives them
}

// findAll looks for args[0], with the flags in args[1], in the text in.
func findAll(r *run, in any, args []any) (*found, error) {
	s, ok := in.(string)
	re, reOK := args[0].(string)
	flags, flagsOK := args[1].(string)
	switch {
	case !ok:
		return nil, cannot("a regular expression", in)
	case !reOK:
		return nil, fmt.Errorf("a regular expression is a string, not: %s", gojq.TypeOf(args[0]))
	case !flagsOK && args[1] != nil:
		return nil, fmt.Errorf("the flags of a regular expression are a string, not: %s", gojq.TypeOf(args[1]))
	}
	x, err := compileRegex(r, re, flags)
	if err != nil {
		return nil, err
	}
	f := &found{text: s, names: x.SubexpNames()}
	if f.at, err = x.find(r, s); err != nil {
		return nil, err
	}
	if x.filled {
		kept := f.at[:0]
		for _, m := range f.at {
			if m[0] < m[1] {
				kept = append(kept, m)
			}
		}
		f.at = kept
	}
	return f, nil
}

// find gives the matches in s. An expression may have to look at the whole
// rest of the text for each match; so it asks for few matches first and for
// twice as many while the time allows, which at most doubles the work.
func (x *regex) find(r *run, s string) ([][]int, error) {
	if len(s) > maxSearch/max(1, x.program) {
		return nil, r.fail(errors.New("a text is too long for a regular expression of this size"))
	}
	if err := r.work(8 + len(s)*x.program/64); err != nil {
		return nil, err
	}
	if !x.global {
		if m := x.FindStringSubmatchIndex(s); m != nil {
			return [][]int{m}, nil
		}
		return nil, nil
	}
	n := 64
	if len(s) > 1<<14 {
		n = 1
	}
	for ; ; n *= 2 {
		began := time.Now()
		all := x.FindAllStringSubmatchIndex(s, n)
		if err := r.make((24 + 16*(x.NumSubexp()+1)) * len(all)); err != nil {
			return nil, err
		}
		if len(all) < n {
			return all, nil
		}
		if 3*time.Since(began) > r.left() {
			return nil, r.fail(errors.New("a regular expression takes too long for this text"))
		}
	}
}

// captures gives the named groups of a match and their text.
func (f *found) captures(m []int) map[string]any {
	out := map[string]any{}
	for i, name := range f.names {
		if name == "" {
			continue
		}
		out[name] = nil
		if m[2*i] >= 0 {
			out[name] = f.text[m[2*i]:m[2*i+1]]
		}
	}
	return out
}

// each makes a list of what value gives for each match, of about n bytes each.
func (f *found) each(r *run, n int, value func(m []int) any) any {
	if err := r.make((listBytes + n) * len(f.at)); err != nil {
		return err
	}
	out := []any{}
	for _, m := range f.at {
		out = append(out, value(m))
	}
	return out
}

// captureBytes is what one capture takes in memory, about.
const captureBytes = 500
