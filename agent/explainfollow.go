package agent

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"port-agent/agent/redact"
	"port-agent/invoker"
	"port-agent/invoker/follow"
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
}

// follow starts to follow the pipeline of a request that was accepted. Where
// there are recorded polls, look looks at it once, and takes them in order, one
// for each request that it makes; rep is what Port was told of the trigger.
func (e *Explainer) follow(ctx context.Context, x *Explanation, answer *Answer, res *invoker.Response, polls []Answer) (look func(rep *Report)) {
	tape := &recording{live: e.Invoker, answers: polls}
	redactor := redact.New()
	a := &Agent{
		Deps: Deps{Redactor: redactor, Metrics: NewMetrics(prometheus.NewRegistry(), ""), Follower: follow.New(e.Follow, tape)},
		log:  zerolog.Nop(),
	}
	j := &job{ev: &Event{}, run: x.Run, sync: x.Sync, rule: x.Rule, req: x.Request, redactor: redactor, log: a.log}
	run := follow.Run{ID: x.Run, Sync: x.Sync, NoFollow: x.noFollow, Rule: x.Rule, Input: func() (map[string]any, error) {
		return map[string]any{"body": x.Root, "request": x.Request.Value(), "response": answer.value()}, nil
	}}
	watch, why := a.Follower.Start(ctx, run, x.Request, res)
	x.Followed = &Followed{Why: why}
	if watch != nil {
		x.Followed.Place = watch.Backend() + " " + strings.Join(watch.Handle().Places, " ")
	}
	if watch == nil || len(polls) == 0 {
		return func(*Report) {}
	}
	return func(rep *Report) {
		f := &followed{Agent: a, j: j, watch: watch, since: time.Now(),
			news: news{links: linksOf(rep.Link), id: rep.ExternalRunID, label: rep.StatusLabel != ""}}
		x.Followed.Report, x.Followed.Err = f.lookOnce(ctx)
	}
}

// lookOnce looks and gives what Port is told then.
func (f *followed) lookOnce(ctx context.Context) (*Report, error) {
	told := &listener{}
	f.Reporter = told
	progress, err := f.watch.Look(ctx)
	if err != nil {
		return nil, err
	}
	f.news.add(f, progress)
	switch {
	case progress.Over && progress.Success:
		err = f.end(ctx, endedSuccess, StatusSuccess, progress.Summary)
	case progress.Over:
		err = f.end(ctx, endedFailure, StatusFailure, progress.Summary)
	default:
		_, err = f.tell(ctx)
	}
	return &told.report, err
}

// listener is a Reporter that keeps what Port is told after a look.
type listener struct {
	Reporter // nil: the other methods are not called
	report   Report
}

func (l *listener) Report(_ context.Context, _ string, rep Report) error {
	l.report = rep
	return nil
}

func (l *listener) Progress(_ context.Context, _ string, news Report) (Report, error) {
	l.report = news
	return Report{}, nil
}

// recording answers looks from a file. It has the places of credentials, and
// sends neither them nor anything else.
type recording struct {
	live    *invoker.Invoker
	answers []Answer
}

func (r *recording) Fetch(_ context.Context, f invoker.FetchRequest) (*invoker.Response, error) {
	if len(r.answers) == 0 {
		place, _, _ := strings.Cut(f.URL, "?")
		return nil, fmt.Errorf("no answer is recorded for %s", place)
	}
	answer := &r.answers[0]
	r.answers = r.answers[1:]
	return answer.response(), nil
}

func (r *recording) Credential(backend string) *invoker.Credential {
	live := r.live.Credential(backend)
	if live == nil {
		return nil
	}
	// One of its own: that of a GitHub App would ask GitHub for a token.
	c, err := invoker.NewCredential(live.Base(), func(context.Context, *url.URL, http.Header) error { return nil })
	if err != nil {
		return nil
	}
	return c
}

func (r *recording) Seal(string) string { return "seal" }

var _ follow.Invoker = (*recording)(nil)

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
