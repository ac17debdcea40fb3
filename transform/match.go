package transform

import (
	"strings"
	"unicode/utf8"

	"github.com/itchyny/gojq"
)

func regexMatches(r *run, in any, args []any) any {
	s, x, err := prepareSearch(r, in, args)
	if err != nil {
		return err
	}
	found, err := x.find(r, s)
	if err != nil {
		return err
	}
	names := x.SubexpNames()
	if err := r.make(captureBytes * len(names) * len(found)); err != nil {
		return err
	}
	out := make([]any, len(found))
	letters, at := 0, 0 // matches come in order, so letters are counted once
	for i, m := range found {
		letters += utf8.RuneCountInString(s[at:m[0]])
		at = m[0]
		groups := make([]any, len(names)-1)
		for j := range groups {
			group := map[string]any{"name": nil, "offset": -1, "length": 0, "string": nil}
			if from, to := m[2*j+2], m[2*j+3]; from >= 0 {
				group = match(s[from:to], letters+utf8.RuneCountInString(s[m[0]:from]))
				group["name"] = nil
			}
			if names[j+1] != "" {
				group["name"] = names[j+1]
			}
			groups[j] = group
		}
		whole := match(s[m[0]:m[1]], letters)
		whole["captures"] = groups
		out[i] = whole
	}
	return out
}

func match(s string, offset int) map[string]any {
	return map[string]any{"string": s, "offset": offset, "length": utf8.RuneCountInString(s)}
}

func regexSplits(r *run, in any, args []any) any {
	s, x, err := prepareSearch(r, in, args)
	if err != nil {
		return err
	}
	found, err := x.find(r, s)
	if err != nil {
		return err
	}
	if err := r.make(2 * valueBytes * len(found)); err != nil {
		return err
	}
	out := make([]any, 0, len(found)+1)
	at := 0
	for _, m := range found {
		out = append(out, s[at:m[0]])
		at = m[1]
	}
	return append(out, s[at:])
}

// regexReplace puts the constant text args[1] in the place of each match.
func regexReplace(r *run, in any, args []any) any {
	s, x, err := prepareSearch(r, in, []any{args[0], args[2]})
	if err != nil {
		return err
	}
	found, err := x.find(r, s)
	if err != nil {
		return err
	}
	text := args[1].(string)
	if err := r.make(len(s) + len(found)*len(text)); err != nil {
		return err
	}
	var b strings.Builder
	at := 0
	for _, m := range found {
		b.WriteString(s[at:m[0]])
		b.WriteString(text)
		at = m[1]
	}
	b.WriteString(s[at:])
	return b.String()
}

// regexReplaced puts the replacements args[1] in the places of the matches
// args[0]. It gives one text for each replacement that a match has: the first
// with the first of every match, and so on.
func regexReplaced(r *run, in any, args []any) any {
	s, replacements := in.(string), args[1].([]any)
	var texts []*strings.Builder
	at, letters := 0, 0
	for i, m := range args[0].([]any) {
		m := m.(map[string]any)
		from := at
		for offset := m["offset"].(int); letters < offset; letters++ {
			_, width := utf8.DecodeRuneInString(s[from:])
			from += width
		}
		for j, v := range replacements[i].([]any) {
			text, ok := v.(string)
			if !ok && v != nil { // null adds nothing, as it does in a sum
				return refuse("a replacement is %s, not text", gojq.TypeOf(v))
			}
			if j == len(texts) {
				texts = append(texts, &strings.Builder{})
			}
			if err := r.make(2 * (from - at + len(text))); err != nil {
				return err
			}
			texts[j].WriteString(s[at:from])
			texts[j].WriteString(text)
		}
		at = from + len(m["string"].(string))
		letters += m["length"].(int)
	}
	if len(texts) == 0 {
		return []any{s}
	}
	if err := r.make(len(texts) * (len(s) - at)); err != nil {
		return err
	}
	out := make([]any, len(texts))
	for i, b := range texts {
		b.WriteString(s[at:])
		out[i] = b.String()
	}
	return out
}
