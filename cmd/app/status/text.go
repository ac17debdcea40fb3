package status

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"port-agent/cmd/terminal"
)

// WriteText prints s for people. Control characters are quoted.
func (s *Status) WriteText(w io.Writer, coloured bool) error {
	var out bytes.Buffer
	line := func(c terminal.Colour, text string) {
		if text = terminal.Printable(text); coloured {
			text = c.Paint(text)
		}
		fmt.Fprintln(&out, text)
	}
	mood := terminal.Green
	if !s.Health.Working {
		mood = terminal.Red
	}
	line(mood, s.Health.Sentence)
	if s.Health.Page != "" {
		line(terminal.Plain, "see "+s.Health.Page)
	}
	line(terminal.Plain, s.about())
	for _, part := range s.sections() {
		line(terminal.Plain, "")
		line(terminal.Bold, part.title)
		for _, n := range part.notes {
			line(terminal.Plain, "  "+n)
		}
		for i, text := range part.lines() {
			colour := terminal.Plain
			if i > 0 && part.rows[i-1].mood == greyRow {
				colour = terminal.Faint
			}
			line(colour, text)
		}
	}
	_, err := w.Write(out.Bytes())
	return err
}

// about names the agent and the time of the status.
func (s *Status) about() string {
	return fmt.Sprintf("port-agent %s, up %s, at %s", s.Version, age(s.Time.Sub(s.Started)), clock(s.Time))
}

// lines are the head and the rows of the table in columns, none without rows.
func (s *section) lines() []string {
	if len(s.rows) == 0 {
		return nil
	}
	var out bytes.Buffer
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "  "+strings.Join(s.head, "\t"))
	for _, r := range s.rows {
		cells := make([]string, len(r.cells))
		for i, c := range r.cells {
			cells[i] = terminal.Printable(c)
		}
		fmt.Fprintln(table, "  "+strings.Join(cells, "\t"))
	}
	_ = table.Flush() // to memory
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
}
