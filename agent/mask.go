package agent

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// NotDecrypted stands in an explanation where an encrypted field stood.
const NotDecrypted = "[not decrypted]"

// mask puts a mark in the place of every value that paths lead to, in a copy
// of root, and names the places.
func mask(root map[string]any, paths [][]string) (tree map[string]any, places []string) {
	var m masker
	tree, _ = m.walk(root, paths, "").(map[string]any)
	return tree, m.places
}

type masker struct{ places []string }

func (m *masker) walk(v any, paths [][]string, at string) any {
	switch {
	case v == nil || len(paths) == 0:
		return v
	case slices.ContainsFunc(paths, func(p []string) bool { return len(p) == 0 }):
		m.places = append(m.places, at)
		return NotDecrypted
	}
	switch v := v.(type) {
	case map[string]any:
		out := maps.Clone(v)
		for _, name := range slices.Sorted(maps.Keys(v)) {
			out[name] = m.child(v[name], paths, at, name)
		}
		return out
	case []any:
		out := slices.Clone(v)
		for i := range v {
			out[i] = m.child(v[i], paths, at, strconv.Itoa(i))
		}
		return out
	}
	return v
}

// child goes on into the value at step with what is left of the paths there.
func (m *masker) child(v any, paths [][]string, at, step string) any {
	var rest [][]string
	for _, p := range paths {
		if p[0] == step || p[0] == everyElement {
			rest = append(rest, p[1:])
		}
	}
	return m.walk(v, rest, strings.TrimPrefix(at+"."+step, "."))
}
