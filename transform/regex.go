package transform

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"sync"
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
	source, longest, err := x.flag(re, flags)
	if err != nil {
		return nil, err
	}
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

// flag reads jq's flags. It gives the expression to compile, and whether the
// longest match is wanted and not the first.
func (x *regex) flag(re, flags string) (source string, longest bool, err error) {
	prefix := ""
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
			return "", false, fmt.Errorf("a regular expression has no flag %q", f)
		}
	}
	if prefix != "" {
		re = "(?" + prefix + ")" + re
	}
	return re, longest, nil
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
