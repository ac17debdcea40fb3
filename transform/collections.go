package transform

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/itchyny/gojq"
)

// subtract takes elements out of a list in n log n steps, where gojq compares
// each with each.
func subtract(r *run, _ any, args []any) any {
	x, ok := args[0].([]any)
	y, yok := args[1].([]any)
	if !ok || !yok {
		return operate("-", args[0], args[1])
	}
	if err := r.work(len(x) + len(y)); err != nil {
		return err
	}
	y = slices.Clone(y)
	slices.SortFunc(y, gojq.Compare)
	out := []any{}
	for _, v := range x {
		if _, found := slices.BinarySearchFunc(y, v, gojq.Compare); !found {
			out = append(out, v)
		}
	}
	return out
}

func elements(v any) []any {
	switch v := v.(type) {
	case []any:
		return v
	case map[string]any:
		return slices.Collect(maps.Values(v))
	}
	return nil
}

func joined(r *run, in any, args []any) any {
	values := elements(in)
	return counted(r, in, shallow(values...)+len(values)*shallow(args[0]))
}

func parts(r *run, in any, args []any) any {
	s, _ := in.(string)
	sep, _ := args[0].(string)
	return counted(r, in, 2*valueBytes*strings.Count(s, sep))
}

// contains is gojq's, with the comparisons counted.
func contains(r *run, in any, args []any) any {
	if gojq.TypeOf(in) != gojq.TypeOf(args[0]) {
		return refuse("contains cannot be applied to: %s and %s", gojq.TypeOf(in), gojq.TypeOf(args[0]))
	}
	held := holds(r, in, args[0])
	if r.err != nil {
		return r.err
	}
	return held
}

func holds(r *run, v, x any) bool {
	if r.work(1) != nil {
		return false
	}
	switch v := v.(type) {
	case string:
		x, ok := x.(string)
		return ok && strings.Contains(v, x) && r.work(len(v)/256) == nil
	case []any:
		x, ok := x.([]any)
		return ok && !slices.ContainsFunc(x, func(x any) bool {
			return r.err != nil || !slices.ContainsFunc(v, func(v any) bool { return r.err == nil && holds(r, v, x) })
		})
	case map[string]any:
		x, ok := x.(map[string]any)
		for k, x := range x {
			if v, has := v[k]; !has || !holds(r, v, x) {
				return false
			}
		}
		return ok
	}
	return gojq.TypeOf(v) == gojq.TypeOf(x) && gojq.Compare(v, x) == 0
}

// sought counts what indices does in a list: it compares x with what begins at
// each place.
func sought(r *run, in any, args []any) any {
	places, length := len(elements(in)), len(elements(args[0]))
	if err := r.work(places * (1 + length) / 64); err != nil {
		return err
	}
	return counted(r, in, valueBytes*places)
}

// found gives the places of a text in a text, counted in letters. gojq makes
// lists of the letters of both, which is sixteen times a text of a megabyte.
func found(r *run, in any, args []any) any {
	out := []any{}
	s, x := in.(string), args[0].(string)
	for letters := 0; x != ""; letters++ { // places may overlap
		i := strings.Index(s, x)
		if i < 0 || r.work(1+len(x)/64) != nil {
			break
		}
		letters += utf8.RuneCountInString(s[:i])
		out = append(out, letters)
		_, step := utf8.DecodeRuneInString(s[i:])
		s = s[i+step:]
	}
	return counted(r, out, 2*shallow(out))
}
