package agent

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// minLine is the length in bytes from which one line of a secret of several
// lines, such as a private key, is a secret too.
const minLine = 16

// form is a text to search for. The characters next to it, before and after,
// go with it when it is found.
type form struct {
	text          string
	before, after int
}

// formsOf returns the texts that give a secret away: itself, without the white
// space around it or with that in it made single spaces, and each of its long
// lines, all of them raw and escaped for URLs and for JSON; and its base64.
func formsOf(secret string) []form {
	var forms []form
	have := make(map[form]bool)
	add := func(f form) {
		if len(f.text) >= minSecret && !have[f] {
			have[f] = true
			forms = append(forms, f)
		}
	}
	trimmed := strings.TrimSpace(secret)
	texts := []string{secret, trimmed, strings.Join(strings.Fields(secret), " ")}
	if lines := strings.Split(trimmed, "\n"); len(lines) > 1 {
		for _, line := range lines {
			line = strings.TrimSpace(line)
			if len(line) >= minLine && !strings.Contains(line, " ") && !strings.HasPrefix(line, "-----") {
				texts = append(texts, line)
			}
		}
	}
	for _, text := range slices.Compact(texts) {
		add(form{text: text})
		for _, escaped := range escapes(text) {
			add(form{text: escaped})
		}
	}
	for _, text := range slices.Compact([]string{secret, trimmed}) {
		for offset := range 3 {
			for _, f := range base64Forms(text, offset) {
				add(f)
				add(form{url.QueryEscape(f.text), f.before, f.after})
			}
		}
	}
	return forms
}

// escapes returns text as URLs have it, and as JSON and JSON in JSON have it.
func escapes(text string) []string {
	query, path := url.QueryEscape(text), url.PathEscape(text)
	out := []string{query, path, strings.ReplaceAll(query, "+", "%20"), lowerEscapes(query), lowerEscapes(path)}
	for _, quote := range []func(string) string{quotePlain, quoteHTML, quoteASCII, quoteSlashes} {
		once := quote(text)
		out = append(out, once, quote(once))
	}
	return out
}

var percent = regexp.MustCompile(`%[0-9A-F]{2}`)

func lowerEscapes(s string) string { return percent.ReplaceAllStringFunc(s, strings.ToLower) }

// quoteHTML is what encoding/json writes by default.
func quoteHTML(s string) string { return quoteJSON(s, true) }

func quotePlain(s string) string { return quoteJSON(s, false) }

func quoteJSON(s string, html bool) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(html)
	_ = enc.Encode(s) // a string in memory
	return strings.TrimSuffix(b.String()[1:], "\"\n")
}

// quoteASCII is what Python's json writes by default.
func quoteASCII(s string) string {
	var b strings.Builder
	for _, r := range quotePlain(s) {
		if r < utf8.RuneSelf {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.String()
}

// quoteSlashes is what PHP's json_encode writes by default.
func quoteSlashes(s string) string { return strings.ReplaceAll(quoteASCII(s), "/", `\/`) }

// base64Forms returns the characters that a secret always has in base64 when
// what comes before it leaves offset bytes in its first group of three, and
// how many characters around them it shares with its neighbours.
func base64Forms(secret string, offset int) []form {
	var forms []form
	bits := 8 * (offset + len(secret))
	first, last := (8*offset+5)/6, bits/6 // characters wholly of the secret
	before, after := min(offset, 1), min(bits%6, 1)
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		text := enc.EncodeToString([]byte(strings.Repeat("\x00", offset) + secret))
		forms = append(forms, form{text: text[first:last], before: before, after: after})
	}
	return forms
}
