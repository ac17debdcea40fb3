package invoker

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

const redacted = "[redacted]"

// Secret is a string that no formatting verb, encoder or logger prints. Only
// Reveal returns the value.
type Secret string

var _ fmt.Formatter = Secret("")

// Reveal returns the value. Call it only where the value is used.
func (s Secret) Reveal() string { return string(s) }

// String returns a placeholder, or nothing where the secret is empty.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// Format prints what String returns whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalText returns what String returns; it covers encoding/json as well.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// secretNames are the parts of names that say that a value is secret, in lower
// case and without separators.
var secretNames = []string{
	"authorization", "cookie", "token", "secret", "password", "passwd", "credential", "signature",
	"apikey", "accesskey", "privatekey",
}

// NamesSecret reports whether a header, a query parameter or an environment
// variable of this name holds a secret: where the name has one of secretNames
// in it, sig as a word, or is key. This is the only list of such names.
func NamesSecret(name string) bool {
	separates := func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }
	joined := strings.Map(func(r rune) rune {
		if separates(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
	return slices.ContainsFunc(secretNames, func(part string) bool { return strings.Contains(joined, part) }) ||
		strings.EqualFold(name, "key") ||
		strings.Contains(joined, "sig") && slices.Contains(strings.FieldsFunc(strings.ToLower(name), separates), "sig")
}
