package transform

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// place is where a value stands in a mapping file.
type place struct {
	field   string // as findings and errors name it: "body.list[0]"
	pointer string // its JSON pointer in the file
}

var escapePointer = strings.NewReplacer("~", "~0", "/", "~1")

func (at place) key(name string) place {
	field := name
	if at.field != "" {
		field = at.field + "." + name
	}
	return place{field, at.pointer + "/" + escapePointer.Replace(name)}
}

func (at place) item(i int) place {
	n := strconv.Itoa(i)
	return place{at.field + "[" + n + "]", at.pointer + "/" + n}
}

// span is a part of a text, in bytes.
type span struct{ start, end int }

// located is a value of the file, and its name where it is in an object.
type located struct{ name, value span }

// locate gives a finding its place in the file.
func (p *parser) locate(data []byte, f *Finding) {
	at, ok := p.places[f.pointer]
	if f.Line > 0 || !ok || f.pointer == "" {
		return
	}
	s := at.value
	switch {
	case f.onName:
		s = at.name
	case f.inExpr.end > 0:
		s = inString(data, s, f.inExpr)
	}
	f.place(data, s)
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

// places finds the values of a file and their names. Where an object has a name
// twice the last one counts, and the other is a trap for whoever edits it: twice
// warns about the first such name.
func places(data []byte) (out map[string]located, twice *Finding) {
	out = make(map[string]located)
	dec := jsontext.NewDecoder(bytes.NewReader(data), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	for {
		var err error
		raw := jsontext.Value("x") // a bracket
		kind := dec.PeekKind()
		switch kind {
		case '{', '[', '}', ']':
			_, err = dec.ReadToken()
		default:
			raw, err = dec.ReadValue()
		}
		if err != nil {
			return out, twice
		}
		end := int(dec.InputOffset())
		s := span{end - len(raw), end}
		pointer := string(dec.StackPointer())
		at := out[pointer]
		parent, members := dec.StackIndex(dec.StackDepth())
		switch {
		case kind == '{', kind == '[':
			at.value.start = s.start
		case kind == '}', kind == ']':
			at.value.end = s.end
		case parent == '{' && members%2 == 1:
			if at.name.end > 0 && twice == nil {
				twice = findingAt(data, s.start, "key "+string(raw)+" occurs twice in one object", "the last one counts; remove the other")
				twice.Warning = true
			}
			at.name = s
		default:
			at.value = s
		}
		out[pointer] = at
	}
}

// inString maps a part of a text to the JSON string s of the file that holds
// the text.
func inString(data []byte, s, part span) span {
	place := func(n int) int {
		i := s.start + 1
		for n > 0 && i < s.end-1 {
			raw, size := 1, 1
			if data[i] == '\\' {
				raw, size = escape(data[i : s.end-1])
			}
			i += raw
			n -= size
		}
		return i
	}
	return span{place(part.start), place(part.end)}
}

// escape gives the length of the escape at the start of b, and of the UTF-8 it
// stands for.
func escape(b []byte) (raw, size int) {
	for _, raw := range []int{12, 6, 2} { // a surrogate pair, \u0000, \n
		var s string
		if raw <= len(b) && json.Unmarshal([]byte(`"`+string(b[:raw])+`"`), &s) == nil && utf8.RuneCountInString(s) == 1 {
			return raw, len(s)
		}
	}
	return 1, 1
}
