package cases

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// difference is one place where what came out is not what was expected.
type difference struct {
	path      string // request.body.items[0].name
	want, got string // JSON, or what is said of a value that is not there
	at        place
}

const absent = "nothing"

// comparison collects differences. A value that is not there is told by ok.
type comparison struct {
	doc  *document
	diff []difference
}

func (c *comparison) differ(n *node, path, want, got string) {
	want, got = shorten(want, got)
	c.diff = append(c.diff, difference{path, want, got, place{c.doc.file, c.doc.line(n.start)}})
}

// whole compares a value with all that was expected of it.
func (c *comparison) whole(path string, n *node, got any) {
	switch g := got.(type) {
	case map[string]any:
		if n.kind == '{' {
			c.object(path, n, g)
			return
		}
	case []any:
		if n.kind == '[' {
			c.array(path, n, g)
			return
		}
	default:
		if n.kind != '{' && n.kind != '[' && sameScalar(n.scalar, got) {
			return
		}
	}
	c.differ(n, path, printJSON(n.value()), printJSON(got))
}

func (c *comparison) object(path string, n *node, got map[string]any) {
	for _, m := range n.members {
		if v, ok := got[m.name]; ok {
			c.whole(join(path, m.name), m.value, v)
		} else {
			c.differ(m.value, join(path, m.name), printJSON(m.value.value()), absent)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if n.member(name) == nil {
			c.differ(n, join(path, name), absent, printJSON(got[name]))
		}
	}
}

func (c *comparison) array(path string, n *node, got []any) {
	for i := range max(len(n.elements), len(got)) {
		at := fmt.Sprintf("%s[%d]", path, i)
		switch {
		case i >= len(got):
			c.differ(n.elements[i], at, printJSON(n.elements[i].value()), absent)
		case i >= len(n.elements):
			c.differ(n, at, absent, printJSON(got[i]))
		default:
			c.whole(at, n.elements[i], got[i])
		}
	}
}

// sameScalar compares numbers by their value: 1, 1.0 and 1e0 are the same. An
// integer too large for a float64 has to have the same digits.
func sameScalar(want, got any) bool {
	w, ok := want.(json.Number)
	g, also := got.(json.Number)
	if !ok || !also || w == g {
		return want == got
	}
	if !strings.ContainsAny(string(w)+string(g), ".eE") {
		return false
	}
	x, err := w.Float64()
	y, fault := g.Float64()
	return err == nil && fault == nil && x == y
}

// join adds a name to a path, quoted where it is no plain word.
func join(path, name string) string {
	plain := name != "" && strings.IndexFunc(name, func(r rune) bool {
		return r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) < 0
	if plain {
		return path + "." + name
	}
	return path + "[" + strconv.Quote(name) + "]"
}

// maxShown is how many characters of a value a difference shows.
const maxShown = 160

// shorten cuts two long texts so that the place where they part stays in.
func shorten(want, got string) (string, string) {
	w, g := []rune(want), []rune(got)
	same := 0
	for same < min(len(w), len(g)) && w[same] == g[same] {
		same++
	}
	from := max(same-maxShown/2, 0)
	if max(len(w), len(g)) <= maxShown {
		from = 0
	}
	return cut(w, from), cut(g, from)
}

func cut(s []rune, from int) string {
	from = min(from, len(s))
	to := min(from+maxShown, len(s))
	out := string(s[from:to])
	if from > 0 {
		out = "…" + out
	}
	if to < len(s) {
		out += "…"
	}
	return out
}

// printJSON prints v in one line.
func printJSON(v any) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err.Error()
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// generic brings a value to what decoded JSON is made of.
func generic(v any) (any, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(strings.NewReader(string(data)))
	dec.UseNumber()
	var out any
	err = dec.Decode(&out)
	return out, err
}

// project leaves of a request what n says something about: its own fields, of
// headers and query the names that it gives. A header's name is compared
// without regard to case and given back as n spells it.
func project(n *node, request map[string]any) map[string]any {
	out := map[string]any{}
	for _, m := range n.members {
		v, ok := request[m.name]
		part, isObject := v.(map[string]any)
		switch {
		case !ok:
		case (m.name == "headers" || m.name == "query") && isObject && m.value.kind == '{':
			out[m.name] = projectNames(m.value, part, m.name == "headers")
		default:
			out[m.name] = v
		}
	}
	return out
}

// projectNames does this for headers and query, where null says that a name is
// not to be there.
func projectNames(n *node, got map[string]any, fold bool) map[string]any {
	out := map[string]any{}
	for _, m := range n.members {
		name := m.name
		for other := range got {
			if fold && strings.EqualFold(other, name) {
				name = other
			}
		}
		if v, ok := got[name]; ok {
			out[m.name] = v
		} else if m.value.kind == 'n' {
			out[m.name] = nil
		}
	}
	return out
}

// requestKeys are the fields that a request has.
var requestKeys = []string{"method", "url", "headers", "query", "body"}

// misspelt names a key of a request that no request has.
func misspelt(n *node) string {
	for _, m := range n.members {
		if !slices.Contains(requestKeys, m.name) {
			return m.name
		}
	}
	return ""
}
