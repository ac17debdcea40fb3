package explanation

import (
	"testing"

	"port-agent/cmd/terminal"
)

func TestSheet(t *testing.T) {
	t.Parallel()
	plain, coloured := sheet{}, sheet{coloured: true}
	for _, s := range []*sheet{&plain, &coloured} {
		s.lines("rules", terminal.Green, "one")
		s.parts("query", "a\x1b[31m = \n1")
	}
	if got, want := plain.String(), "rules      one\n           query    a\\x1b[31m = \\n1\n"; got != want {
		t.Errorf("plain = %q, want %q", got, want)
	}
	if got, want := coloured.String(), "\x1b[1mrules\x1b[0m      \x1b[32mone\x1b[0m\n           query    a\\x1b[31m = \\n1\n"; got != want {
		t.Errorf("coloured = %q, want %q", got, want)
	}
}
