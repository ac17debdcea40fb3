package transform

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"port-agent/transform/jq"
)

// decode decodes the mapping file. It is nil where that cannot be.
func (p *parser) decode() *node {
	p.dec = jsontext.NewDecoder(bytes.NewReader(p.data), jsontext.AllowDuplicateNames(true))
	n := &node{}
	if err := p.read(n); err != nil {
		p.notDecoded(err)
		return nil
	}
	if rest := bytes.TrimLeft(p.data[p.dec.InputOffset():], " \t\r\n"); len(rest) > 0 {
		p.fail(at(len(p.data)-len(rest)), "there is more text after the mapping", "a mapping is one list of rules")
		return nil
	}
	return n
}

// at is the place of one byte.
func at(offset int) place { return place{at: span{offset, offset + 1}} }

// raw reads a value, which may be a name, and says where it is.
func (p *parser) raw() (jsontext.Value, span, error) {
	v, err := p.dec.ReadValue()
	end := int(p.dec.InputOffset())
	return v, span{end - len(v), end}, err
}

// read reads the value of n, whose field is set.
func (p *parser) read(n *node) error {
	kind := p.dec.PeekKind()
	if kind == '{' || kind == '[' {
		return p.readItems(n, kind)
	}
	raw, at, err := p.raw()
	n.at = at
	switch kind {
	case '"':
		text, _ := jsontext.AppendUnquote(nil, raw)
		n.value = string(text)
	case '0':
		n.value = jq.Number(json.Number(raw))
	case 't', 'f':
		n.value = kind == 't'
	}
	return err
}

// readItems reads an object or a list with all that it holds.
func (p *parser) readItems(n *node, kind jsontext.Kind) error {
	_, err := p.dec.ReadToken()
	n.at.start = int(p.dec.InputOffset()) - 1
	var items []*node
	for err == nil && p.dec.PeekKind() != '}' && p.dec.PeekKind() != ']' {
		item := &node{}
		if kind == '{' {
			err = p.readKey(n, item)
			if i := slices.IndexFunc(items, func(n *node) bool { return n.key == item.key }); i >= 0 {
				p.warn(place{at: item.keyAt}, fmt.Sprintf("key %q occurs twice in one object", item.key), "the last one counts; remove the other")
				items = slices.Delete(items, i, i+1)
			}
		} else if n.field != "" && n.field != "rules" { // a field is named from its rule on
			item.field = n.field + "[" + strconv.Itoa(len(items)) + "]"
		}
		if err == nil {
			err = p.read(item)
		}
		items = append(items, item)
	}
	if err == nil {
		_, err = p.dec.ReadToken()
	}
	n.at.end = int(p.dec.InputOffset())
	if n.value = list(items); kind == '{' {
		n.value = object(items)
	}
	return err
}

// readKey reads the key of a member of n.
func (p *parser) readKey(n, member *node) error {
	raw, at, err := p.raw()
	key, _ := jsontext.AppendUnquote(nil, raw)
	member.key, member.keyAt, member.field = string(key), at, n.below(string(key))
	return err
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

// notDecoded says in a mapping's terms what the decoder has against it.
func (p *parser) notDecoded(err error) {
	if len(bytes.TrimSpace(p.data)) == 0 {
		p.fail(at(0), "the file is empty", `[{"enabled": true}] takes every event as it is`)
		return
	}
	syntax, ok := errors.AsType[*jsontext.SyntacticError](err)
	if !ok || errors.Is(err, io.ErrUnexpectedEOF) {
		p.fail(at(len(p.data)), "the file ends before the mapping does", "a bracket, a brace or a quote is not closed")
		return
	}
	if m := notJSON.FindSubmatchIndex(p.data); m != nil {
		p.fail(at(m[2]), "the file looks like YAML", `a mapping is JSON: [{"name": "…", "enabled": "…"}]`)
		return
	}
	said := syntax.Err.Error()
	message, hint := "not JSON: "+said, ""
	for _, form := range syntaxForms {
		if form.re.MatchString(said) {
			message, hint = form.message, form.hint
			break
		}
	}
	p.fail(at(int(syntax.ByteOffset)), message, hint)
}
