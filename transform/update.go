package transform

import (
	"fmt"
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
