package status

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"port-agent/agent/activity"
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
	p := printer{s: s, coloured: coloured}
	p.head()
	p.source()
	p.slots()
	p.unsettled()
	p.failures()
	p.port()
	p.rules()
	p.followed()
	p.runs()
	p.mapping()
	p.settings()
	_, err := w.Write(p.out.Bytes())
	return err
}

type printer struct {
	s        *Status
	coloured bool
	out      bytes.Buffer
}

// section prints a title and a table; a row is cells separated by tabs.
func (p *printer) section(title string, rows []string) {
	fmt.Fprintf(&p.out, "\n%s\n", p.colour(bold, plain(title)))
	table := tabwriter.NewWriter(&p.out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(table, "  "+plain(row))
	}
	_ = table.Flush() // to memory
}

func (p *printer) colour(code, text string) string {
	if !p.coloured {
		return text
	}
	return code + text + normal
}

// plain keeps what is printable, and the tabs of a table.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, s)
}

func (p *printer) head() {
	h := p.s.Health
	code := green
	if !h.Working {
		code = red
	}
	fmt.Fprintln(&p.out, p.colour(code, plain(h.Sentence)))
	if h.Page != "" {
		fmt.Fprintln(&p.out, "see "+h.Page)
	}
	fmt.Fprintf(&p.out, "%s\n", plain(fmt.Sprintf("port-agent %s, up %s, at %s", p.s.Version, p.ago(p.s.Started), clock(p.s.Time))))
}

func (p *printer) ago(t time.Time) string { return age(p.s.Time.Sub(t)) }

func (p *printer) source() {
	s := p.s.Source
	title := "SOURCE  " + s.Kind
	if s.Group != "" {
		title += fmt.Sprintf(", group %s, generation %d", s.Group, s.Generation)
	}
	var rows []string
	switch {
	case !s.Connected:
		rows = append(rows, "not connected")
	case s.Kind == "KAFKA" && len(s.Partitions) == 0:
		rows = append(rows, "no partitions: stands by")
	}
	if len(s.Partitions) > 0 {
		rows = append(rows, "partition\tlag\tcommitted\tposition\tend\tunsettled window")
	}
	for _, part := range s.Partitions {
		window := fmt.Sprint(part.Window)
		if part.Full {
			window += " full"
		}
		rows = append(rows, fmt.Sprintf("%s/%d\t%d\t%d\t%d\t%d\t%s", part.Topic, part.ID, part.Lag, part.Committed, part.Position, part.End, window))
	}
	p.section(title, rows)
}

func (p *printer) slots() {
	var rows []string
	if len(p.s.Hosts) > 0 {
		rows = append(rows, "host\tin flight\twaiting\toldest")
	}
	for _, h := range p.s.Hosts {
		oldest := "-"
		if h.Used > 0 {
			oldest = p.ago(h.Oldest)
		}
		rows = append(rows, fmt.Sprintf("%s\t%d of %d\t%d\t%s", cell(h.Name), h.Used, p.s.Slots.PerHost, h.Waiting, oldest))
	}
	p.section(fmt.Sprintf("REQUESTS  %d of %d in flight, %d waiting", p.s.Slots.Used, p.s.Slots.Limit, p.s.Slots.Waiting), rows)
}

func (p *printer) unsettled() {
	p.section(fmt.Sprintf("UNSETTLED  %s", count(p.s.Unsettled, "event")), p.events(p.s.Oldest))
}

func (p *printer) followed() {
	p.section(fmt.Sprintf("FOLLOWED  %s", count(p.s.Following, "pipeline")), p.events(p.s.Followed))
}

func (p *printer) events(events []activity.Event) []string {
	if len(events) == 0 {
		return nil
	}
	rows := []string{"age\trun\tstate\trule\thost"}
	for _, e := range events {
		state := string(e.State)
		if e.Detail != "" {
			state += ": " + e.Detail
		}
		rows = append(rows, fmt.Sprintf("%s\t%s\t%s\t%s\t%s", p.ago(e.Arrived), name(e), cell(state), cell(e.Rule), cell(e.Host)))
	}
	return rows
}

