package agent

import (
	"context"

	"port-agent/transform"
)

// Followed is what the agent would do about the pipeline that a request has
// triggered.
type Followed struct {
	Place string // backend and URLs; empty: the run is not followed
	Why   string // it is not followed although somebody expects it; may be empty
	// Err says why a look brought nothing. Report is what Port is told after
	// it, its Lines those of the run's log; nil: no poll was given.
	Err    error
	Report *Report

	watched *followed
}

// look looks once, after Port was told rep of the trigger, and takes what told
// hears of it.
func (f *Followed) look(ctx context.Context, told *listener, rep Report) {
	w := f.watched
	w.begin(rep)
	progress, err := w.watch.Look(ctx)
	if f.Err = err; err != nil {
		return
	}
	w.news.add(w, progress)
	ended, err := w.seen(ctx, progress)
	if !ended {
		_, err = w.tell(ctx)
	}
	f.Report, f.Err = &told.report, err
}

// warnings says why a pipeline is not followed, or not seen.
func (f *Followed) warnings() (out []transform.Warning) {
	if f == nil {
		return nil
	}
	if f.Why != "" {
		out = append(out, transform.Warning{Field: "follow", Message: f.Why})
	}
	if f.Err != nil {
		out = append(out, transform.Warning{Field: "follow", Message: "the look at the pipeline tells nothing: " + f.Err.Error(), Err: f.Err})
	}
	return out
}

// listener is a Reporter that keeps what Port is told after a look.
type listener struct {
	Reporter // nil: the other methods are not called
	report   Report
}

func (l *listener) Report(_ context.Context, _ string, rep Report) error {
	l.report, l.report.Kind = rep, "" // it is for the client of Port's API
	return nil
}

func (l *listener) Progress(_ context.Context, _ string, news Report) (Report, error) {
	l.report = news
	return Report{}, nil
}
