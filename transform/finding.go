package transform

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
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
	// Line is the line of the file, for faults in its JSON; 0 otherwise.
	Line int
	// Column counts bytes from 1, in the expression or, where Line is set, in
	// that line; 0 where there is no such place.
	Column  int
	Warning bool   // the mapping works, but probably not as it was meant
	Message string // what is wrong
	Hint    string // what would be right; may be empty
}

// String gives the finding in one line.
func (f Finding) String() string {
	var b strings.Builder
	if f.File != "" {
		b.WriteString(f.File + ": ")
	}
	if f.Warning {
		b.WriteString("warning: ")
	}
	if f.Rule >= 0 {
		b.WriteString("rule " + strconv.Itoa(f.Rule))
		if f.Name != "" {
			b.WriteString(" " + strconv.Quote(f.Name))
		}
		b.WriteString(": ")
	}
	if f.Field != "" {
		b.WriteString(f.Field + ": ")
	}
	if f.Line > 0 {
		fmt.Fprintf(&b, "line %d, ", f.Line)
	}
	if f.Column > 0 {
		fmt.Fprintf(&b, "column %d: ", f.Column)
	}
	b.WriteString(f.Message)
	if f.Hint != "" {
		b.WriteString("; " + f.Hint)
	}
	return b.String()
}

// Error makes a Finding an error, so that Load and Parse can join them.
func (f Finding) Error() string { return f.String() }

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

// warnings gives the findings that are.
func warnings(findings []Finding) []Finding {
	var out []Finding
	for _, f := range findings {
		if f.Warning {
			out = append(out, f)
		}
	}
	return out
}
