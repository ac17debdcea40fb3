package transform

import (
	"bytes"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/go-json-experiment/json/jsontext"
)

// Finding is one thing that is wrong with a mapping, or that looks wrong.
type Finding struct {
	File string // as it was named; empty for the built-in rule
	// Rule is the position of the rule, counted from 0; -1 where the finding
	// is about the file. Name is the rule's own name, if it has one.
	Rule int
	Name string
	// Field is the place in the rule: "url", "headers.Authorization",
	// "body.list[0]"; empty where the finding is about the whole rule.
	Field string
	// Line and Column say where in the file it begins, both counted from 1;
	// 0 where the finding has no place. Column counts UTF-16 code units, as
	// editors do. Start and End are the same place as byte offsets in the file,
	// End exclusive. A fault of an expression points into the JSON string that
	// holds the expression.
	Line, Column int
	Start, End   int

	Warning bool   // the mapping works, but probably not as it was meant
	Message string // what is wrong
	Hint    string // what would be right; may be empty
}

// Error returns the finding as one line: file:line:column: rule, field, message.
func (f Finding) Error() string {
	var b strings.Builder
	if f.File != "" {
		b.WriteString(f.File)
		if f.Line > 0 {
			fmt.Fprintf(&b, ":%d:%d", f.Line, f.Column)
		}
		b.WriteString(": ")
	}
	if f.Warning {
		b.WriteString("warning: ")
	}
	if f.Rule >= 0 {
		b.WriteString("rule " + label(f.Rule, f.Name) + ": ")
	}
	if f.Field != "" {
		b.WriteString(f.Field + ": ")
	}
	b.WriteString(f.Message)
	if f.Hint != "" {
		b.WriteString("; " + f.Hint)
	}
	return b.String()
}

// joinErrors joins the findings that are no warnings.
func joinErrors(findings []Finding) error {
	var errs []error
	for _, f := range findings {
		if !f.Warning {
			errs = append(errs, f)
		}
	}
	return errors.Join(errs...)
}

func label(rule int, name string) string {
	if name == "" {
		return strconv.Itoa(rule)
	}
	return strconv.Itoa(rule) + " " + strconv.Quote(name)
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
