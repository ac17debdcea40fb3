package transform

import (
	"strings"
	"unicode/utf8"
)

// regexTest is test; its one argument may be a list of expression and flags.
func regexTest(r *run, in any, args []any) any {
	re, flags := args[0], any(nil)
	if len(args) > 1 {
		flags = args[1]
	} else if list, ok := re.([]any); ok && len(list) > 0 {
		re = list[0]
		if len(list) > 1 {
			flags = list[1]
		}
	}
	if s, ok := flags.(string); ok { // one match is enough
		flags = strings.ReplaceAll(s, "g", "")
	}
	f, err := findAll(r, in, []any{re, flags})
	if err != nil {
		return err
	}
	return len(f.at) > 0
}

func regexMatch(r *run, in any, args []any) any {
	f, err := findAll(r, in, args)
	if err != nil {
		return err
	}
	letters, at := 0, 0 // matches come in order, so letters are counted once
	return f.each(r, captureBytes*len(f.names), func(m []int) any {
		letters += utf8.RuneCountInString(f.text[at:m[0]])
		at = m[0]
		groups := make([]any, 0, len(f.names)-1)
		for i := 1; i < len(f.names); i++ {
			var name any
			if f.names[i] != "" {
				name = f.names[i]
			}
			if m[2*i] < 0 {
				groups = append(groups, map[string]any{"name": name, "offset": -1, "length": 0, "string": nil})
				continue
			}
			g := f.text[m[2*i]:m[2*i+1]]
			groups = append(groups, map[string]any{"name": name, "string": g, "length": utf8.RuneCountInString(g),
				"offset": letters + utf8.RuneCountInString(f.text[m[0]:m[2*i]])})
		}
		whole := f.text[m[0]:m[1]]
		return map[string]any{"offset": letters, "length": utf8.RuneCountInString(whole), "string": whole, "captures": groups}
	})
}

func regexCaptures(r *run, in any, args []any) any {
	f, err := findAll(r, in, args)
	if err != nil {
		return err
	}
	return f.each(r, captureBytes, func(m []int) any { return f.captures(m) })
}

func regexScan(r *run, in any, args []any) any {
	flags, _ := args[1].(string)
	f, err := findAll(r, in, []any{args[0], flags + "g"})
	if err != nil {
		return err
	}
	return f.each(r, 2*listBytes*len(f.names), func(m []int) any {
		if len(f.names) == 1 {
			return f.text[m[0]:m[1]]
		}
		groups := make([]any, len(f.names)-1)
		for i := range groups {
			if m[2*i+2] >= 0 {
				groups[i] = f.text[m[2*i+2]:m[2*i+3]]
			}
		}
		return groups
	})
}

func regexSplit(r *run, in any, args []any) any {
	flags, _ := args[1].(string)
	f, err := findAll(r, in, []any{args[0], flags + "g"})
	if err != nil {
		return err
	}
	at := 0
	parts := f.each(r, 2*listBytes, func(m []int) any {
		part := f.text[at:m[0]]
		at = m[1]
		return part
	})
	if list, ok := parts.([]any); ok {
		return append(list, f.text[at:])
	}
	return parts
}
