package transform

import (
	"fmt"
	"strings"

	"github.com/itchyny/gojq"
)

// regexReplace is sub, and gsub where args[3] is true, with the constant text
// args[1].
func regexReplace(r *run, in any, args []any) any {
	flags := args[2]
	if args[3] == true {
		s, ok := flags.(string)
		if !ok && flags != nil {
			return fmt.Errorf("the flags of a regular expression are a string, not: %s", gojq.TypeOf(flags))
		}
		flags = "g" + s
	}
	f, err := findAll(r, in, []any{args[0], flags})
	if err != nil {
		return err
	}
	text := args[1].(string)
	if err := r.make(len(f.text) + len(f.at)*len(text)); err != nil {
		return err
	}
	var b strings.Builder
	at := 0
	for _, m := range f.at {
		b.WriteString(f.text[at:m[0]])
		b.WriteString(text)
		at = m[1]
	}
	b.WriteString(f.text[at:])
	return b.String()
}

// regexFound, regexCaptured and regexReplaced are the parts of sub and gsub:
// they find the matches, give the named groups of each, and put in what was
// made of them. The found between them is no value of jq; the prelude keeps
// it in a variable that expressions do not see.
func regexFound(r *run, in any, args []any) any {
	f, err := findAll(r, in, args)
	if err != nil {
		return err
	}
	return f
}

func regexCaptured(r *run, _ any, args []any) any {
	f := args[0].(*found)
	for _, name := range f.names {
		if name != "" {
			return f.each(r, captureBytes, func(m []int) any { return f.captures(m) })
		}
	}
	none := map[string]any{}
	return f.each(r, 0, func([]int) any { return none })
}

// regexReplaced gives one text for each replacement that a match has: the
// first with the first of every match, and so on.
func regexReplaced(r *run, _ any, args []any) any {
	f, replacements := args[0].(*found), args[1].([]any)
	var texts []*strings.Builder
	at := 0
	for i, m := range f.at {
		for j, v := range replacements[i].([]any) {
			s, ok := v.(string)
			if !ok && v != nil { // null adds nothing, as it does in a sum
				return fmt.Errorf("a replacement is %s, not text", gojq.TypeOf(v))
			}
			if j == len(texts) {
				texts = append(texts, &strings.Builder{})
			}
			if err := r.make(2 * (m[0] - at + len(s))); err != nil {
				return err
			}
			texts[j].WriteString(f.text[at:m[0]])
			texts[j].WriteString(s)
		}
		at = m[1]
	}
	if len(texts) == 0 {
		return []any{f.text}
	}
	if err := r.make(len(texts) * (len(f.text) - at)); err != nil {
		return err
	}
	out := make([]any, len(texts))
	for i, b := range texts {
		b.WriteString(f.text[at:])
		out[i] = b.String()
	}
	return out
}
