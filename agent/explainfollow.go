package agent

import (
	"context"
	"strings"

	"port-agent/transform"
)

// follow fills in the pipeline of a request that was answered with out, and
// returns the followed, if there is one.
func (x *Explanation) follow(ctx context.Context, a *Agent, j *job, out outcome) *followed {
	f, why := a.watchRun(ctx, j, out)
	if f != nil {
		x.Pipeline = f.watch.Backend() + " " + strings.Join(f.watch.Handle().Places, " ")
	}
	if why != "" {
		x.Warnings = append(x.Warnings, transform.Warning{Field: "follow", Message: why})
	}
	return f
}

// look looks at the pipeline once, after Port was told of the trigger, and takes
// what told hears of it.
func (x *Explanation) look(ctx context.Context, f *followed, told *listener) {
	f.begin(*x.Report)
	progress, err := f.watch.Look(ctx)
	if err == nil {
		f.news.add(f, progress)
		var ended bool
		if ended, err = f.seen(ctx, progress); !ended {
			_, err = f.tell(ctx)
		}
		x.Poll = &told.report
	}
	if err != nil {
		x.Warnings = append(x.Warnings, transform.Warning{Field: "follow", Message: "the look at the pipeline tells nothing: " + err.Error(), Err: err})
	}
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
