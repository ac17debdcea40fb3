package explanation

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestColoursOnTerminalsAlone(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if Colours(file) || Colours(new(strings.Builder)) {
		t.Error("colours on something that is no terminal")
	}
	plain, coloured := sheet{}, sheet{coloured: true}
	for _, s := range []*sheet{&plain, &coloured} {
		s.line("rules", green, "one")
		s.part("query", "", "a\x1b[31m = \n1")
	}
	if got, want := plain.String(), "rules      one\n           query    a\\x1b[31m = \\n1\n"; got != want {
		t.Errorf("plain = %q, want %q", got, want)
	}
	if got, want := coloured.String(), "\x1b[1mrules\x1b[0m      \x1b[32mone\x1b[0m\n           query    a\\x1b[31m = \\n1\n"; got != want {
		t.Errorf("coloured = %q, want %q", got, want)
	}
}
