package cases

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	"github.com/go-json-experiment/json/jsontext"
)

// document is a JSON file whose values know their place in it.
type document struct {
	file   string
	source []byte
	root   *node
	edits  []edit
}

// node is a JSON value and where it stands: source[start:end].
type node struct {
	start, end int
	kind       byte // as jsontext.Kind: { [ " 0 t f n
	scalar     any  // string, json.Number, bool or nil
	members    []member
	elements   []*node
}

type member struct {
	name  string
	start int // of the name
	value *node
}

// member finds a member of an object; nil is absent.
func (n *node) member(name string) *node {
	for _, m := range n.members {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// value is the node as decoded JSON, with numbers as json.Number.
func (n *node) value() any {
	switch n.kind {
	case '{':
		out := make(map[string]any, len(n.members))
		for _, m := range n.members {
			out[m.name] = m.value.value()
		}
		return out
	case '[':
		out := make([]any, len(n.elements))
		for i, e := range n.elements {
			out[i] = e.value()
		}
		return out
	}
	return n.scalar
}

// readDocument reads and parses a JSON file.
func readDocument(file string) (*document, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return parseDocument(file, data)
}

func parseDocument(file string, data []byte) (*document, error) {
	d := &document{file: file, source: data}
	text := bytes.TrimPrefix(data, []byte("\ufeff"))
	p := parser{jsontext.NewDecoder(bytes.NewReader(text)), len(data) - len(text)}
	root, err := p.value()
	if err != nil {
		return nil, fmt.Errorf("%s:%d: %w", file, d.line(int(p.dec.InputOffset())), err)
	}
	d.root = root
	if rest := bytes.TrimSpace(data[root.end:]); len(rest) > 0 {
		return nil, fmt.Errorf("%s:%d: more after the JSON value", file, d.line(len(data)-len(rest)))
	}
	return d, nil
}

// line is the line of an offset, counted from 1.
func (d *document) line(offset int) int {
	return 1 + bytes.Count(d.source[:min(offset, len(d.source))], []byte("\n"))
}

// text is the JSON of a node as written in the file.
func (d *document) text(n *node) []byte { return d.source[n.start:n.end] }

// parser builds nodes; shift is where its input begins in the document.
type parser struct {
	dec   *jsontext.Decoder
	shift int
}

func (p parser) value() (*node, error) {
	n := &node{kind: byte(p.dec.PeekKind())}
	if n.kind == '{' || n.kind == '[' {
		if _, err := p.dec.ReadToken(); err != nil {
			return nil, err
		}
		n.start = p.offset() - 1
		return n, p.children(n)
	}
	raw, err := p.dec.ReadValue()
	if err != nil {
		return nil, err
	}
	n.start, n.end = p.offset()-len(raw), p.offset()
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	return n, dec.Decode(&n.scalar)
}

// children reads what stands in an object or array, and its end.
func (p parser) children(n *node) error {
	for byte(p.dec.PeekKind()) != n.kind+2 { // '[' and ']', '{' and '}' lie two apart
		var m member
		if n.kind == '{' {
			raw, err := p.dec.ReadValue()
			if err != nil {
				return err
			}
			m.start = p.offset() - len(raw)
			if err := json.Unmarshal(raw, &m.name); err != nil {
				return err
			}
		}
		v, err := p.value()
		if err != nil {
			return err
		}
		if m.value = v; n.kind == '{' {
			n.members = append(n.members, m)
			continue
		}
		n.elements = append(n.elements, v)
	}
	_, err := p.dec.ReadToken()
	n.end = p.offset()
	return err
}

func (p parser) offset() int { return int(p.dec.InputOffset()) + p.shift }
