package transform

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"unicode/utf8"
)

// decodeFile decodes a mapping file, or says why that cannot be.
func decodeFile(data []byte) (any, *Finding) {
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return nil, &Finding{Rule: -1, Message: "the file is in UTF-16", Hint: "save it as UTF-8"}
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, &Finding{Rule: -1, Message: "the file is empty", Hint: `[{"enabled": true}] takes every event as it is`}
	}
	if !utf8.Valid(data) {
		return nil, findingAt(data, bytes.IndexRune(data, utf8.RuneError), "the file is not valid UTF-8", "save it as UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, syntaxFinding(data, err)
	}
	if rest := bytes.TrimLeft(data[dec.InputOffset():], " \t\r\n"); len(rest) > 0 {
		return nil, findingAt(data, len(data)-len(rest), "there is more text after the mapping", "a mapping is one list of rules")
	}
	return plain(v), nil
}

// plain brings the numbers of decoded JSON to the form the evaluator keeps.
func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		return number(v)
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	}
	return v
}

// findingAt makes a finding of the byte at offset.
func findingAt(data []byte, offset int, message, hint string) *Finding {
	f := &Finding{Rule: -1, Message: message, Hint: hint}
	f.place(data, span{offset, offset + 1})
	return f
}

// notJSON finds what YAML begins with: a dash, or a key that is not quoted.
var notJSON = regexp.MustCompile(`\A(?:\s*#.*\n)*\s*(---|- |\w+:(?:\s|$))`)

// syntaxFinding says in a mapping's terms what encoding/json has against it.
func syntaxFinding(data []byte, err error) *Finding {
	i := len(data)
	syntax, ok := errors.AsType[*json.SyntaxError](err)
	if ok {
		i = int(syntax.Offset) - 1
	} else if !errors.Is(err, io.ErrUnexpectedEOF) {
		return &Finding{Rule: -1, Message: err.Error()}
	}
	if i < 0 || i >= len(data) {
		return findingAt(data, len(data), "the file ends before the mapping does", "a bracket, a brace or a quote is not closed")
	}
	if m := notJSON.FindSubmatchIndex(data); m != nil {
		return findingAt(data, m[2], "the file looks like YAML", `a mapping is JSON: [{"name": "…", "enabled": "…"}]`)
	}
	c := data[i]
	before := bytes.TrimRight(data[:i], " \t\r\n")
	switch {
	case (c == ']' || c == '}') && bytes.HasSuffix(before, []byte(",")):
		return findingAt(data, len(before)-1, fmt.Sprintf("trailing comma before %q", string(c)), "remove the comma")
	case c == '/' || c == '#':
		return findingAt(data, i, "JSON has no comments", "remove the comment")
	case c == '\'':
		return findingAt(data, i, "JSON has no single quotes", "write \"…\"")
	case c == '\n' || c == '\r' || c == '\t':
		return findingAt(data, i, "a text goes over the end of its line or holds a tab", `write \n or \t in it, or close its quote`)
	case c == '"' && len(before) > 0 && bytes.IndexByte([]byte(`"]}0123456789el`), before[len(before)-1]) >= 0:
		return findingAt(data, i, "a comma is missing before this text", "")
	}
	return findingAt(data, i, "not JSON: "+syntax.Error(), "")
}
