package transform

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/itchyny/gojq"
)

var (
	errLong  = fmt.Errorf("a time or its format is longer than %d bytes", maxShort)
	errIndex = fmt.Errorf("a list of more than %d values is used as an index", maxRunIndex)
	errOrder = errors.New("the order of the function is not between -1000 and 1000")
)

func cannot(name string, in any) error {
	return fmt.Errorf("%s cannot be applied to: %s", name, gojq.TypeOf(in))
}

// addAll is add: the sum of the values of a list or object.
func addAll(r *run, in any, _ []any) any {
	list, ok := listOf(in)
	if !ok {
		return cannot("add", in)
	}
	if len(list) > 1 {
		if v, ok := addTexts(r, list, ""); ok {
			return v
		}
	}
	var sum any
	own := false // whether sum was made here and may be changed
	for _, v := range list {
		if v == nil {
			continue
		}
		if own {
			if ok, err := addTo(r, &sum, v); err != nil {
				return err
			} else if ok {
				continue
			}
		}
		next := opAdd(r, nil, []any{sum, v})
		if err, ok := next.(error); ok {
			return err
		}
		own = entries(sum) > 0 && entries(v) > 0
		sum = next
	}
	return sum
}

// addTo adds v to a list or object in place. ok is false where they are not
// of the same kind, and nothing is done.
func addTo(r *run, sum *any, v any) (ok bool, err error) {
	switch s := (*sum).(type) {
	case map[string]any:
		m, ok := v.(map[string]any)
		if !ok {
			return false, nil
		}
		if err := r.make(objectBytes * len(m)); err != nil {
			return false, err
		}
		maps.Copy(s, m)
		return true, nil
	case []any:
		l, ok := v.([]any)
		if !ok {
			return false, nil
		}
		if err := r.make(2 * listBytes * len(l)); err != nil {
			return false, err
		}
		*sum = append(s, l...)
		return true, nil
	}
	return false, nil
}

func entries(v any) int {
	switch v := v.(type) {
	case []any:
		return len(v)
	case map[string]any:
		return len(v)
	}
	return 0
}

// listOf gives the values of a list, or of an object in the order of its keys.
func listOf(v any) ([]any, bool) {
	switch v := v.(type) {
	case []any:
		return v, true
	case map[string]any:
		list := make([]any, 0, len(v))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			list = append(list, v[k])
		}
		return list, true
	}
	return nil, false
}

// reverse turns a list round, or a text.
func reverse(r *run, in any, _ []any) any {
	switch v := in.(type) {
	case nil:
		return []any{}
	case []any:
		if err := preEntries(r, v); err != nil {
			return err
		}
		v = slices.Clone(v)
		slices.Reverse(v)
		return v
	case string:
		if err := r.make(5 * len(v)); err != nil {
			return err
		}
		runes := []rune(v)
		slices.Reverse(runes)
		return string(runes)
	}
	return cannot("reverse", in)
}

// indices gives the places of a text in a text, counted in letters, or of an
// element or a run of elements in a list.
func indices(r *run, in any, args []any) any {
	switch v := in.(type) {
	case nil:
		return nil
	case string:
		if x, ok := args[0].(string); ok {
			return textIndices(r, v, x)
		}
	case []any:
		x, ok := args[0].([]any)
		if !ok {
			x = []any{args[0]}
		}
		return listIndices(r, v, x)
	}
	return fmt.Errorf("indices cannot be applied to: %s and %s", gojq.TypeOf(in), gojq.TypeOf(args[0]))
}

func listIndices(r *run, v, x []any) any {
	out := []any{}
	if len(x) == 0 {
		return out
	}
	size, err := r.measure(x)
	if err != nil {
		return err
	}
	if _, err := r.measure(v); err != nil {
		return err
	}
	for i := range len(v) - len(x) + 1 {
		if err := r.work(1 + size.nodes/8); err != nil {
			return err
		}
		if gojq.Compare(v[i:i+len(x)], x) == 0 {
			out = append(out, i)
		}
	}
	return out
}

// atEnd gives the first or the last of some places, null where there is none.
func atEnd(places any, last bool) any {
	list, ok := places.([]any)
	if !ok {
		return places
	}
	if len(list) == 0 {
		return nil
	}
	if last {
		return list[len(list)-1]
	}
	return list[0]
}
