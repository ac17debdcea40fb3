package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"

	"port-agent/invoker"
	"port-agent/invoker/follow"
	"port-agent/transform"
)

// Answer is a recorded answer of a backend, as a file holds it. Of text and
// json either may be missing; what is missing is made from the other.
type Answer struct {
	StatusCode int               `json:"statusCode"` // 0: 200
	Headers    map[string]string `json:"headers"`
	Text       string            `json:"text"`
	JSON       json.RawMessage   `json:"json"`
}

func (a *Answer) hasJSON() bool { return len(a.JSON) > 0 && string(a.JSON) != "null" }

// response is the answer as it came in. Where text and json are not the same,
// a success takes the json, of which a backend reads link and id, and a
// failure the text, which its summary quotes.
func (a *Answer) response() *invoker.Response {
	res := &invoker.Response{StatusCode: a.StatusCode, Header: make(http.Header, len(a.Headers)), Body: []byte(a.Text)}
	if res.StatusCode == 0 {
		res.StatusCode = http.StatusOK
	}
	for name, value := range a.Headers {
		res.Header.Set(name, value)
	}
	if !a.hasJSON() || a.Text != "" && res.StatusCode/100 != 2 {
		return res
	}
	given := invoker.Response{Body: a.JSON}
	v, _ := given.JSON()
	if text, ok := res.JSON(); !ok || !reflect.DeepEqual(text, v) {
		res.Body = a.JSON
	}
	return res
}

// value is the answer as expressions of a report see it.
func (a *Answer) value() map[string]any {
	v := a.response().Value()
	if a.Text != "" {
		v["text"] = a.Text
	}
	if a.hasJSON() {
		given := invoker.Response{Body: a.JSON}
		v["json"], _ = given.JSON()
	}
	return v
}

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
