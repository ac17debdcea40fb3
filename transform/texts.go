package transform

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/itchyny/gojq"
)

// addTexts puts texts together, with sep between them. ok is false where
// there is anything else among them.
func addTexts(r *run, list []any, sep string) (v any, ok bool) {
	n := 0
	for _, v := range list {
		s, ok := v.(string)
		if !ok {
			return nil, false
		}
		if n += len(s) + len(sep); n > maxBytes {
			return r.fail(errBytes), true
		}
	}
	if err := r.make(n); err != nil {
		return err, true
	}
	var b strings.Builder
	b.Grow(n)
	for i, v := range list {
		if i > 0 {
			b.WriteString(sep)
		}
		b.WriteString(v.(string))
	}
	return b.String(), true
}

// join puts texts, numbers and booleans together; null is nothing.
func join(r *run, in any, args []any) any {
	list, ok := listOf(in)
	if !ok {
		return cannot("join", in)
	}
	if len(list) == 0 {
		return ""
	}
	sep, ok := args[0].(string)
	if !ok && (args[0] != nil || len(list) > 1) {
		return fmt.Errorf("join needs text to join with, not %s", gojq.TypeOf(args[0]))
	}
	if err := r.make(listBytes * len(list)); err != nil {
		return err
	}
	texts := make([]any, len(list))
	for i, v := range list {
		switch v := v.(type) {
		case []any, map[string]any:
			return fmt.Errorf("cannot join: %s", gojq.TypeOf(v))
		case nil:
			texts[i] = ""
		default:
			if _, err := r.measure(v); err != nil {
				return err
			}
			texts[i] = Text(v)
		}
	}
	v, _ := addTexts(r, texts, sep)
	return v
}

func splitText(r *run, in any, args []any) any {
	s, ok := in.(string)
	sep, sepOK := args[0].(string)
	if !ok || !sepOK {
		return fmt.Errorf("split cannot be applied to: %s and %s", gojq.TypeOf(in), gojq.TypeOf(args[0]))
	}
	return split(r, s, sep)
}

func split(r *run, s, sep string) any {
	if s == "" {
		return []any{}
	}
	if err := r.make(2 * listBytes * (strings.Count(s, sep) + 1)); err != nil {
		return err
	}
	var list []any
	for part := range strings.SplitSeq(s, sep) {
		list = append(list, part)
	}
	return list
}

func textIndices(r *run, s, x string) any {
	out := []any{}
	if x == "" {
		return out
	}
	if err := r.work(len(s) / 64); err != nil {
		return err
	}
	_, step := utf8.DecodeRuneInString(x)
	for letters := 0; ; letters++ { // places may overlap
		i := strings.Index(s, x)
		if i < 0 {
			return out
		}
		if err := r.make(3 * listBytes); err != nil {
			return err
		}
		if err := r.work(1 + len(x)/64); err != nil {
			return err
		}
		letters += utf8.RuneCountInString(s[:i])
		out = append(out, letters)
		s = s[i+step:]
	}
}

// trimPrefix is ltrimstr: what does not start like that, or is no text, stays.
func trimPrefix(_ *run, in any, args []any) any {
	s, ok := in.(string)
	x, xok := args[0].(string)
	if !ok || !xok {
		return in
	}
	return strings.TrimPrefix(s, x)
}

func trimSuffix(_ *run, in any, args []any) any {
	s, ok := in.(string)
	x, xok := args[0].(string)
	if !ok || !xok {
		return in
	}
	return strings.TrimSuffix(s, x)
}

// textTest makes a function of a test of two texts.
func textTest(name string, test func(s, x string) bool) ownFunc {
	return func(_ *run, in any, args []any) any {
		s, ok := in.(string)
		x, xok := args[0].(string)
		if !ok || !xok {
			return fmt.Errorf("%s cannot be applied to: %s and %s", name, gojq.TypeOf(in), gojq.TypeOf(args[0]))
		}
		return test(s, x)
	}
}
