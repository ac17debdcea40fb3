package agent

import (
	"encoding/base64"
	"slices"
	"strings"
)

// formsOf gives the texts that give a secret away: itself and the base64 of
// it. Escaped forms need no entry, as text is unescaped before it is searched.
func formsOf(secret string) []form {
	if short(secret) {
		return nil
	}
	var forms []form
	plain := func(text string) {
		if len(text) >= minSecret {
			forms = append(forms, form{text: text})
		}
	}
	encoded := func(text string) {
		for offset := range 3 {
			forms = append(forms, base64Forms(text, offset)...)
		}
	}
	plain(secret)
	encoded(secret)
	if spaced := strings.ReplaceAll(secret, " ", "+"); spaced != secret {
		plain(spaced) // as forms and query strings have it
	}
	if trimmed := strings.TrimSpace(secret); trimmed != secret {
		plain(trimmed)
		encoded(trimmed)
	}
	if lines := strings.Split(secret, "\n"); len(lines) > 1 {
		for _, line := range lines {
			if line = strings.TrimSpace(line); len(line) >= minLine && !strings.HasPrefix(line, "-----") {
				plain(line)
			}
		}
	}
	return forms
}

// base64Forms gives the characters that a secret always has in base64 when
// what comes before it leaves offset bytes in its first group of three, and
// how many characters around them it shares with its neighbours.
func base64Forms(secret string, offset int) []form {
	var forms []form
	bits := 8 * (offset + len(secret))
	first, last := (8*offset+5)/6, bits/6 // characters wholly of the secret
	if last-first < minSecret {
		return nil
	}
	before, after := min(offset, 1), min(bits%6, 1)
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		text := enc.EncodeToString([]byte(strings.Repeat("\x00", offset) + secret))
		f := form{text: text[first:last], before: before, after: after}
		if !slices.Contains(forms, f) {
			forms = append(forms, f)
		}
	}
	return forms
}
