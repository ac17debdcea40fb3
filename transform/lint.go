package transform

import "github.com/itchyny/gojq"

// constants gives the constant texts that q may give.
func constants(q *gojq.Query) []string {
	if q == nil {
		return nil
	}
	if s, ok := text(q); ok {
		return []string{s}
	}
	switch {
	case q.Op == gojq.OpAlt, q.Op == gojq.OpComma:
		return append(constants(q.Left), constants(q.Right)...)
	case q.Op == gojq.OpPipe:
		return constants(q.Right)
	case q.Term == nil || len(q.Term.SuffixList) > 0:
		return nil
	case q.Term.Type == gojq.TermTypeQuery:
		return constants(q.Term.Query)
	case q.Term.Type == gojq.TermTypeIf:
		out := append(constants(q.Term.If.Then), constants(q.Term.If.Else)...)
		for _, e := range q.Term.If.Elif {
			out = append(out, constants(e.Then)...)
		}
		return out
	}
	return nil
}

// prefix gives the constant text that what q gives begins with, "" without one.
func prefix(q *gojq.Query) string {
	switch {
	case q == nil:
	case q.Op == gojq.OpAdd:
		return prefix(q.Left)
	case q.Term == nil || len(q.Term.SuffixList) > 0:
	case q.Term.Type == gojq.TermTypeQuery:
		return prefix(q.Term.Query)
	case q.Term.Type == gojq.TermTypeString && q.Term.Str.Queries == nil:
		return q.Term.Str.Str
	case q.Term.Type == gojq.TermTypeString && len(q.Term.Str.Queries) > 0:
		return prefix(q.Term.Str.Queries[0])
	}
	return ""
}
