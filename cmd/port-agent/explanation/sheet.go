package explanation

import (
	"bytes"
	"strings"

	"port-agent/cmd/terminal"
)

// sheet collects lines in columns: a label, in some lines a name, and a text.
type sheet struct {
	bytes.Buffer
	coloured bool
}

const (
	labelWidth = 11
	nameWidth  = 9
)

// lines writes lines with a label before the first one.
func (s *sheet) lines(label string, colour terminal.Colour, texts ...string) {
	for _, text := range texts {
		s.cell(labelWidth, terminal.Bold, label)
		s.cell(0, colour, text)
		s.WriteByte('\n')
		label = ""
	}
}

// parts writes lines below a label, with a name before the first one.
func (s *sheet) parts(name string, texts ...string) {
	for _, text := range texts {
		s.cell(labelWidth, terminal.Plain, "")
		s.cell(nameWidth, terminal.Plain, name)
		s.cell(0, terminal.Plain, text)
		s.WriteByte('\n')
		name = ""
	}
}

// cell writes text in a colour, if colours are wanted, and pads it to width.
func (s *sheet) cell(width int, colour terminal.Colour, text string) {
	text = terminal.Printable(text)
	pad := strings.Repeat(" ", max(width-len(text), 0))
	if s.coloured {
		text = colour.Paint(text)
	}
	s.WriteString(text + pad)
}
