package transform

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"sort"
	"strconv"
	"unicode/utf16"

	"github.com/go-json-experiment/json/jsontext"
)

// span is a part of a text, in bytes.
type span struct{ start, end int }

// place is where a value stands in a mapping file.
type place struct {
	field string // as findings and errors name it: "body.list[0]"
	at    span
	name  span // where it is a member of an object
}

// key gives the name of a member of the field.
func (p place) key(name string) string {
	if p.field == "" {
		return name
	}
	return p.field + "." + name
}

// node is a value of a mapping file.
type node struct {
	place
	value any // nil, bool, int, *big.Int, float64, string, []*node or map[string]*node
}

// decoder reads a mapping file into nodes.
type decoder struct {
	data  []byte
	dec   *jsontext.Decoder
	twice func(name span) // is called with a name that an object has already
}

// decodeFile decodes a mapping file, or says why that cannot be. Where an object has
// a name twice the last one counts, and twice is told.
func decodeFile(data []byte, twice func(name span)) (*node, *Finding) {
	d := decoder{data, jsontext.NewDecoder(bytes.NewReader(data), jsontext.AllowDuplicateNames(true)), twice}
	n, err := d.node("")
	if err != nil {
		return nil, syntaxFinding(data, err)
	}
	if d.dec.PeekKind(); int(d.dec.InputOffset()) < len(bytes.TrimRight(data, " \t\r\n")) {
		rest := bytes.TrimLeft(data[d.dec.InputOffset():], " \t\r\n")
		return nil, findingAt(data, len(data)-len(rest), "there is more text after the mapping", "a mapping is one list of rules")
	}
	return n, nil
}

// raw reads a value, which may be a name, and says where it is.
func (d *decoder) raw() (jsontext.Value, span, error) {
	v, err := d.dec.ReadValue()
	end := int(d.dec.InputOffset())
	return v, span{end - len(v), end}, err
}

func (d *decoder) node(field string) (*node, error) {
	n := &node{place: place{field: field}}
	kind := d.dec.PeekKind()
	if kind != '{' && kind != '[' {
		raw, at, err := d.raw()
		n.at = at
		switch kind {
		case '"':
			text, _ := jsontext.AppendUnquote(nil, raw)
			n.value = string(text)
		case '0':
			n.value = number(json.Number(raw))
		case 't', 'f':
			n.value = kind == 't'
		}
		return n, err
	}
	_, err := d.dec.ReadToken()
	n.at.start = int(d.dec.InputOffset()) - 1
	if err == nil && kind == '{' {
		err = d.object(n)
	} else if err == nil {
		err = d.list(n)
	}
	if err == nil {
		_, err = d.dec.ReadToken()
	}
	n.at.end = int(d.dec.InputOffset())
	return n, err
}

func (d *decoder) object(n *node) error {
	members := make(map[string]*node)
	n.value = members
	for d.dec.PeekKind() != '}' {
		raw, at, err := d.raw()
		if err != nil {
			return err
		}
		text, _ := jsontext.AppendUnquote(nil, raw)
		name := string(text)
		if members[name] != nil {
			d.twice(at)
		}
		if members[name], err = d.node(n.key(name)); err != nil {
			return err
		}
		members[name].name = at
	}
	return nil
}

func (d *decoder) list(n *node) error {
	list := []*node{}
	for d.dec.PeekKind() != ']' {
		field := n.field + "[" + strconv.Itoa(len(list)) + "]"
		if n.field == "" || n.field == "rules" { // a field is named from its rule on
			field = ""
		}
		item, err := d.node(field)
		if err != nil {
			return err
		}
		list = append(list, item)
	}
	n.value = list
	return nil
}

// findingAt makes a finding of the byte at offset.
func findingAt(data []byte, offset int, message, hint string) *Finding {
	f := &Finding{Rule: -1, Message: message, Hint: hint}
	f.place(data, span{offset, offset + 1})
	return f
}

// notJSON finds what YAML begins with: a dash, or a key that is not quoted.
var notJSON = regexp.MustCompile(`\A(?:\s*#.*\n)*\s*(---|- |\w+:(?:\s|$))`)

// syntaxForms are what people write that is not JSON, by what the decoder says.
var syntaxForms = []struct {
	re            *regexp.Regexp
	message, hint string
}{
	{regexp.MustCompile(`'\\x(ff|fe)' at start`), "the file is in UTF-16", "save it as UTF-8"},
	{regexp.MustCompile(`invalid UTF-8`), "the file is not valid UTF-8", "save it as UTF-8"},
	{regexp.MustCompile(`',' at start`), "a trailing comma, or one too many", "remove the comma"},
	{regexp.MustCompile(`'[/#]' (at|after)`), "JSON has no comments", "remove the comment"},
	{regexp.MustCompile(`'\\'' (at|after)`), "JSON has no single quotes", `write "…"`},
	{regexp.MustCompile(`'\\[nrt]' in string`), "a text goes over the end of its line or holds a tab", `write \n or \t in it, or close its quote`},
	{regexp.MustCompile(`'"' after .*expecting ','`), "a comma is missing before this text", ""},
}

// syntaxFinding says in a mapping's terms what the decoder has against it.
func syntaxFinding(data []byte, err error) *Finding {
	if len(bytes.TrimSpace(data)) == 0 {
		return findingAt(data, 0, "the file is empty", `[{"enabled": true}] takes every event as it is`)
	}
	syntax, ok := errors.AsType[*jsontext.SyntacticError](err)
	if !ok || errors.Is(err, io.ErrUnexpectedEOF) {
		return findingAt(data, len(data), "the file ends before the mapping does", "a bracket, a brace or a quote is not closed")
	}
	if m := notJSON.FindSubmatchIndex(data); m != nil {
		return findingAt(data, m[2], "the file looks like YAML", `a mapping is JSON: [{"name": "…", "enabled": "…"}]`)
	}
	said := syntax.Err.Error()
	for _, form := range syntaxForms {
		if form.re.MatchString(said) {
			return findingAt(data, int(syntax.ByteOffset), form.message, form.hint)
		}
	}
	return findingAt(data, int(syntax.ByteOffset), "not JSON: "+said, "")
}

// place sets the place of the finding.
func (f *Finding) place(data []byte, s span) {
	s.start = max(0, min(s.start, len(data)))
	s.end = max(s.start, min(s.end, len(data)))
	line := bytes.LastIndexByte(data[:s.start], '\n') + 1
	f.Start, f.End = s.start, s.end
	f.Line = 1 + bytes.Count(data[:s.start], []byte("\n"))
	f.Column = 1 + len(utf16.Encode([]rune(string(data[line:s.start]))))
}

// inString maps a part of a text to the JSON string s of the file that holds
// the text.
func inString(data []byte, s, part span) span {
	raw := data[s.start : s.end-1]
	find := func(n int) int { // the end of what stands for the first n bytes of the text
		return s.start + sort.Search(len(raw), func(i int) bool {
			text, _ := jsontext.AppendUnquote(nil, raw[:i])
			return i > 0 && len(text) >= n
		})
	}
	return span{find(part.start), find(part.end)}
}
