package cases

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// difference is one place where the result is not what was expected.
type difference struct {
	path      string // request.body.items[0].name
	want, got string // JSON, or absent
	at        place
}

const absent = "nothing"

// comparison collects differences to values of a document.
type comparison struct {
	doc  *document
	diff []difference
}

func (c *comparison) differ(at value, path, want, got string) {
	want, got = shorten(want, got)
	c.diff = append(c.diff, difference{path, want, got, place{c.doc.file, c.doc.line(at.offset)}})
}

// whole compares two values completely.
func (c *comparison) whole(path string, want, got value) {
	wants, gots := want.children(), got.children()
	if want.Kind() != got.Kind() || wants == nil && gots == nil && !sameScalar(want, got) {
		c.differ(want, path, want.compact(), got.compact())
		return
	}
	expected, actual := bySteps(wants), bySteps(gots)
	for _, w := range wants {
		if g, ok := actual[w.step]; ok {
			c.whole(path+w.step, w, g)
		} else {
			c.differ(w, path+w.step, w.compact(), absent)
		}
	}
	for _, g := range gots {
		if _, ok := expected[g.step]; !ok {
			c.differ(want, path+g.step, absent, g.compact())
		}
	}
}

// sameScalar compares numbers by value: 1, 1.0 and 1e0 are equal. Integers must
// have the same digits, also where a float64 cannot hold them.
func sameScalar(want, got value) bool {
	w, g := want.compact(), got.compact()
	if w == g || want.Kind() != jsontext.KindNumber || !strings.ContainsAny(w+g, ".eE") {
		return w == g
	}
	x, err := strconv.ParseFloat(w, 64)
	y, fault := strconv.ParseFloat(g, 64)
	return err == nil && fault == nil && x == y
}

// maxShown is how many characters of a value a difference shows.
const maxShown = 160

// shorten cuts two long texts to the part around their first difference.
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

// project returns the part of a request that want is about: the fields that it
// has, and of headers and query the names that it gives.
func project(want, request value) (value, error) {
	out, actual := map[string]any{}, bySteps(request.children())
	for _, w := range want.children() {
		got, ok := actual[w.step]
		if !ok {
			return value{}, fmt.Errorf("unknown key %q: a request has method, url, headers, query, body", w.name)
		}
		out[w.name] = got.Value
		if (w.name == "headers" || w.name == "query") && w.Kind() == jsontext.KindBeginObject {
			out[w.name] = projectNames(w, got, w.name == "headers")
		}
	}
	return newValue(out)
}

// projectNames does so for headers and query, where null expects that a name is
// absent. Names of headers are compared without regard to case, and returned as
// want spells them.
func projectNames(want, got value, fold bool) map[string]any {
	out := map[string]any{}
	for _, w := range want.children() {
		if w.Kind() == jsontext.KindNull {
			out[w.name] = nil
		}
		for _, g := range got.children() {
			if g.name == w.name || fold && strings.EqualFold(g.name, w.name) {
				out[w.name] = g.Value
			}
		}
	}
	return out
}
