package jq

import (
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/itchyny/gojq"
)

// gojq shows in its errors the beginning of the values that an operation could
// not take. These texts end in logs and in Port, where no value of an event
// belongs, least of all the first half of a decrypted one, which could not be
// recognised and redacted any more. So the types stay, and the values go.
const typeNames = `(null|boolean|number|string|array|object)\b`

var errorForms = []struct {
	re   *regexp.Regexp
	text string
}{
	{regexp.MustCompile(`^(@?\w+)(?s:\(.*\))? cannot be applied to: ` + typeNames), "$1 cannot be applied to: $2"},
	{regexp.MustCompile(`(?s) cannot be applied to .*: (expected (?:an object|an array|a number for indexing an array|a string for object key) but got: ` + typeNames +
		`|array index should not be negative|array index too large|invalid number)`), "$1"},
	{regexp.MustCompile(`^(cannot \w+: ` + typeNames + `)(?s:.*) and ` + typeNames), "$1 and $3"},
	{regexp.MustCompile(`^cannot (?:divide|modulo) `), "cannot divide by zero"},
	{regexp.MustCompile(`^(@?\w+)(?s:\(.*\))? cannot be applied to `), "$1 cannot be applied to this value"},
	{regexp.MustCompile(`^([^":(]+: ` + typeNames + `)`), "$1"},
}

// ownError is an error of one of guards. It shows no value to begin with.
type ownError struct{ error }

// maxErrorText bounds the text of error(…), which is the author's own.
const maxErrorText = 500

// cleanError makes an error of the interpreter one that may be shown.
func cleanError(err error) error {
	if own, ok := errors.AsType[*ownError](err); ok {
		return own.error
	}
	if raised, ok := errors.AsType[gojq.ValueError](err); ok {
		s, ok := raised.Value().(string)
		if !ok {
			return errors.New("raised an error that is " + gojq.TypeOf(raised.Value()))
		}
		if len(s) > maxErrorText { // nor half of it, see above
			return errors.New("raised an error of " + strconv.Itoa(len(s)) + " bytes")
		}
		return errors.New("error: " + s)
	}
	s := err.Error()
	for _, form := range errorForms {
		if m := form.re.FindStringSubmatchIndex(s); m != nil {
			return errors.New(string(form.re.ExpandString(nil, form.text, s, m)))
		}
	}
	// What is left shows a value in parentheses or after a colon, or none.
	if i := strings.IndexAny(s, `("`); i >= 0 {
		s = strings.TrimRight(s[:i], " :")
	}
	return errors.New(s)
}
