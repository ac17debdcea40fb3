package explanation

import (
	"bytes"
	"io"
	"os"
	"strings"
)

// Colours of a terminal, by the SGR codes of ECMA-48.
const (
	bold   = "1"
	red    = "31"
	green  = "32"
	yellow = "33"
	faint  = "2"
)

// Colours reports whether w is a terminal that wants colour: https://no-color.org.
func Colours(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// sheet collects lines in columns: a label, within some of them a name, and a
// text.
type sheet struct {
	bytes.Buffer
	coloured bool
}

const (
	labelWidth = 11
	nameWidth  = 9
)

// line writes a line under a label; without one it belongs to the line above.
func (s *sheet) line(label, colour, text string) {
	s.cell(labelWidth, bold, label)
	s.cell(0, colour, text)
	s.WriteByte('\n')
}

// part writes a named line of what stands under a label.
func (s *sheet) part(name, colour, text string) {
	s.cell(labelWidth, "", "")
	s.cell(nameWidth, "", name)
	s.cell(0, colour, text)
	s.WriteByte('\n')
}

// cell writes text in a colour, if colours are wanted, and fills up to width.
func (s *sheet) cell(width int, colour, text string) {
	text = Printable(text)
	pad := strings.Repeat(" ", max(width-len(text), 0))
	if s.coloured && colour != "" && text != "" {
		text = "\x1b[" + colour + "m" + text + "\x1b[0m"
	}
	s.WriteString(text + pad)
}
