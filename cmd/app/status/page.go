package status

import (
	_ "embed"
	"fmt"
	"html"
	"io"
	"strings"
	"time"
)

// skeleton is the page without its content. Package html/template would make the
// agent's binary a sixth larger: because it calls methods by name, the linker keeps
// methods that nothing calls.
//
//go:embed page.html
var skeleton string

// markup is HTML that is being written.
type markup struct{ strings.Builder }

// add appends format, which is HTML. It escapes args unless they are numbers.
func (m *markup) add(format string, args ...any) {
	for i, a := range args {
		switch a.(type) {
		case int, float64:
		default:
			args[i] = html.EscapeString(fmt.Sprint(a))
		}
	}
	fmt.Fprintf(m, format, args...)
}

// WriteHTML prints s as one page that loads nothing else. nonce is the one in the
// page's Content-Security-Policy, for its style and script.
func (s *Status) WriteHTML(w io.Writer, nonce string) error {
	title, class := "working – port-agent", "ok"
	if !s.Health.Working {
		title, class = "needs a look – port-agent", ""
	}
	var header, main markup
	header.add(`<h1 id="sentence">%s</h1>`, s.Health.Sentence)
	if s.Health.Page != "" {
		header.add(`<p>What to do: <code>%s</code></p>`, s.Health.Page)
	}
	header.add(`<p>port-agent %s, up %s, at <time datetime="%s">%s</time></p>`,
		s.Version, age(s.Time.Sub(s.Started)), s.Time.UTC().Format(time.RFC3339), clock(s.Time))
	s.chart(&main)
	for _, part := range s.sections() {
		part.write(&main)
	}
	_, err := strings.NewReplacer("{{nonce}}", nonce, "{{title}}", title, "{{class}}", class,
		"{{header}}", header.String(), "{{main}}", main.String()).WriteString(w, skeleton)
	return err
}

// write writes a section's heading, and a box with its notes and its table.
func (s *section) write(m *markup) {
	m.add(`<h2 id="%s">%s</h2><div class="box">`, s.id, s.title)
	for _, n := range s.notes {
		m.add("<p>%s</p>", n)
	}
	switch {
	case len(s.rows) > 0:
		m.add("<table><thead><tr>")
		for _, h := range s.head {
			m.add(`<th scope="col">%s</th>`, h)
		}
		m.add("</tr></thead><tbody>")
		for _, r := range s.rows {
			m.add(`<tr class="%s">`, r.mood)
			for _, c := range r.cells {
				m.add("<td>%s</td>", c)
			}
			m.add("</tr>")
		}
		m.add("</tbody></table>")
	case len(s.notes) == 0:
		m.add("<p>None.</p>")
	}
	m.add("</div>")
}

// Sizes of the charts, in their own units.
const (
	barWidth    = 10
	barsHeight  = 80
	stripHeight = 40
	minutes     = 60
)

// chart writes the last hour: a bar for each minute, and a strip of how long the
// runs of the minute took.
func (s *Status) chart(m *markup) {
	ok, failed, most, slowest := 0, 0, 0, 0.0
	for _, at := range s.Minutes {
		ok, failed = ok+at.OK, failed+at.Failed
		most, slowest = max(most, at.OK+at.Failed), max(slowest, at.Slowest)
	}
	var bars, strip markup
	now := s.Time.Truncate(time.Minute)
	unit, second := barsHeight/float64(max(most, 1)), stripHeight/max(slowest, 0.001)
	const rect = `<rect class="%s" x="%.2f" y="%.2f" width="8" height="%.2f"></rect>`
	for _, at := range s.Minutes {
		n := minutes - 1 - int(now.Sub(at.Time)/time.Minute)
		if n < 0 || n >= minutes {
			continue
		}
		x, good, bad := float64(n*barWidth), unit*float64(at.OK), unit*float64(at.Failed)
		title := fmt.Sprintf("%s: %d ok, %d failed, median %.2f s, slowest %.2f s", at.Time.UTC().Format("15:04"), at.OK, at.Failed, at.Median, at.Slowest)
		bars.add("<g><title>%s</title>"+rect+rect+"</g>", title, "bar-ok", x, barsHeight-good, good, "bar-bad", x, barsHeight-good-bad, bad)
		strip.add("<g><title>%s</title>"+rect+rect+"</g>", title,
			"mark-slow", x, stripHeight-second*at.Slowest, 2.0, "mark", x, stripHeight-second*at.Median, 2.0)
	}
	const drawing = `<svg viewBox="0 0 %d %d" role="img" aria-label="%s">`
	runs := fmt.Sprintf("Runs of the last hour: %d succeeded or were accepted, %d failed.", ok, failed)
	m.add(`<h2 id="chart">Last hour</h2><div class="box">`)
	m.add(drawing, minutes*barWidth, barsHeight, runs)
	m.WriteString(bars.String())
	m.add("</svg><p>%s The tallest bar is %d a minute.</p>", runs, most)
	m.add(drawing, minutes*barWidth, stripHeight+2, fmt.Sprintf("How long the runs of each minute took, at most %.2f s.", slowest))
	m.WriteString(strip.String())
	m.add("</svg><p>Median and slowest run of each minute; the top is %.2f s.</p></div>", slowest)
}
