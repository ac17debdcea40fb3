package cases

import (
	"bytes"
	"cmp"
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

// replace changes v to got. Parts that are equal keep their text, and the order
// and indentation of the file stay.
func (d *document) replace(v, got value) {
	d.edits = append(d.edits, edit{v.offset, v.offset + len(v.Value), d.render(v, got)})
}

// edited is the text of the document after all replacements.
func (d *document) edited() []byte {
	slices.SortFunc(d.edits, func(a, b edit) int { return cmp.Compare(a.start, b.start) })
	var out bytes.Buffer
	at := 0
	for _, e := range d.edits {
		out.Write(d.source[at:e.start])
		out.WriteString(e.text)
		at = e.end
	}
	out.Write(d.source[at:])
	return out.Bytes()
}

// save writes the document if it was changed.
func (d *document) save() error {
	if len(d.edits) == 0 {
		return nil
	}
	err := WriteFile(d.file, d.edited())
	d.edits = nil
	return err
}

// WriteFile replaces the content of a file atomically. An existing file keeps its
// permissions, and a symbolic link stays one.
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

// same reports whether v equals got.
func (d *document) same(v, got value) bool {
	c := comparison{doc: d}
	c.whole("", v, got)
	return len(c.diff) == 0
}

// render is the text of got in the place of v.
func (d *document) render(v, got value) string {
	old := v.children()
	if d.same(v, got) {
		return string(v.Value)
	}
	if v.Kind() != got.Kind() || len(old) == 0 {
		most := maxLine
		if v.offset == d.root.offset {
			most = 0 // a file of its own does not begin in one line
		}
		return layout(got, d.indent(v.offset), d.unit(), most)
	}
	var parts []string
	known, actual := bySteps(old), bySteps(got.children())
	for _, c := range old {
		if g, ok := actual[c.step]; ok {
			parts = append(parts, c.label+d.render(c, g))
		}
	}
	first, last := old[0], old[len(old)-1]
	for _, g := range got.children() {
		if _, ok := known[g.step]; !ok {
			parts = append(parts, g.label+layout(g, d.indent(first.offset), d.unit(), maxLine))
		}
	}
	begin := string(d.source[v.offset : first.offset-len(first.label)])
	end := string(d.source[last.offset+len(last.Value) : v.offset+len(v.Value)])
	return enclose(begin, parts, end)
}

// enclose joins parts between the beginning and the end of an object or array: one
// per line if the beginning breaks the line.
func enclose(begin string, parts []string, end string) string {
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

// maxLine is the length in bytes up to which a value stays in one line.
const maxLine = 100

// layout formats a value made by newValue, in a line that is indented by indent.
// What is longer than most bytes has one child per line.
func layout(v value, indent, unit string, most int) string {
	children := v.children()
	if len(v.Value) <= most || len(children) == 0 {
		return string(v.Value)
	}
	inner := "\n" + indent + unit
	var parts []string
	for _, c := range children {
		parts = append(parts, c.label+layout(c, indent+unit, unit, maxLine))
	}
	return enclose(string(v.Value[:1])+inner, parts, "\n"+indent+string(v.Value[len(v.Value)-1:]))
}
