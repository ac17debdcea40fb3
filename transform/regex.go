package transform

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/itchyny/gojq"
)

// Regular expressions are Go's, so they have no look-around, and one search
// takes linear time. gojq's own functions on top of them are quadratic, keep
// every expression they ever saw, and cannot be interrupted.

const (
	maxRegex      = 2048    // bytes of a regular expression
	maxProgram    = 20_000  // instructions it compiles to
	maxSearch     = 1 << 25 // instructions times bytes of text, for one search
	maxRegexCache = 256     // expressions that are kept
)

// regex is a compiled regular expression.
type regex struct {
	*regexp.Regexp
	program int  // instructions
	global  bool // flag g: every match, not only the first
	filled  bool // flag n: no empty matches
}

// regexCache keeps expressions that were used lately. Those that come from
// events may differ in each, so it forgets all when it is full.
type regexCache struct {
	mu sync.Mutex
	m  map[[2]string]*regex
}

func (c *regexCache) get(re, flags string) *regex {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.m[[2]string{re, flags}]
}

func (c *regexCache) put(re, flags string, x *regex) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil || len(c.m) >= maxRegexCache {
		c.m = make(map[[2]string]*regex, maxRegexCache)
	}
	c.m[[2]string{re, flags}] = x
}

// compileRegex compiles an expression with jq's flags.
func compileRegex(r *run, re, flags string) (*regex, error) {
	if x := r.env.regexes.get(re, flags); x != nil {
		return x, nil
	}
	if len(re) > maxRegex {
		return nil, fmt.Errorf("a regular expression is longer than %d bytes", maxRegex)
	}
	if err := r.make(256 * len(re)); err != nil {
		return nil, err
	}
	x := &regex{}
	prefix, longest := "", false
	for _, f := range flags {
		switch f {
		case 'g':
			x.global = true
		case 'n':
			x.filled = true
		case 'i':
			prefix += "i"
		case 'm', 'p': // the dot matches the end of a line too
			prefix += "s"
		case 'l':
			longest = true
		case 's': // ^ and $ match at the ends of the text alone, as always
		case 'x':
			re = extended(re)
		default:
			return nil, fmt.Errorf("a regular expression has no flag %q", f)
		}
	}
	source := re
	if prefix != "" {
		source = "(?" + prefix + ")" + re
	}
	var err error
	if x.program, err = programSize(source); err != nil {
		return nil, err
	}
	if x.program > maxProgram {
		return nil, errors.New("a regular expression is too large")
	}
	if err := r.make(40 * x.program); err != nil {
		return nil, err
	}
	if x.Regexp, err = regexp.Compile(source); err != nil {
		return nil, regexError(err)
	}
	if longest {
		x.Longest()
	}
	r.env.regexes.put(re, flags, x)
	return x, nil
}

// programSize gives the number of instructions of an expression.
func programSize(re string) (int, error) {
	tree, err := syntax.Parse(re, syntax.Perl)
	if err != nil {
		return 0, regexError(err)
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return 0, regexError(err)
	}
	return len(prog.Inst), nil
}

// regexError keeps the kind of the fault and drops the expression, which may
// come from an event.
func regexError(err error) error {
	var e *syntax.Error
	if errors.As(err, &e) {
		return fmt.Errorf("invalid regular expression: %s", e.Code)
	}
	return errors.New("invalid regular expression")
}

// extended takes white space and comments out of an expression, as flag x
// asks for.
func extended(re string) string {
	var b strings.Builder
	class := false
	for i := 0; i < len(re); i++ {
		c := re[i]
		switch {
		case c == '\\' && i+1 < len(re):
			b.WriteByte(c)
			i++
			c = re[i]
		case class:
			class = c != ']'
		case c == '[':
			class = true
		case strings.IndexByte(" \t\r\n\v\f", c) >= 0:
			continue
		case c == '#':
			for i+1 < len(re) && re[i+1] != '\n' {
				i++
			}
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// found is what a search found in a text.
type found struct {
	text  string
	names []string
	at    [][]int // byte offsets, as package regexp gives them
}

// findAll looks for args[0], with the flags in args[1], in the text in.
func findAll(r *run, in any, args []any) (*found, error) {
	s, ok := in.(string)
	re, reOK := args[0].(string)
	flags, flagsOK := args[1].(string)
	switch {
	case !ok:
		return nil, cannot("a regular expression", in)
	case !reOK:
		return nil, fmt.Errorf("a regular expression is a string, not: %s", gojq.TypeOf(args[0]))
	case !flagsOK && args[1] != nil:
		return nil, fmt.Errorf("the flags of a regular expression are a string, not: %s", gojq.TypeOf(args[1]))
	}
	x, err := compileRegex(r, re, flags)
	if err != nil {
		return nil, err
	}
	f := &found{text: s, names: x.SubexpNames()}
	if f.at, err = x.find(r, s); err != nil {
		return nil, err
	}
	if x.filled {
		kept := f.at[:0]
		for _, m := range f.at {
			if m[0] < m[1] {
				kept = append(kept, m)
			}
		}
		f.at = kept
	}
	return f, nil
}

// find gives the matches in s. An expression may have to look at the whole
// rest of the text for each match; so it asks for few matches first and for
// twice as many while the time allows, which at most doubles the work.
func (x *regex) find(r *run, s string) ([][]int, error) {
	if len(s) > maxSearch/max(1, x.program) {
		return nil, r.fail(errors.New("a text is too long for a regular expression of this size"))
	}
	if err := r.work(8 + len(s)*x.program/64); err != nil {
		return nil, err
	}
	if !x.global {
		if m := x.FindStringSubmatchIndex(s); m != nil {
			return [][]int{m}, nil
		}
		return nil, nil
	}
	n := 64
	if len(s) > 1<<14 {
		n = 1
	}
	for ; ; n *= 2 {
		began := time.Now()
		all := x.FindAllStringSubmatchIndex(s, n)
		if err := r.make((24 + 16*(x.NumSubexp()+1)) * len(all)); err != nil {
			return nil, err
		}
		if len(all) < n {
			return all, nil
		}
		if 3*time.Since(began) > r.left() {
			return nil, r.fail(errors.New("a regular expression takes too long for this text"))
		}
	}
}

// captures gives the named groups of a match and their text.
func (f *found) captures(m []int) map[string]any {
	out := map[string]any{}
	for i, name := range f.names {
		if name == "" {
			continue
		}
		out[name] = nil
		if m[2*i] >= 0 {
			out[name] = f.text[m[2*i]:m[2*i+1]]
		}
	}
	return out
}

// each makes a list of what make gives for each match, of about n bytes each.
func (f *found) each(r *run, n int, make func(m []int) any) any {
	if err := r.make((listBytes + n) * len(f.at)); err != nil {
		return err
	}
	out := []any{}
	for _, m := range f.at {
		out = append(out, make(m))
	}
	return out
}

// captureBytes is what one capture takes in memory, about.
const captureBytes = 500

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
			if !ok {
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
