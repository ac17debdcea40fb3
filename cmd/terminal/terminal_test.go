package terminal

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPrintable(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain, ümlaut ☃":                "plain, ümlaut ☃",
		"a\tb\nc":                        `a\tb\nc`,
		"\x1b[2J\u202egnp.exe\u009b\x00": `\x1b[2J\u202egnp.exe\u009b\x00`,
		"it's":                           "it's",
		"\n'":                            `\n'`,
	} {
		if got := Printable(text); got != want {
			t.Errorf("Printable(%q) = %q, want %q", text, got, want)
		}
	}
	if got, want := PrintableLines("a\x00\nb"), "a\\x00\nb"; got != want {
		t.Errorf("PrintableLines = %q, want %q", got, want)
	}
}

func TestColoursOnTerminalsAlone(t *testing.T) {
	t.Parallel()
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if Colours(file) || Colours(new(strings.Builder)) {
		t.Error("colours on something that is no terminal")
	}
}
