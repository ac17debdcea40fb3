package transform

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"

	"github.com/itchyny/gojq"
)

// update is a value that is being changed at some paths: the state of one
// assignment. It copies each list and object that it changes once; the
// original stays as it is, since other evaluations may be looking at it.
//
// gojq's own assignment makes lists as long as an index says, and its
// deletion writes to values that it shares with its input.
type update struct {
	root any
	// owned holds the lists and objects made here, by address; they may be
	// changed in place. That they are held keeps their addresses from being
	// used again.
	owned   map[uintptr]any
	dropped []any // paths to delete at the end
}

// removed stands for a value that is to be deleted.
type removed struct{}

// maxList bounds the length of a list that is made by setting an index.
const maxList = 1 << 18

func newUpdate(_ *run, in any, _ []any) any { return &update{root: in} }

func updateRoot(_ *run, _ any, args []any) any { return args[0].(*update).root }

// updateLend passes the value at a path on to an expression that may keep it.
// From then on nothing of it may be changed in place; a part of a list has no
// address of its own to be known by.
func updateLend(_ *run, in any, args []any) any {
	u := args[0].(*update)
	part := slices.ContainsFunc(args[1].([]any), func(step any) bool { return !scalar(step) })
	if part || !scalar(in) && u.owns(in) {
		clear(u.owned)
	}
	return in
}

func updatePut(r *run, in any, args []any) any {
	if err := args[0].(*update).put(r, args[1], in); err != nil {
		return err
	}
	return nil
}

func updateDrop(_ *run, _ any, args []any) any {
	u := args[0].(*update)
	u.dropped = append(u.dropped, args[1])
	return nil
}

func updateDone(r *run, _ any, args []any) any {
	u := args[0].(*update)
	if err := u.delete(r, u.dropped); err != nil {
		return err
	}
	return u.root
}

// setAll sets each of the paths args[0] to args[1].
func setAll(r *run, in any, args []any) any {
	u := &update{root: in}
	for _, path := range args[0].([]any) {
		if err := u.put(r, path, args[1]); err != nil {
			return err
		}
	}
	return u.root
}

func setPath(r *run, in any, args []any) any {
	return setAll(r, in, []any{[]any{args[0]}, args[1]})
}

func deletePaths(r *run, in any, args []any) any {
	paths, ok := args[0].([]any)
	if !ok {
		return fmt.Errorf("delpaths needs a list of paths, not %s", gojq.TypeOf(args[0]))
	}
	u := &update{root: in}
	if err := u.delete(r, paths); err != nil {
		return err
	}
	return u.root
}

func (u *update) put(r *run, path, v any) error {
	list, ok := path.([]any)
	if !ok {
		return fmt.Errorf("a path is a list, not %s", gojq.TypeOf(path))
	}
	if len(list) > maxDepth {
		return r.fail(errDepth)
	}
	root, err := u.set(r, u.root, list, v)
	if err != nil {
		return err
	}
	u.root = root
	return nil
}

// delete deletes paths. They are marked first, since indexes must not move in
// between, with paths in order: what is deleted as a whole is not looked into.
func (u *update) delete(r *run, paths []any) error {
	if len(paths) == 0 {
		return nil
	}
	if err := preSort(r, paths); err != nil {
		return err
	}
	paths = slices.Clone(paths)
	slices.SortFunc(paths, gojq.Compare)
	for _, path := range paths {
		if err := u.put(r, path, removed{}); err != nil {
			return err
		}
	}
	if _, ok := u.root.(removed); ok {
		u.root = nil
		return nil
	}
	u.root = u.sweep(u.root)
	return nil
}

// sweep takes out what is marked. Marks are in owned values only.
func (u *update) sweep(v any) any {
	if scalar(v) || !u.owns(v) {
		return v
	}
	switch v := v.(type) {
	case map[string]any:
		for k, w := range v {
			if _, ok := w.(removed); ok {
				delete(v, k)
				continue
			}
			v[k] = u.sweep(w)
		}
	case []any:
		kept := v[:0]
		for _, w := range v {
			if _, ok := w.(removed); !ok {
				kept = append(kept, u.sweep(w))
			}
		}
		return kept
	}
	return v
}

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

func (u *update) own(v any) {
	if u.owned == nil {
		u.owned = make(map[uintptr]any)
	}
	if p := address(v); p != 0 {
		u.owned[p] = v
	}
}

func (u *update) owns(v any) bool {
	if len(u.owned) == 0 {
		return false
	}
	_, ok := u.owned[address(v)]
	return ok
}

// address tells lists and objects apart; it is 0 for a list without room, all
// of which are at one address.
func address(v any) uintptr {
	if list, ok := v.([]any); ok && cap(list) == 0 {
		return 0
	}
	return reflect.ValueOf(v).Pointer()
}
