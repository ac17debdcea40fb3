package redact

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// minLine is the length in bytes from which one line of a secret of several
// lines, such as a private key, is a secret too.
const minLine = 16

// formsOf returns the texts that give a secret away: itself, without the white
// space around it or with that in it made single spaces, and each of its long
// lines, all of them raw and escaped for URLs and for JSON; and its base64.
func formsOf(secret string) []string {
	trimmed := strings.TrimSpace(secret)
	texts := []string{secret, trimmed, strings.Join(strings.Fields(secret), " ")}
	for line := range strings.Lines(trimmed) {
		line = strings.TrimSpace(line)
		if len(line) >= minLine && !strings.Contains(line, " ") && !strings.HasPrefix(line, "-----") {
			texts = append(texts, line)
		}
	}
	forms := append(base64Forms(secret), base64Forms(trimmed)...)
	for _, text := range texts {
		forms = append(append(forms, text), escapes(text)...)
	}
	return forms
}

// escapes returns text as URLs have it and as JSON has it, JSON in JSON and
// once more: a summary quotes as text what a backend answers. Encoders differ in what they escape
// beyond quotes: some do HTML's characters, some all but ASCII, some slashes too.
func escapes(text string) []string {
	query, path := url.QueryEscape(text), url.PathEscape(text)
	if query == text {
		return nil // letters and digits
	}
	forms := []string{query, path, strings.ReplaceAll(query, "+", "%20"), lowerEscapes(query), lowerEscapes(path)}
	for _, quote := range []func(string) string{plain, html, ascii, func(s string) string { return strings.ReplaceAll(ascii(s), "/", `\/`) }} {
		for _, quoted := range []string{text, path} {
			for range 3 {
				quoted = quote(quoted)
				forms = append(forms, quoted)
			}
		}
	}
	return forms
}

var percent = regexp.MustCompile(`%[0-9A-F]{2}`)

func lowerEscapes(s string) string { return percent.ReplaceAllStringFunc(s, strings.ToLower) }

func plain(s string) string { return quoteJSON(s, false) }

func html(s string) string { return quoteJSON(s, true) }

func ascii(s string) string {
	var b strings.Builder
	for _, r := range plain(s) {
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

func quoteJSON(s string, escapeHTML bool) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(escapeHTML)
	_ = enc.Encode(s) // a string in memory
	return strings.TrimSuffix(b.String()[1:], "\"\n")
}

// base64Forms returns the characters that a secret always has in base64, alone
// or as a part of what is encoded. A character that it shares with a neighbour
// is not among them; it holds at most four bits of the secret.
func base64Forms(secret string) []string {
	var forms []string
	for offset := range 3 { // bytes before it in its first group of three
		first, last := (8*offset+5)/6, 8*(offset+len(secret))/6
		for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			text := enc.EncodeToString([]byte(strings.Repeat("\x00", offset) + secret))
			for _, form := range []string{text[first:], text[first:last]} { // at the end of what is encoded, before more
				forms = append(forms, form, url.QueryEscape(form))
			}
		}
	}
	return forms
}
