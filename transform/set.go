package transform

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/itchyny/gojq"
)

// maxList bounds the length of a list that is made by setting an index.
const maxList = 1 << 18

// set gives v with n at path.
func (u *update) set(r *run, v any, path []any, n any) (any, error) {
	if len(path) == 0 {
		return n, nil
	}
	if err := r.work(1); err != nil {
		return nil, err
	}
	if _, ok := v.(removed); ok {
		return v, nil
	}
	switch step := path[0].(type) {
	case string:
		m, ok := v.(map[string]any)
		if !ok && v != nil {
			return nil, fmt.Errorf("expected an object but got: %s", gojq.TypeOf(v))
		}
		return u.setMember(r, v, m, step, path[1:], n)
	case map[string]any:
		list, ok := v.([]any)
		if !ok && v != nil {
			return nil, fmt.Errorf("expected an array but got: %s", gojq.TypeOf(v))
		}
		return u.setSlice(r, v, list, step, path[1:], n)
	}
	i, ok := gojq.ToInt(path[0])
	if !ok {
		return nil, fmt.Errorf("cannot update at a key that is %s", gojq.TypeOf(path[0]))
	}
	list, ok := v.([]any)
	if !ok && v != nil {
		return nil, fmt.Errorf("expected an array but got: %s", gojq.TypeOf(v))
	}
	return u.setIndex(r, v, list, i, path[1:], n)
}

// setMember sets below key of m, which v is unless that is null.
func (u *update) setMember(r *run, v any, m map[string]any, key string, path []any, n any) (any, error) {
	old, ok := m[key]
	if _, remove := n.(removed); remove && !ok {
		return v, nil
	}
	w, err := u.set(r, old, path, n)
	if err != nil {
		return nil, err
	}
	if m == nil || !u.owns(m) {
		if err := r.make(objectBytes * (len(m) + 1)); err != nil {
			return nil, err
		}
		made := make(map[string]any, len(m)+1)
		maps.Copy(made, m)
		m = made
		u.own(m)
	}
	m[key] = w
	return m, nil
}

// setIndex sets below index i of list, which v is unless that is null.
func (u *update) setIndex(r *run, v any, list []any, i int, path []any, n any) (any, error) {
	if i < 0 {
		i += len(list)
	}
	_, remove := n.(removed)
	if remove && (i < 0 || i >= len(list)) {
		return v, nil
	}
	if i < 0 {
		return nil, fmt.Errorf("array index is before the start of the array")
	}
	if i >= maxList && i >= len(list) {
		return nil, r.fail(fmt.Errorf("array index %d is too large", i))
	}
	var old any
	if i < len(list) {
		old = list[i]
	}
	w, err := u.set(r, old, path, n)
	if err != nil {
		return nil, err
	}
	if i < len(list) && u.owns(list) {
		list[i] = w
		return list, nil
	}
	// Room to grow, so that lists built by appending are not copied each time.
	room := max(i+1, len(list))
	if i >= len(list) && u.owns(list) {
		if i < cap(list) {
			list = list[:i+1]
			list[i] = w
			return list, nil
		}
		room *= 2
	}
	if err := r.make(listBytes * room); err != nil {
		return nil, err
	}
	made := make([]any, max(i+1, len(list)), room)
	copy(made, list)
	made[i] = w
	u.own(made)
	return made, nil
}

// setSlice sets below a part of list, which v is unless that is null.
func (u *update) setSlice(r *run, v any, list []any, part map[string]any, path []any, n any) (any, error) {
	start, end, err := bounds(part, len(list))
	if err != nil {
		return nil, err
	}
	_, remove := n.(removed)
	if remove && start == end {
		return v, nil
	}
	w, err := u.set(r, slices.Clip(list[start:end]), path, n)
	if err != nil {
		return nil, err
	}
	var middle []any
	switch w := w.(type) {
	case []any:
		middle = w
	case removed:
		middle = slices.Repeat([]any{removed{}}, end-start)
	default:
		return nil, fmt.Errorf("expected an array but got: %s", gojq.TypeOf(w))
	}
	if err := r.make(listBytes * (len(list) + 2*len(middle))); err != nil {
		return nil, err
	}
	made := slices.Concat(list[:start], middle, list[end:])
	if made == nil {
		made = []any{}
	}
	u.own(made)
	return made, nil
}

// bounds reads a part, {"start": …, "end": …}, of a list of n elements.
func bounds(part map[string]any, n int) (start, end int, err error) {
	end = n
	if v, ok := part["start"]; ok && v != nil {
		if start, err = bound(v, n, math.Floor); err != nil {
			return 0, 0, err
		}
	}
	if v, ok := part["end"]; ok && v != nil {
		if end, err = bound(v, n, math.Ceil); err != nil {
			return 0, 0, err
		}
	}
	return start, max(start, end), nil
}

func bound(v any, n int, round func(float64) float64) (int, error) {
	f, ok := gojq.ToFloat64(v)
	if !ok {
		return 0, fmt.Errorf("cannot slice at %s", gojq.TypeOf(v))
	}
	i, _ := gojq.ToInt(round(f))
	if i < 0 {
		i += n
	}
	return max(0, min(i, n)), nil
}
