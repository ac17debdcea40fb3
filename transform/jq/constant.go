package jq

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/itchyny/gojq"
)

// Literal is a constant text that an expression may return.
type Literal struct {
	Text string
	Open bool // it is the beginning of such a text
	// Start and End are where it is written, in bytes; 0 where that is not known.
	Start, End int
}

// literals returns the constant texts that the query of an expression may return.
func literals(expr string, q *gojq.Query) (out []Literal) {
	all := func(queries ...*gojq.Query) (out []Literal) {
		for _, q := range queries {
			out = append(out, literals(expr, q)...)
		}
		return out
	}
	beginnings := func(q *gojq.Query) []Literal {
		out := all(q)
		for i := range out {
			out[i].Open = true
		}
		return out
	}
	switch {
	case q == nil:
	case q.Op == gojq.OpAlt, q.Op == gojq.OpComma:
		return all(q.Left, q.Right)
	case q.Op == gojq.OpPipe:
		return all(q.Right)
	case q.Op == gojq.OpAdd:
		return beginnings(q.Left)
	case q.Term == nil || len(q.Term.SuffixList) > 0:
	case q.Term.Type == gojq.TermTypeQuery:
		return all(q.Term.Query)
	case q.Term.Type == gojq.TermTypeString && q.Term.Str.Queries == nil:
		start, end := find(expr, q.Term.Str.Str)
		return []Literal{{Text: q.Term.Str.Str, Start: start, End: end}}
	case q.Term.Type == gojq.TermTypeString:
		return beginnings(q.Term.Str.Queries[0])
	case q.Term.Type == gojq.TermTypeIf:
		out = all(q.Term.If.Then, q.Term.If.Else)
		for _, e := range q.Term.If.Elif {
			out = append(out, all(e.Then)...)
		}
	}
	return out
}

// find returns where the constant text is written in an expression, 0 where it is
// not as jq would print it.
func find(expr, text string) (start, end int) {
	quoted := JSON(text)
	if start = strings.Index(expr, quoted); start < 0 {
		return 0, 0
	}
	return start, start + len(quoted)
}

// pattern is a constant regular expression or format of times.
type pattern struct{ function, text, flags string }

// patternFaults says which of the patterns of an expression cannot work.
func patternFaults(expr string, patterns []pattern) (faults []Fault) {
	for _, p := range patterns {
		var f Fault
		if strings.Contains(p.function, "time") { // strptime, strftime, strflocaltime
			if bad := badDirective.FindString(strings.ReplaceAll(p.text, "%%", "")); bad != "" {
				f.Message = fmt.Sprintf("the format of a time has no %s", bad)
			}
		} else if _, err := compileRegex(p.text, p.flags); err != nil {
			f.Message, f.Hint = err.Error(), regexHint(p.text)
		}
		if f.Message != "" {
			f.Start, f.End = find(expr, p.text)
			faults = append(faults, f)
		}
	}
	return faults
}

var (
	badDirective = regexp.MustCompile(`%[-_^#0-9:]*[^-_^#0-9:GYgyCmBbhAawuVUWedjkHlIPpMSsfZztn+cvrFDxTXR%]`)
	lookAround   = regexp.MustCompile(`\(\?<?[=!]`)
	unicode      = regexp.MustCompile(`\\u([0-9A-Fa-f]{4})`)
	backRef      = regexp.MustCompile(`\\[1-9]`)
)

// regexHint says what to write instead of what other engines have.
func regexHint(re string) string {
	if m := unicode.FindStringSubmatch(re); m != nil {
		return `write \x{` + m[1] + "}"
	}
	if lookAround.MatchString(re) {
		return "look-ahead and look-behind do not exist here: match more and take a group of it, or use two tests"
	}
	if backRef.MatchString(re) {
		return "references to groups do not exist here"
	}
	return ""
}
