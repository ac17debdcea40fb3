package transform

import (
	"regexp"
	"strconv"
	"strings"
)

// nearest returns the known word that key was probably meant to be, "" where
// none is near: what is written otherwise stands in one place and is short.
func nearest(key string, known []string) (best string) {
	least := len(key)/3 + 2
	for _, k := range known {
		a, b := strings.ToLower(key), strings.ToLower(k)
		for a != "" && b != "" && a[0] == b[0] {
			a, b = a[1:], b[1:]
		}
		for a != "" && b != "" && a[len(a)-1] == b[len(b)-1] {
			a, b = a[:len(a)-1], b[:len(b)-1]
		}
		if d := max(len(a), len(b)); d < least {
			best, least = k, d
		}
	}
	return best
}

// plainCompiles are texts that compile although nobody means them as jq: a
// date, a version or a range, read as arithmetic, and words that happen to
// name a function which makes little sense on a whole event.
var plainCompiles = regexp.MustCompile(`^\s*(?:\d+(?:[-/:]\d+)+|\d+(?:\.\d+){2,}|type|first|last|all|any|add|sort|unique|reverse|min|max|floor|round|ceil|test|error|debug|input|inputs|stderr|paths|range|match|split|join|index|format|limit|select)\s*$`)

// plainText is what may have been meant as text: it starts like a word, a
// path or a URL and holds nothing that only jq has.
var plainText = regexp.MustCompile(`^[\pL\d/_][^"$|()\[\]]*$`)

var keyword = regexp.MustCompile(`^(?:if|def|reduce|foreach|try|label|import|include)\b`)

// quoteHint says how text is written so that it stands for itself. It is empty
// for what does not look as if it were meant so.
func quoteHint(text string) string {
	text = strings.TrimSpace(text)
	if !plainText.MatchString(text) || keyword.MatchString(text) || len(text) > 200 {
		return ""
	}
	return "for this very text write " + strconv.Quote(strconv.Quote(text))
}

// dashHint says how a key with a dash is written, where name stands behind one:
// .run-id is the difference of .run and id.
func dashHint(text, name string) string {
	if name == "" {
		return ""
	}
	key := regexp.MustCompile(`\.([A-Za-z_]\w*(?:-\w+)*-` + regexp.QuoteMeta(name) + `(?:-\w+)*)\b`).FindStringSubmatch(text)
	if key == nil {
		return ""
	}
	return "a key with a dash is written ." + strconv.Quote(key[1])
}

// unsetHint says what to do about a variable that is not set.
func unsetHint(name string) string {
	read := "env." + name
	if !identifier.MatchString(name) {
		read = "env[" + strconv.Quote(name) + "]"
	}
	return "set it, or give another value: " + read + ` // "…"`
}

var identifier = regexp.MustCompile(`^[A-Za-z_]\w*$`)