// cell is a cell's text, a dash where there is none.
func cell(s string) string {
	if s == "" {
		return "-"
	}
	return strings.ReplaceAll(s, "\t", " ")
}

func (p *printer) failures() {
	var rows []string
	if len(p.s.Failures) > 0 {
		rows = append(rows, "count\treason\trule\thost\tstatus\tfirst\tlast\trun")
	}
	for _, f := range p.s.Failures {
		rows = append(rows, fmt.Sprintf("%d\t%s\t%s\t%s\t%s\t%s ago\t%s ago\t%s", f.Count, f.Reason, cell(f.Rule), cell(f.Host), code(f.Status),
			p.ago(f.First), p.ago(f.Last), cell(f.Run)))
	}
	p.section("FAILURES  of the last hour", rows)
}

func code(status int) string {
	if status == 0 {
		return "-"
	}
	return fmt.Sprint(status)
}

func (p *printer) port() {
	s := p.s.Port
	var rows []string
	if s.Left >= 0 {
		rows = append(rows, fmt.Sprintf("%d calls left until %s", s.Left, clock(s.Reset)))
	}
	if !s.OKAt.IsZero() {
		rows = append(rows, fmt.Sprintf("last call taken %s ago", p.ago(s.OKAt)))
	}
	if s.Error != "" {
		rows = append(rows, fmt.Sprintf("last error %s ago: %s", p.ago(s.ErrorAt), s.Error))
	}
	p.section("PORT", rows)
}

func (p *printer) rules() {
	rows := []string{"rule\thits\tfailures\tlast hit"}
	for _, r := range p.s.hits() {
		last := "never"
		if !r.LastHit.IsZero() {
			last = p.ago(r.LastHit) + " ago"
		}
		rows = append(rows, fmt.Sprintf("%s\t%d\t%d\t%s", cell(r.Label), r.Hits, r.Failures, last))
	}
	before := p.out.Len()
	p.section("RULES", rows)
	if p.coloured { // the lines of rules that never had a hit are grey
		lines := strings.SplitAfter(p.out.String()[before:], "\n")
		p.out.Truncate(before)
		for _, line := range lines {
			if strings.HasSuffix(line, "  never\n") {
				line = faint + strings.TrimSuffix(line, "\n") + normal + "\n"
			}
			p.out.WriteString(line)
		}
	}
}

func (p *printer) runs() {
	var rows []string
	if len(p.s.Runs) > 0 {
		rows = append(rows, "time\trun\taction\trule\thost\tstatus\tattempts\ttook\tresult")
	}
	for _, r := range p.s.Runs {
		result := r.Result
		if r.Reason != "" {
			result += " (" + r.Reason + ")"
		}
		rows = append(rows, fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s", r.Time.UTC().Format(time.TimeOnly), cell(r.Run), cell(r.Action), cell(r.Rule),
			cell(r.Host), code(r.Status), r.Attempts, fmt.Sprintf("%.2f s", r.Seconds), result))
	}
	p.section("LAST RUNS", rows)
}

func (p *printer) mapping() {
	m := p.s.Mapping
	file := m.File
	if file == "" {
		file = "the built-in rule"
	}
	rows := []string{fmt.Sprintf("%s, loaded %s ago, hash %s", file, p.ago(m.Loaded), m.Hash)}
	if m.Rejected != "" {
		for i, line := range strings.Split(m.Rejected, "\n") {
			if i == 0 {
				line = fmt.Sprintf("refused %s ago: %s", p.ago(m.RejectedAt), line)
			}
			rows = append(rows, line)
		}
	}
	p.section("MAPPING", rows)
}

func (p *printer) settings() {
	var rows []string
	for _, s := range p.s.Settings {
		rows = append(rows, s.Name+"\t"+s.Value)
	}
	p.section("SETTINGS  that differ from their defaults", rows)
}
