package explanation

import (
	"regexp"
	"slices"
	"strings"
)

var (
	literal = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	// relative finds what makes a path start at another value than the event: a
	// pipe, the arguments of a function, an iteration.
	relative = regexp.MustCompile(`\||\w\s*\(|\[\s*\]|\$|\.\.`)
	path     = regexp.MustCompile(`(?:^|[^\w.\])"?])((?:\.[A-Za-z_]\w*)+)`)
)

const (
	maxInputs = 3
	maxInput  = 60 // characters of a value
)

// inputs lists the values at the paths that an expression reads, for instance
// ".action is \"deploy\"". It finds paths by the text of the expression, and returns
// nothing if that is not certain.
func inputs(expr string, event map[string]any, c concealer) string {
	expr = literal.ReplaceAllString(expr, `""`)
	if relative.MatchString(expr) {
		return ""
	}
	var paths, found []string
	for _, m := range path.FindAllStringSubmatch(expr, -1) {
		if p := m[1]; !slices.Contains(paths, p) && len(paths) < maxInputs {
			paths = append(paths, p)
			found = append(found, p+" is "+valueText(event, strings.Split(p[1:], "."), c))
		}
	}
	return strings.Join(found, ", ")
}

// valueText is the value at a path as JSON. Secrets are concealed before it is cut
// short: half of a secret would not be recognised.
func valueText(event any, path []string, c concealer) string {
	for _, name := range path {
		m, ok := event.(map[string]any)
		if !ok && event != nil {
			return "not there"
		}
		event = m[name]
	}
	if c.redactor != nil && event != nil && secretField(path[len(path)-1]) {
		return redacted
	}
	text := []rune(printJSON(c.value(event), ""))
	if len(text) > maxInput {
		return string(text[:maxInput]) + "…"
	}
	return string(text)
}
