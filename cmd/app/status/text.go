package status

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"
)

// Colours of a terminal.
const (
	bold   = "\x1b[1m"
	faint  = "\x1b[2m"
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	normal = "\x1b[0m"
)

// WriteText prints s for people. No text of others can control the terminal.
func (s *Status) WriteText(w io.Writer, coloured bool) error {
	colour := func(code, text string) string {
		if !coloured {
			return text
		}
		return code + text + normal
	}
	var out bytes.Buffer
	mood := green
	if !s.Health.Working {
		mood = red
	}
	fmt.Fprintln(&out, colour(mood, plain(s.Health.Sentence)))
	if s.Health.Page != "" {
		fmt.Fprintln(&out, "see "+s.Health.Page)
	}
	fmt.Fprintln(&out, plain(s.about()))
	for _, part := range s.sections() {
		fmt.Fprintf(&out, "\n%s\n", colour(bold, plain(part.title)))
		for _, n := range part.notes {
			fmt.Fprintln(&out, "  "+plain(n))
		}
		for i, line := range part.lines() {
			if i > 0 && part.rows[i-1].mood == greyRow {
				line = colour(faint, line)
			}
			fmt.Fprintln(&out, line)
		}
	}
	_, err := w.Write(out.Bytes())
	return err
}

// about says which agent it is.
func (s *Status) about() string {
	return fmt.Sprintf("port-agent %s, up %s, at %s", s.Version, age(s.Time.Sub(s.Started)), clock(s.Time))
}

// lines are the head and the rows of the table, in columns; none without rows.
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
			cells[i] = plain(c)
		}
		fmt.Fprintln(table, "  "+strings.Join(cells, "\t"))
	}
	_ = table.Flush() // to memory
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
}

// plain keeps what is printable.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, s)
}
