package status

import (
	_ "embed"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/html"
)

// skeleton is the page without its content. Package html/template would make the
// agent's binary a sixth larger: because it calls methods by name, the linker keeps
// methods that nothing calls.
//
//go:embed page.html
var skeleton string

// WriteHTML prints s as one page that loads nothing else. nonce is the one in the
// page's Content-Security-Policy, for its style and script.
func (s *Status) WriteHTML(w io.Writer, nonce string) error {
	doc, err := html.Parse(strings.NewReader(skeleton))
	if err != nil {
		return err
	}
	title := "working – port-agent"
	header := []*html.Node{el("h1", "id", "sentence", s.Health.Sentence)}
	if s.Health.Page != "" {
		header = append(header, el("p", "What to do: ", el("code", s.Health.Page)))
	}
	header = append(header, el("p", "port-agent "+s.Version+", up "+age(s.Time.Sub(s.Started))+", at ",
		el("time", "datetime", s.Time.UTC().Format(time.RFC3339), clock(s.Time))))
	main := s.chart()
	for _, part := range s.sections() {
		main = append(main, part.nodes()...)
	}
	for n := range doc.Descendants() {
		switch n.Data {
		case "style", "script":
			n.Attr = append(n.Attr, html.Attribute{Key: "nonce", Val: nonce})
		case "title":
			if !s.Health.Working {
				title = "needs a look – port-agent"
			}
			add(n, text(title))
		case "header":
			if s.Health.Working {
				n.Attr = append(n.Attr, html.Attribute{Key: "class", Val: "ok"})
			}
			add(n, header...)
		case "main":
			add(n, main...)
		}
	}
	return html.Render(w, doc)
}

// nodes are a section's heading, and a box with its notes and its table.
func (s *section) nodes() []*html.Node {
	box := el("div", "class", "box")
	for _, n := range s.notes {
		add(box, el("p", n))
	}
	switch {
	case len(s.rows) > 0:
		head, body := el("tr"), el("tbody")
		for _, h := range s.head {
			add(head, el("th", "scope", "col", h))
		}
		for _, r := range s.rows {
			line := el("tr", "class", string(r.mood))
			for _, c := range r.cells {
				add(line, el("td", c))
			}
			add(body, line)
		}
		add(box, el("table", el("thead", head), body))
	case len(s.notes) == 0:
		add(box, el("p", "None."))
	}
	return []*html.Node{el("h2", "id", s.id, s.title), box}
}

// el makes an element. Its arguments are names and values of attributes, then the
// content: nodes and a text.
func el(name string, inside ...any) *html.Node {
	n := &html.Node{Type: html.ElementNode, Data: name}
	for len(inside) > 1 {
		key, isKey := inside[0].(string)
		value, isValue := inside[1].(string)
		if !isKey || !isValue {
			break
		}
		n.Attr = append(n.Attr, html.Attribute{Key: key, Val: value})
		inside = inside[2:]
	}
	for _, i := range inside {
		switch i := i.(type) {
		case *html.Node:
			n.AppendChild(i)
		case string:
			n.AppendChild(text(i))
		}
	}
	return n
}

func text(s string) *html.Node { return &html.Node{Type: html.TextNode, Data: s} }

func add(to *html.Node, children ...*html.Node) {
	for _, c := range children {
		to.AppendChild(c)
	}
}

// Sizes of the charts, in their own units.
const (
	barWidth    = 10
	barsHeight  = 80
	stripHeight = 40
	minutes     = 60
)

// chart is the last hour: a bar for each minute, and a strip of how long the
// runs of the minute took.
func (s *Status) chart() []*html.Node {
	ok, failed, most, slowest := 0, 0, 0, 0.0
	for _, m := range s.Minutes {
		ok, failed = ok+m.OK, failed+m.Failed
		most, slowest = max(most, m.OK+m.Failed), max(slowest, m.Slowest)
	}
	runs := fmt.Sprintf("Runs of the last hour: %d succeeded or were accepted, %d failed.", ok, failed)
	bars := drawing(barsHeight, runs)
	strip := drawing(stripHeight+2, fmt.Sprintf("How long the runs of each minute took, at most %.2f s.", slowest))
	now := s.Time.Truncate(time.Minute)
	unit, second := barsHeight/float64(max(most, 1)), stripHeight/max(slowest, 0.001)
	for _, m := range s.Minutes {
		at := minutes - 1 - int(now.Sub(m.Time)/time.Minute)
		if at < 0 || at >= minutes {
			continue
		}
		x := float64(at * barWidth)
		good, bad := unit*float64(m.OK), unit*float64(m.Failed)
		title := fmt.Sprintf("%s: %d ok, %d failed, median %.2f s, slowest %.2f s", m.Time.UTC().Format("15:04"), m.OK, m.Failed, m.Median, m.Slowest)
		add(bars, el("g", el("title", title), rect("bar-ok", x, barsHeight-good, good), rect("bar-bad", x, barsHeight-good-bad, bad)))
		add(strip, el("g", el("title", title), rect("mark-slow", x, stripHeight-second*m.Slowest, 2), rect("mark", x, stripHeight-second*m.Median, 2)))
	}
	return []*html.Node{el("h2", "id", "chart", "Last hour"), el("div", "class", "box",
		bars, el("p", fmt.Sprintf("%s The tallest bar is %d a minute.", runs, most)),
		strip, el("p", fmt.Sprintf("Median and slowest run of each minute; the top is %.2f s.", slowest)))}
}

func drawing(height int, label string) *html.Node {
	return el("svg", "viewBox", fmt.Sprintf("0 0 %d %d", minutes*barWidth, height), "role", "img", "aria-label", label)
}

func rect(class string, x, y, height float64) *html.Node {
	n := func(f float64) string { return strconv.FormatFloat(f, 'f', 2, 64) }
	return el("rect", "class", class, "x", n(x), "y", n(y), "width", "8", "height", n(height))
}
