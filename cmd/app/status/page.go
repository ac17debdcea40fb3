package status

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"port-agent/agent/activity"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"age":   func(from, to time.Time) string { return age(to.Sub(from)) },
	"clock": clock,
	"name":  name,
	"count": count,
	"time":  func(t time.Time) string { return t.UTC().Format(time.TimeOnly) },
	"took":  func(s float64) string { return fmt.Sprintf("%.2f s", s) },
	"args": func(now time.Time, events []activity.Event) any {
		return struct {
			Time   time.Time
			Events []activity.Event
		}{now, events}
	},
	"lines": func(s string) []string { return strings.Split(s, "\n") },
	"state": func(e activity.Event) string {
		return withCause(string(e.State), e.Detail)
	},
}).Parse(pageText))

// view is what the page shows beside the status itself.
type view struct {
	*Status
	Hits  []activity.Rule
	Chart chart
	Nonce string
}

// WriteHTML prints s as one page without anything to load. nonce is that of the
// page's Content-Security-Policy, for its style and its script.
func (s *Status) WriteHTML(w io.Writer, nonce string) error {
	return page.Execute(w, view{s, s.hits(), newChart(s), nonce})
}

// chart is the last hour: a bar for each minute, and a strip of how long the
// runs of the minute took.
type chart struct {
	Bars     []bar
	Most     int     // runs of the tallest bar
	Slowest  float64 // seconds, of the strip's top
	Describe string
}

type bar struct {
	X, OKY, OKHeight, FailedY, FailedHeight, MedianY, SlowestY float64
	Title                                                      string
}

// Sizes of the charts, in their own units.
const (
	barWidth    = 10
	barsHeight  = 80
	stripHeight = 40
	minutes     = 60
)

func newChart(s *Status) chart {
	c := chart{}
	ok, failed := 0, 0
	for _, m := range s.Minutes {
		c.Most = max(c.Most, m.OK+m.Failed)
		c.Slowest = max(c.Slowest, m.Slowest)
		ok, failed = ok+m.OK, failed+m.Failed
	}
	c.Describe = fmt.Sprintf("Runs of the last hour: %d succeeded or were accepted, %d failed.", ok, failed)
	now := s.Time.Truncate(time.Minute)
	for _, m := range s.Minutes {
		at := minutes - 1 - int(now.Sub(m.Time)/time.Minute)
		if at < 0 || at >= minutes {
			continue
		}
		unit := barsHeight / float64(max(c.Most, 1))
		strip := stripHeight / max(c.Slowest, 0.001)
		b := bar{X: float64(at * barWidth), OKHeight: unit * float64(m.OK), FailedHeight: unit * float64(m.Failed),
			MedianY: stripHeight - strip*m.Median, SlowestY: stripHeight - strip*m.Slowest,
			Title: fmt.Sprintf("%s: %d ok, %d failed, median %.2f s, slowest %.2f s", m.Time.UTC().Format("15:04"), m.OK, m.Failed, m.Median, m.Slowest)}
		b.OKY = barsHeight - b.OKHeight
		b.FailedY = b.OKY - b.FailedHeight
		c.Bars = append(c.Bars, b)
	}
	return c
}
