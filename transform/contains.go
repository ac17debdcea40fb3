package transform

import (
	"fmt"
	"strings"

	"github.com/itchyny/gojq"
)

// contains reports whether args[0] is contained in in, as jq understands it:
// texts as parts of texts, lists and objects by their elements.
func contains(r *run, in any, args []any) any {
	for _, v := range []any{in, args[0]} {
		if _, err := r.measure(v); err != nil {
			return err
		}
	}
	ok, err := holds(r, in, args[0])
	if err != nil {
		return err
	}
	return ok
}

func holds(r *run, v, x any) (bool, error) {
	if err := r.work(1); err != nil {
		return false, err
	}
	switch v := v.(type) {
	case string:
		if x, ok := x.(string); ok {
			return strings.Contains(v, x), r.work(len(v) / 256)
		}
	case []any:
		if x, ok := x.([]any); ok {
			return holdsAll(r, v, x)
		}
	case map[string]any:
		if x, ok := x.(map[string]any); ok {
			return holdsMembers(r, v, x)
		}
	}
	if gojq.TypeOf(v) != gojq.TypeOf(x) {
		return false, fmt.Errorf("contains cannot be applied to: %s and %s", gojq.TypeOf(v), gojq.TypeOf(x))
	}
	return gojq.Compare(v, x) == 0, nil
}

// within is holds for parts of values: what cannot be compared is not held.
func within(r *run, v, x any) (bool, error) {
	ok, _ := holds(r, v, x)
	return ok, r.err
}

func holdsAll(r *run, v, x []any) (bool, error) {
next:
	for _, x := range x {
		for _, v := range v {
			ok, err := within(r, v, x)
			if err != nil {
				return false, err
			}
			if ok {
				continue next
			}
		}
		return false, nil
	}
	return true, nil
}

func holdsMembers(r *run, v, x map[string]any) (bool, error) {
	if len(v) < len(x) {
		return false, nil
	}
	for k, x := range x {
		w, ok := v[k]
		if !ok {
			return false, nil
		}
		if ok, err := within(r, w, x); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}
