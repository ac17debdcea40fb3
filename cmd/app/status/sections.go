package status

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"port-agent/agent/activity"
	"port-agent/cmd/terminal"
)

// section is one part of the text and of the page.
type section struct {
	id, title string
	notes     []string
	head      []string
	rows      []row
}

// row is one row of a table. Its mood decides its colour.
type row struct {
	mood  mood
	cells []string
}

type mood string

const (
	plainRow mood = ""
	goodRow  mood = "good"
	badRow   mood = "bad"
	greyRow  mood = "never"
)

func (s *section) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

func (s *section) add(m mood, cells ...any) {
	r := row{mood: m}
	for _, c := range cells {
		text := fmt.Sprint(c)
		if text == "" {
			text = "-"
		}
		r.cells = append(r.cells, text)
	}
	s.rows = append(s.rows, r)
}

// sections are the parts of the status, in their order.
func (s *Status) sections() []section {
	return []section{
		s.sourcePart(), s.requestsPart(), s.eventsPart("unsettled", "Unsettled: "+terminal.Count(s.Unsettled, "event"), s.Oldest), s.failuresPart(),
		s.portPart(), s.rulesPart(), s.eventsPart("followed", "Followed: "+terminal.Count(s.Following, "pipeline"), s.Followed), s.runsPart(),
		s.mappingPart(), s.settingsPart(),
	}
}

func (s *Status) ago(t time.Time) string { return age(s.Time.Sub(t)) + " ago" }

func (s *Status) sourcePart() section {
	src := s.Source
	out := section{id: "source", title: "Source: " + src.Kind, head: []string{"partition", "lag", "committed", "position", "end", "unsettled window"}}
	if src.Group != "" {
		out.title += fmt.Sprintf(", group %s, generation %d", src.Group, src.Generation)
	}
	switch {
	case !src.Connected:
		out.note("%s", withCause("not connected", src.Error))
	case src.Kind == "KAFKA" && len(src.Partitions) == 0:
		out.note("no partitions: this replica stands by")
	}
	for _, p := range src.Partitions {
		window, m := fmt.Sprint(p.Window), plainRow
		if p.Full {
			window, m = window+" full", badRow
		}
		out.add(m, fmt.Sprintf("%s/%d", p.Topic, p.Partition), p.Lag, p.Committed, p.Position, p.End, window)
	}
	return out
}

func (s *Status) requestsPart() section {
	out := section{id: "requests", title: fmt.Sprintf("Requests: %d of %d in flight, %d waiting", s.Slots.Used, s.Slots.Limit, s.Slots.Waiting),
		head: []string{"host", "in flight", "waiting", "oldest"}}
	for _, h := range s.Hosts {
		oldest := ""
		if h.Used > 0 {
			oldest = age(s.Time.Sub(h.Oldest))
		}
		out.add(plainRow, h.Name, fmt.Sprintf("%d of %d", h.Used, s.Slots.PerHost), h.Waiting, oldest)
	}
	return out
}

func (s *Status) eventsPart(id, title string, events []activity.Event) section {
	out := section{id: id, title: title, head: []string{"age", "run", "state", "rule", "host"}}
	for _, e := range events {
		out.add(plainRow, age(s.Time.Sub(e.Arrived)), name(e), withCause(string(e.State), e.Detail), e.Rule, e.Host)
	}
	return out
}

func (s *Status) failuresPart() section {
	out := section{id: "failures", title: "Failures of the last hour", head: []string{"count", "reason", "rule", "host", "status", "first", "last", "run"}}
	for _, f := range s.Failures {
		out.add(badRow, f.Count, f.Reason, f.Rule, f.Host, httpStatus(f.Status), s.ago(f.First), s.ago(f.Last), f.Run)
	}
	return out
}

// httpStatus is the status of an answer, empty if there was none.
func httpStatus(code int) string {
	if code == 0 {
		return ""
	}
	return fmt.Sprint(code)
}

func (s *Status) portPart() section {
	out := section{id: "port", title: "Port"}
	if s.Port.Left >= 0 {
		out.note("%d calls left until %s", s.Port.Left, clock(s.Port.Reset))
	}
	if !s.Port.OKAt.IsZero() {
		out.note("last call taken %s", s.ago(s.Port.OKAt))
	}
	if s.Port.Error != "" {
		out.note("last error %s: %s", s.ago(s.Port.ErrorAt), s.Port.Error)
	}
	return out
}

func (s *Status) rulesPart() section {
	out := section{id: "rules", title: "Rules", head: []string{"rule", "hits", "failures", "last hit"}}
	known := map[string]activity.Rule{}
	for _, r := range s.Rules {
		known[r.Label] = r
	}
	for _, label := range s.Mapping.Labels {
		r := known[label]
		if r.LastHit.IsZero() {
			out.add(greyRow, label, r.Hits, r.Failures, "never")
			continue
		}
		out.add(plainRow, label, r.Hits, r.Failures, s.ago(r.LastHit))
	}
	return out
}

func (s *Status) runsPart() section {
	out := section{id: "runs", title: "Last runs", head: []string{"time", "run", "action", "rule", "host", "status", "attempts", "took", "result"}}
	for _, r := range s.Runs {
		m, result := goodRow, r.Result
		if r.Reason != "" {
			m, result = badRow, result+" ("+r.Reason+")"
		}
		out.add(m, r.Time.UTC().Format(time.TimeOnly), r.Run, r.Action, r.Rule, r.Host, httpStatus(r.Status), r.Attempts, fmt.Sprintf("%.2f s", r.Seconds), result)
	}
	return out
}

func (s *Status) mappingPart() section {
	m := s.Mapping
	out := section{id: "mapping", title: "Mapping"}
	out.note("%s, loaded %s, hash %s", cmp.Or(m.File, "the built-in rule"), s.ago(m.Loaded), m.Hash)
	if m.Rejected != "" {
		refused := fmt.Sprintf("refused %s: %s", s.ago(m.RejectedAt), m.Rejected)
		out.notes = append(out.notes, strings.Split(refused, "\n")...)
	}
	return out
}

func (s *Status) settingsPart() section {
	out := section{id: "settings", title: "Settings that differ from their defaults", head: []string{"setting", "value"}}
	for _, v := range s.Settings {
		out.add(plainRow, v.Name, v.Value)
	}
	return out
}
