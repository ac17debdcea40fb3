package transform

import "unicode/utf8"

// regexMatches gives the matches as match describes them.
func regexMatches(r *run, in any, args []any) any {
	s, x, found, err := searchAll(r, in, args)
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
		part := func(from, to int) map[string]any {
			if from < 0 {
				return map[string]any{"string": nil, "offset": -1, "length": 0}
			}
			return map[string]any{"string": s[from:to], "offset": letters + utf8.RuneCountInString(s[at:from]), "length": utf8.RuneCountInString(s[from:to])}
		}
		groups := make([]any, len(names)-1)
		for j, name := range names[1:] {
			group := part(m[2*j+2], m[2*j+3])
			if group["name"] = nil; name != "" {
				group["name"] = name
			}
			groups[j] = group
		}
		whole := part(m[0], m[1])
		whole["captures"] = groups
		out[i] = whole
	}
	return out
}

// regexSplits gives the texts between the matches: one more than these are.
func regexSplits(r *run, in any, args []any) any {
	s, _, found, err := searchAll(r, in, args)
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
