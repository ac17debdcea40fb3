package explanation

import (
	"bytes"
	"fmt"
	"strings"

	"port-agent/cmd/terminal"
)

// sheet collects lines in columns: a label, in some lines a name, and a text.
type sheet struct {
	bytes.Buffer
	coloured bool
}

// lines writes lines with a label before the first one.
func (s *sheet) lines(label string, colour terminal.Colour, texts ...string) {
	for _, text := range texts {
		text, before := terminal.Printable(text), fmt.Sprintf("%-11s", label)
		if s.coloured {
			text, before = colour.Paint(text), strings.Replace(before, label, terminal.Bold.Paint(label), 1)
		}
		s.WriteString(before + text + "\n")
		label = ""
	}
}

// parts writes lines below a label, with a name before the first one.
func (s *sheet) parts(name string, texts ...string) {
	for _, text := range texts {
		s.lines("", terminal.Plain, fmt.Sprintf("%-9s%s", name, text))
		name = ""
	}
}
