package transform

import (
	"bytes"
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

// locate gives the findings their place in the file.
func locate(data []byte, findings []Finding) {
	wanted := make(map[string]located)
	for _, f := range findings {
		if f.Line == 0 && f.pointer != "" {
			wanted[f.pointer] = located{}
		}
	}
	if len(wanted) == 0 {
		return
	}
	spans(data, wanted)
	for i := range findings {
		f := &findings[i]
		at, ok := wanted[f.pointer]
		if f.Line > 0 || !ok || at.value.end == 0 {
			continue
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
}

// place sets the place of the finding.
func (f *Finding) place(data []byte, s span) {
	s.start = max(0, min(s.start, len(data)))
	s.end = max(s.start, min(s.end, len(data)))
	line := bytes.LastIndexByte(data[:s.start], '\n') + 1
	before := bytes.TrimPrefix(data[line:s.start], []byte("\ufeff"))
	f.Start, f.End = s.start, s.end
	f.Line = 1 + bytes.Count(data[:s.start], []byte("\n"))
	f.Column = 1 + len(utf16.Encode([]rune(string(before))))
}

// spans finds the values that are wanted, by their JSON pointers.
func spans(data []byte, wanted map[string]located) {
	body := bytes.TrimPrefix(data, []byte("\ufeff"))
	base := len(data) - len(body)
	dec := jsontext.NewDecoder(bytes.NewReader(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	names := map[string]span{} // of the members that are open
	for {
		token, err := dec.ReadToken()
		if err != nil {
			return
		}
		pointer := string(dec.StackPointer())
		at, ok := wanted[pointer]
		if !ok {
			continue
		}
		end := base + int(dec.InputOffset())
		kind, count := dec.StackIndex(dec.StackDepth())
		switch k := token.Kind(); {
		case k == '{' || k == '[': // just opened: it ends later
			at.value.start = end - 1
		case k == '}' || k == ']':
			at.value.end = end
		case kind == '{' && count%2 == 1:
			names[pointer] = tokenSpan(data, end)
			continue
		default:
			at.value = tokenSpan(data, end)
		}
		at.name = names[pointer]
		wanted[pointer] = at
	}
}

// tokenSpan gives the scalar that ends before end.
func tokenSpan(data []byte, end int) span {
	start := end - 1
	if data[start] != '"' {
		for start > 0 && strings.IndexByte(" \t\r\n[{,:", data[start-1]) < 0 {
			start--
		}
		return span{start, end}
	}
	for start--; start > 0; start-- {
		slashes := 0
		for start-1-slashes >= 0 && data[start-1-slashes] == '\\' {
			slashes++
		}
		if data[start] == '"' && slashes%2 == 0 {
			break
		}
	}
	return span{start, end}
}

// inString maps a part of a text to the JSON string s of the file that holds
// the text.
func inString(data []byte, s, part span) span {
	out := span{s.end - 1, s.end - 1}
	decoded := 0
	for i := s.start + 1; i < s.end-1; {
		if decoded <= part.start {
			out.start = i
		}
		if decoded >= part.end {
			out.end = i
			break
		}
		raw, size := 1, 1
		if data[i] == '\\' {
			raw = 2
			if data[i+1] == 'u' {
				raw, size = escapeSize(data[i:s.end])
			}
		}
		i += raw
		decoded += size
	}
	if decoded <= part.start {
		out.start = s.end - 1
	}
	out.end = max(out.end, out.start)
	return out
}

// escapeSize gives the length of the \u escape at the start of b, and of the
// UTF-8 it stands for.
func escapeSize(b []byte) (raw, size int) {
	unit := func(b []byte) rune {
		if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
			return 0
		}
		n, _ := strconv.ParseUint(string(b[2:6]), 16, 16)
		return rune(n)
	}
	r := unit(b)
	if len(b) > 6 {
		if pair := utf16.DecodeRune(r, unit(b[6:])); pair != utf8.RuneError {
			return 12, 4
		}
	}
	if utf16.IsSurrogate(r) {
		r = utf8.RuneError
	}
	return 6, utf8.RuneLen(r)
}
