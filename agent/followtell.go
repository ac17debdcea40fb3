package agent

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"port-agent/agent/activity"
	"port-agent/invoker/follow"
)

// maxNews is how many lines of its pipeline a run's log is given.
const maxNews = 200

// news is what Port has not been told yet of a followed run.
type news struct {
	owed  Report
	links []string // those of the rule and the backend, kept before the pipeline's
	at    follow.Handle
	id    string   // the external run id that Port was given
	label bool     // Port was given a label
	lines int      // written so far
	had   []string // lines that an earlier owner wrote
}

// reportTrigger tells Port that a run's request was accepted and where its
// pipeline is: a next owner goes on from that line. The rest of the report is
// told with the pipeline's own news.
func (f *followed) reportTrigger(ctx context.Context, out outcome, rep *Report) error {
	if err := f.sendResponse(ctx, f.j, rep); err != nil {
		return err
	}
	lines := f.j.runLog.finish(ctx, LevelInfo, closing("", f.j.closingLine(out)))
	lines = append(lines, LogLine{Level: LevelInfo, Message: f.watch.Handle().String()})
	if err := f.send(ctx, f.j, &Report{Lines: lines}); err != nil {
		return err
	}
	if IsNodeRun(f.j.run) && len(rep.Response) <= maxKeptAnswer {
		f.output = Report{Response: rep.Response, StatusCode: rep.StatusCode}
	}
	rep.Response, rep.StatusCode = nil, 0
	f.begin(*rep)
	f.news.owed = *rep
	return nil
}

// begin starts the news of a run of whose trigger Port is told rep.
func (f *followed) begin(rep Report) {
	f.news = news{links: linksOf(rep.Link), at: f.watch.Handle(), id: rep.ExternalRunID, label: rep.StatusLabel != ""}
}

// linksOf is the list of a report's links.
func linksOf(link any) (list []string) {
	editLinks(link, func(l string) string {
		list = append(list, l)
		return l
	})
	return list
}

// line adds a line of the run's log, as long as there is room for it.
func (n *news) line(level, text string) {
	if n.lines++; n.lines > maxNews {
		return
	}
	if n.lines == maxNews {
		level, text = LevelWarn, "Further lines of the pipeline are left out."
	}
	n.owed.Lines = append(n.owed.Lines, LogLine{Level: level, Message: text})
}

// add takes over what a look has brought.
func (n *news) add(f *followed, p follow.Progress) {
	clean := f.j.redactor.String
	for _, l := range p.Lines {
		level := LevelInfo
		if l.Warn {
			level = LevelWarn
		}
		if text := clean(quoted(l.Text)); !slices.Contains(n.had, text) {
			n.line(level, text)
		}
	}
	n.had = nil // what comes up a second time later is news
	if !p.Moved.IsZero() {
		n.owed.Lines = append(n.owed.Lines, LogLine{Level: LevelInfo, Message: p.Moved.String()})
		n.move(p.Moved)
	}
	later := Report{StatusLabel: clean(p.Label), Link: editLinks(n.allLinks(p.Links), clean)}
	if p.ExternalRunID != "" && p.ExternalRunID != n.id {
		n.id, later.ExternalRunID = p.ExternalRunID, clean(p.ExternalRunID)
	}
	if !p.Over {
		later.Summary = clean(p.Summary)
	}
	for _, note := range later.Clean() {
		n.line(LevelWarn, note)
	}
	if p.Label != "" {
		n.label = true
		f.j.work.At(activity.Followed, later.StatusLabel)
	}
	owed := &n.owed // what cleaning has left nothing of replaces nothing
	owed.StatusLabel, owed.Summary = cmp.Or(later.StatusLabel, owed.StatusLabel), cmp.Or(later.Summary, owed.Summary)
	owed.ExternalRunID = cmp.Or(later.ExternalRunID, owed.ExternalRunID)
	if later.Link != nil {
		owed.Link = later.Link
	}
}

// move drops the links to where the pipeline was before, such as Jenkins' queue:
// nothing is found there soon.
func (n *news) move(to follow.Handle) {
	n.links = slices.DeleteFunc(slices.Clone(n.links), func(link string) bool {
		return slices.ContainsFunc(n.at.Places, func(place string) bool {
			page, _, _ := strings.Cut(place, "#")
			return page == link && !slices.Contains(to.Places, place)
		})
	})
	n.at = to
}

// allLinks returns the rule's links and the pipeline's, nil where there is none
// but the rule's. A run has one list of links, which each report replaces.
func (n *news) allLinks(found []string) any {
	all := slices.Clone(n.links)
	for _, link := range found {
		if !slices.Contains(all, link) {
			all = append(all, link)
		}
	}
	switch len(all) {
	case len(n.links):
		return nil
	case 1:
		return all[0]
	}
	return all
}

// quoted keeps a text of a pipeline from being read as a line of the agent's
// own.
func quoted(text string) string {
	if _, handle := follow.ParseHandle(text); handle || strings.HasPrefix(text, closingPrefix) {
		return "> " + text
	}
	return text
}

// tell tells Port the news in one call, if there are any. What there is no room
// for in it, or what Port does not take now, goes with the next.
func (f *followed) tell(ctx context.Context) (ended bool, err error) {
	if f.news.owed.Empty() {
		return false, nil
	}
	f.news.owed, err = f.Reporter.Progress(ctx, f.j.run, f.news.owed)
	switch {
	case ctx.Err() != nil:
		return false, context.Cause(ctx)
	case errors.Is(err, ErrRunEnded):
		f.Metrics.FollowEnded.WithLabelValues(f.watch.Backend(), endedElsewhere).Inc()
		f.j.about(f.j.log.Info()).Msg("followed run was ended elsewhere")
		return true, nil
	case errors.Is(err, ErrRejected):
		f.j.about(f.j.log.Debug()).Err(err).Msg("progress of a pipeline refused by port")
	}
	return false, nil
}

// end reports how the following ended; detail says why.
func (f *followed) end(ctx context.Context, outcome, detail string) error {
	detail = f.j.redactor.String(detail)
	rep := f.news.owed
	rep.Kind, rep.Response, rep.StatusCode = f.j.kind, f.output.Response, f.output.StatusCode
	level, label := LevelError, "Failed"
	switch outcome {
	case endedNotFollowed: // the run goes on without
		level, rep.StatusLabel, detail = LevelWarn, "Not followed", "not followed: "+detail
	case endedSuccess:
		level, label = LevelInfo, "Succeeded"
		rep.Status, rep.Summary = StatusSuccess, detail
	default:
		rep.Status, rep.Summary = StatusFailure, detail
	}
	if rep.Status != "" && f.news.label { // what it was doing last
		rep.StatusLabel = label
	}
	rep.Lines = append(slices.Clip(rep.Lines), LogLine{Level: level, Message: closing(rep.Status, detail)})
	if err := f.send(f.graces.after(ctx).verdict, f.j, &rep); err != nil {
		return err
	}
	f.Metrics.FollowEnded.WithLabelValues(f.watch.Backend(), outcome).Inc()
	run := activity.Run{Result: cmp.Or(rep.Status, statusOpen), Attempts: 1, Seconds: time.Since(f.since).Seconds()}
	if outcome != endedSuccess {
		run.Reason = "pipeline_" + outcome
	}
	f.j.work.Ended(run)
	line, msg := f.j.log.Info(), "pipeline ended"
	if outcome == endedNotFollowed {
		line, msg = f.j.log.Warn(), "pipeline not followed"
	}
	f.j.about(line).Str("outcome", outcome).Str("detail", detail).Msg(msg)
	return nil
}
