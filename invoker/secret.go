package invoker

import "fmt"

const redacted = "[redacted]"

// Secret is a string that no formatting verb, encoder or logger prints. Only
// Reveal gives the value.
type Secret string

var (
	_ fmt.Formatter  = Secret("")
	_ fmt.GoStringer = Secret("")
)

// Reveal returns the value. Call it only where the value is used.
func (s Secret) Reveal() string { return string(s) }

// String returns a placeholder, or nothing where the secret is empty.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString returns what String returns.
func (s Secret) GoString() string { return s.String() }

// Format prints what String returns whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalText returns what String returns; it covers encoding/json as well.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
