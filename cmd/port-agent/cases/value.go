package cases

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// document is a JSON file.
type document struct {
	file   string
	source []byte
	root   value
	edits  []edit
}

// value is the text of a JSON value and its place in a document.
type value struct {
	jsontext.Value
	offset int    // in the document
	name   string // of a member of an object
	label  string // of a member: name and colon, as they are written
	step   string // in a path: .name or [0]
}

// newValue is v as JSON in one line, in no document.
func newValue(v any) (value, error) {
	data, err := json.Marshal(v)
	if err == nil {
		data, err = jsontext.AppendFormat(nil, data, jsontext.SpaceAfterColon(true), jsontext.SpaceAfterComma(true))
	}
	return value{Value: data}, err
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
	shift := len(data) - len(text)
	dec := jsontext.NewDecoder(bytes.NewReader(text))
	raw, err := dec.ReadValue()
	if err != nil {
		at := len(text)
		if bad, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
			at = int(bad.ByteOffset)
		}
		return nil, fmt.Errorf("%s:%d: %w", file, d.line(shift+at), err)
	}
	end := shift + int(dec.InputOffset())
	if rest := bytes.TrimSpace(data[end:]); len(rest) > 0 {
		return nil, fmt.Errorf("%s:%d: more after the JSON value", file, d.line(len(data)-len(rest)))
	}
	d.root = value{Value: data[end-len(raw) : end], offset: end - len(raw)}
	return d, nil
}

// line is the line of an offset, counted from 1.
func (d *document) line(offset int) int {
	return 1 + bytes.Count(d.source[:min(offset, len(d.source))], []byte("\n"))
}

// children are the members of an object or the elements of an array.
func (v value) children() (list []value) {
	if v.Kind() != jsontext.KindBeginObject && v.Kind() != jsontext.KindBeginArray {
		return nil
	}
	dec := jsontext.NewDecoder(bytes.NewReader(v.Value))
	_, _ = dec.ReadToken() // the bracket
	for {
		raw, err := dec.ReadValue()
		if err != nil { // the other bracket: v has been parsed before
			return list
		}
		c := value{step: fmt.Sprintf("[%d]", len(list))}
		start := int(dec.InputOffset()) - len(raw)
		label := start
		if v.Kind() == jsontext.KindBeginObject {
			c.name = unquote(raw)
			c.step = pathStep(c.name)
			raw, _ = dec.ReadValue()
			start = int(dec.InputOffset()) - len(raw)
		}
		c.label, c.offset, c.Value = string(v.Value[label:start]), v.offset+start, v.Value[start:start+len(raw)]
		list = append(list, c)
	}
}

// bySteps indexes children.
func bySteps(children []value) map[string]value {
	out := make(map[string]value, len(children))
	for _, c := range children {
		out[c.step] = c
	}
	return out
}

var plain = regexp.MustCompile(`^[\w-]+$`)

// pathStep is the step to a member of an object. Names other than plain words are
// quoted.
func pathStep(name string) string {
	if plain.MatchString(name) {
		return "." + name
	}
	return "[" + strconv.Quote(name) + "]"
}

// text is the content of a string.
func (v value) text() (text string, ok bool) {
	if v.Kind() != jsontext.KindString {
		return "", false
	}
	return unquote(v.Value), true
}

func unquote(raw jsontext.Value) string {
	text, _ := jsontext.AppendUnquote(nil, raw) // it has been parsed before
	return string(text)
}

// compact is v in one line without spaces.
func (v value) compact() string {
	text, _ := jsontext.AppendFormat(nil, v.Value) // likewise
	return string(text)
}
