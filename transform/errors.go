package transform

import (
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/itchyny/gojq"
)

// gojq shows in its errors the beginning of the values that an operation could
// not take. These texts end in logs and in Port, where no value of an event
// belongs, least of all the first half of a decrypted one, which nobody could
// recognise and redact any more. So the types stay, and the values go.
var (
	typeNames      = `(null|boolean|number|string|array|object)`
	notApplicable  = regexp.MustCompile(`^(@?\w+)(?s:\(.*\))? cannot be applied to: ` + typeNames + `\b`)
	notApplicable2 = regexp.MustCompile(`^(@?\w+)(?s:\(.*\))? cannot be applied to `)
	withType       = regexp.MustCompile(`^([^":(]+: ` + typeNames + `)\b`)
	twoTypes       = regexp.MustCompile(`^(cannot \w+: ` + typeNames + `)\b(?s:.*) and ` + typeNames + `\b`)
	divided        = regexp.MustCompile(`^cannot (?:divide|modulo) `)
	wrapped        = regexp.MustCompile(`^(?s:.*) cannot be applied to (?s:.*): (expected an? [a-z ]+ but got: ` + typeNames +
		`|array index should not be negative|array index too large|invalid number)\b`)
)

// ownError is an error of one of guards. It shows no value to begin with.
type ownError struct{ error }

// maxErrorText bounds the text of error(…), which is the author's own.
const maxErrorText = 500

// cleanError makes an error of the interpreter one that may be shown.
func cleanError(err error) error {
	var own *ownError
	if errors.As(err, &own) {
		return own.error
	}
	var raised gojq.ValueError
	if errors.As(err, &raised) {
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
	if m := notApplicable.FindStringSubmatch(s); m != nil {
		return errors.New(m[1] + " cannot be applied to: " + m[2])
	}
	if m := wrapped.FindStringSubmatch(s); m != nil {
		return errors.New(m[1])
	}
	if m := twoTypes.FindStringSubmatch(s); m != nil {
		return errors.New(m[1] + " and " + m[3])
	}
	if divided.MatchString(s) {
		return errors.New("cannot divide by zero")
	}
	if m := notApplicable2.FindStringSubmatch(s); m != nil {
		return errors.New(m[1] + " cannot be applied to this value")
	}
	if m := withType.FindStringSubmatch(s); m != nil {
		return errors.New(m[1])
	}
	// What is left shows a value in parentheses or after a colon, or none.
	if i := strings.IndexAny(s, `("`); i >= 0 {
		s = strings.TrimRight(s[:i], " :")
	}
	return errors.New(s)
}
