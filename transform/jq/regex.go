package jq

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
// takes linear time. gojq's functions on top of them are quadratic, keep every
// expression they ever saw, and cannot be interrupted.

const (
	maxRegex      = 2048    // bytes of a regular expression
	maxProgram    = 20_000  // instructions it compiles to
	maxSearch     = 1 << 25 // instructions times bytes of text, for one search
	maxRegexCache = 100_000 // instructions of all that are kept
	regexOverhead = 50      // instructions that weigh as much as the rest of an expression
	captureBytes  = 500     // of a match and of each of its groups, about
)

// regex is a compiled regular expression.
type regex struct {
	*regexp.Regexp
	// probe is a letter and the expression behind it. It finds an empty match
	// at the end of another one, which jq takes and package regexp skips.
	probe   *regexp.Regexp
	program int  // instructions
	global  bool // every match, not only the first
}

// regexCache keeps expressions that were used lately. Those that come from
// events may differ in each, so it forgets all when it is full.
type regexCache struct {
	mu   sync.Mutex
	m    map[[2]string]*regex
	size int
}

func (c *regexCache) get(re, flags string) (*regex, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := [2]string{re, flags}
	if x := c.m[key]; x != nil {
		return x, nil
	}
	x, err := compileRegex(re, flags)
	if err != nil {
		return nil, err
	}
	if c.size += x.program + regexOverhead; c.m == nil || c.size > maxRegexCache {
		c.m, c.size = map[[2]string]*regex{}, x.program+regexOverhead
	}
	c.m[key] = x
	return x, nil
}

// compileRegex compiles an expression with the flags that gojq has. An error does
// not show the expression, which may come from a value.
func compileRegex(re, flags string) (*regex, error) {
	if len(re) > maxRegex {
		return nil, refuse("a regular expression is longer than %d bytes", maxRegex)
	}
	if bad := strings.Trim(flags, "gim"); bad != "" {
		return nil, refuse("a regular expression has no flag %.1q: there are g, i and m", bad)
	}
	x := &regex{global: strings.Contains(flags, "g")}
	source := re
	if strings.Contains(flags, "i") {
		source = "(?i)" + source
	}
	if strings.Contains(flags, "m") { // the dot matches the end of a line too
		source = "(?s)" + source
	}
	tree, err := syntax.Parse(source, syntax.Perl)
	if e, ok := errors.AsType[*syntax.Error](err); ok {
		return nil, refuse("invalid regular expression: %s", e.Code)
	}
	if x.program = instructions(tree); x.program > maxProgram {
		return nil, refuse("a regular expression is too large")
	}
	if x.Regexp, err = regexp.Compile(source); err != nil {
		return nil, refuse("a regular expression is too large")
	}
	if x.global {
		x.probe, _ = regexp.Compile(`\A(?s:.)(?:` + source + `)`) // nil where it gets too large
	}
	return x, nil
}

// instructions returns about how many instructions re compiles to. To compile it
// and count them would take hundreds of megabytes for (?:…){1000}.
func instructions(re *syntax.Regexp) int {
	n := 1
	if re.Op == syntax.OpLiteral {
		n = len(re.Rune)
	}
	for _, sub := range re.Sub {
		n += instructions(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1)
	}
	return n
}

// prepare returns the text in and the expression args[0] with the flags args[1],
// and counts one search.
func prepare(r *run, in any, args []any) (s string, x *regex, err error) {
	s, ok := in.(string)
	re, reOK := args[0].(string)
	flags, flagsOK := args[1].(string)
	switch {
	case !ok:
		return "", nil, refuse("a regular expression cannot be applied to: %s", gojq.TypeOf(in))
	case !reOK || !flagsOK && args[1] != nil:
		return "", nil, refuse("a regular expression and its flags are strings, not: %s and %s", gojq.TypeOf(args[0]), gojq.TypeOf(args[1]))
	}
	if x, err = r.env.regexes.get(re, flags); err != nil {
		return "", nil, err
	}
	if len(s) > maxSearch/max(1, x.program) {
		return "", nil, r.fail(errors.New("a text is too long for a regular expression of this size"))
	}
	return s, x, r.work(8 + len(s)*x.program/64)
}

func test(r *run, in any, args []any) (any, error) {
	s, x, err := prepare(r, in, args)
	if err != nil {
		return nil, err
	}
	return x.MatchString(s), nil
}

// search returns the text in, the expression args[0] with the flags args[1], and
// its matches.
func search(r *run, in any, args []any) (s string, x *regex, found [][]int, err error) {
	if s, x, err = prepare(r, in, args); err == nil {
		found, err = x.find(r, s)
	}
	return s, x, found, err
}

// find returns the matches in s. An expression may have to look at the whole
// rest of the text for each match; so it asks for few matches first and for
// twice as many while the time allows, which at most doubles the work.
func (x *regex) find(r *run, s string) (found [][]int, err error) {
	n := 1
	if x.global {
		n = 16
	}
	for ; ; n *= 2 {
		began := time.Now()
		found = x.FindAllStringSubmatchIndex(s, n)
		if err := r.make((24 + 16*(x.NumSubexp()+1)) * len(found)); err != nil {
			return nil, err
		}
		if len(found) < n || !x.global {
			break
		}
		if 3*time.Since(began) > time.Until(r.deadline) {
			return nil, r.fail(fmt.Errorf("a regular expression takes longer than %v for this text", r.env.timeout))
		}
	}
	var out [][]int
	for i, m := range found {
		out = append(out, m)
		if x.probe == nil || m[0] == m[1] || i+1 < len(found) && found[i+1][0] == m[1] {
			continue
		}
		if err := r.work(x.program / 4); err != nil {
			return nil, err
		}
		if e := x.emptyAt(s, m[1]); e != nil {
			out = append(out, e)
		}
	}
	return out, nil
}

// emptyAt returns the empty match at a place behind a letter, if there is one.
func (x *regex) emptyAt(s string, at int) []int {
	_, width := utf8.DecodeLastRuneInString(s[:at])
	m := x.probe.FindStringSubmatchIndex(s[at-width:])
	if m == nil || m[1] != width {
		return nil
	}
	m[0] = width
	for i := range m {
		if m[i] >= 0 {
			m[i] += at - width
		}
	}
	return m
}

// matches returns the matches as match describes them.
func matches(r *run, in any, args []any) (any, error) {
	s, x, found, err := search(r, in, args)
	if err != nil {
		return nil, err
	}
	names := x.SubexpNames()
	if err := r.make(captureBytes * len(names) * len(found)); err != nil {
		return nil, err
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
	return out, nil
}

// between returns the texts between the matches: one more than these are.
func between(r *run, in any, args []any) (any, error) {
	s, _, found, err := search(r, in, args)
	if err != nil {
		return nil, err
	}
	out := make([]any, 0, len(found)+1)
	at := 0
	for _, m := range found {
		out = append(out, s[at:m[0]])
		at = m[1]
	}
	return append(out, s[at:]), r.make(2 * valueBytes * len(found))
}
