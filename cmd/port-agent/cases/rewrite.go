package cases

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// edit replaces source[start:end] of a document.
type edit struct {
	start, end int
	text       string
}

// replace notes that n is to become got. What is the same in both stays as it
// stands in the file, and so do order and indentation.
func (d *document) replace(n *node, got any) {
	d.edits = append(d.edits, edit{n.start, n.end, d.render(n, got)})
}

// save writes the document, if anything in it has been replaced. The file is
// replaced as a whole, so that it is never half written.
func (d *document) save() error {
	if len(d.edits) == 0 {
		return nil
	}
	slices.SortFunc(d.edits, func(a, b edit) int { return cmp.Compare(a.start, b.start) })
	var out bytes.Buffer
	at := 0
	for _, e := range d.edits {
		out.Write(d.source[at:e.start])
		out.WriteString(e.text)
		at = e.end
	}
	out.Write(d.source[at:])
	return WriteFile(d.file, out.Bytes())
}

// WriteFile replaces the content of a file at once, by way of a file beside it.
// A file that is there keeps its permissions, and a link stays one.
func WriteFile(file string, data []byte) error {
	if real, err := filepath.EvalSymlinks(file); err == nil {
		file = real
	}
	mode := os.FileMode(0o644)
	if info, err := os.Stat(file); err == nil {
		mode = info.Mode().Perm()
	}
	temporary, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name()) // gone already once it is renamed
	_, err = temporary.Write(data)
	err = cmp.Or(err, temporary.Chmod(mode), temporary.Close())
	if err != nil {
		return err
	}
	return os.Rename(temporary.Name(), file)
}

// same reports whether n holds got.
func (d *document) same(n *node, got any) bool {
	c := comparison{doc: d}
	c.whole("", n, got)
	return len(c.diff) == 0
}

// render is the text of got in the place of n.
func (d *document) render(n *node, got any) string {
	if d.same(n, got) {
		return string(d.text(n))
	}
	switch g := got.(type) {
	case map[string]any:
		if n.kind == '{' && len(n.members) > 0 {
			return d.renderObject(n, g)
		}
	case []any:
		if n.kind == '[' && len(n.elements) > 0 {
			return d.renderArray(n, g)
		}
	}
	return fresh(got, d.indent(n.start), d.unit())
}

func (d *document) renderObject(n *node, got map[string]any) string {
	var parts []string
	for _, m := range n.members {
		if v, ok := got[m.name]; ok {
			parts = append(parts, string(d.source[m.start:m.value.start])+d.render(m.value, v))
		}
	}
	first := n.members[0]
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if n.member(name) == nil {
			parts = append(parts, printJSON(name)+": "+fresh(got[name], d.indent(first.start), d.unit()))
		}
	}
	return d.enclose(n, first.start, n.members[len(n.members)-1].value.end, parts)
}

func (d *document) renderArray(n *node, got []any) string {
	var parts []string
	for i, v := range got {
		if i < len(n.elements) {
			parts = append(parts, d.render(n.elements[i], v))
		} else {
			parts = append(parts, fresh(v, d.indent(n.elements[0].start), d.unit()))
		}
	}
	return d.enclose(n, n.elements[0].start, n.elements[len(n.elements)-1].end, parts)
}

// enclose puts parts between the brackets of n, one a line where that is how
// they stood. What n holds goes from first to last.
func (d *document) enclose(n *node, first, last int, parts []string) string {
	begin, end := string(d.source[n.start:first]), string(d.source[last:n.end])
	if len(parts) == 0 {
		return begin[:1] + end[len(end)-1:]
	}
	separator := ", "
	if strings.Contains(begin, "\n") {
		separator = "," + begin[1:]
	}
	return begin + strings.Join(parts, separator) + end
}

// indent is the white space that the line of an offset begins with.
func (d *document) indent(offset int) string {
	line := d.source[bytes.LastIndexByte(d.source[:offset], '\n')+1:]
	return string(line[:len(line)-len(bytes.TrimLeft(line, " \t"))])
}

// unit is one step of the document's indentation.
func (d *document) unit() string {
	for line := range bytes.Lines(d.source) {
		if n := len(line) - len(bytes.TrimLeft(line, " \t")); n > 0 {
			return string(line[:n])
		}
	}
	return "  "
}

// maxLine is how long a value may be that is written in one line.
const maxLine = 100

// fresh is the text of a value that was not in the file, below a line that is
// indented by indent.
func fresh(v any, indent, unit string) string {
	line := inline(v)
	if len(line) <= maxLine {
		return line
	}
	inner := indent + unit
	var parts []string
	brackets := "{}"
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, printJSON(name)+": "+fresh(v[name], inner, unit))
		}
	case []any:
		brackets = "[]"
		for _, e := range v {
			parts = append(parts, fresh(e, inner, unit))
		}
	default:
		return line
	}
	return brackets[:1] + "\n" + inner + strings.Join(parts, ",\n"+inner) + "\n" + indent + brackets[1:]
}

// inline is a value in one line, with a space after each colon and comma.
func inline(v any) string {
	var parts []string
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, printJSON(name)+": "+inline(v[name]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case []any:
		for _, e := range v {
			parts = append(parts, inline(e))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return printJSON(v)
}

// create is the text of a new file: the fields of an object in the order in
// which their type has them.
func create(v any) (string, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	d, err := parseDocument("", data)
	if err != nil {
		return "", err
	}
	var parts []string
	for _, m := range d.root.members {
		parts = append(parts, printJSON(m.name)+": "+fresh(m.value.value(), "  ", "  "))
	}
	if len(parts) == 0 {
		return "{}\n", nil
	}
	return "{\n  " + strings.Join(parts, ",\n  ") + "\n}\n", nil
}
