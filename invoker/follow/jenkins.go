package follow

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"port-agent/invoker"
)

// jenkins follows a build from the item in the queue that the plugin Generic
// Webhook Trigger names: https://www.jenkins.io/doc/book/using/remote-access-api/.
//
// A place is BASE/queue/item/N/#FULL-NAME or BASE/job/A/job/B/N/. An item is
// gone five minutes after its build has begun; the job's name then leads on.
type jenkins struct{ *source }

const (
	jenkinsQueue = "/queue/item/"

	queueFields = "cancelled,why,executable[url]"
	buildFields = "building,result,number,fullDisplayName,duration,url"
	listFields  = "builds[number,url,queueId]{0,100}"
)

var (
	queuePath = regexp.MustCompile(`^/queue/item/[0-9]+/$`)
	buildPath = regexp.MustCompile(`^(/job/[^/]+)+/[0-9]+/$`)
)

func newJenkins(inv Invoker) *jenkins {
	return &jenkins{&source{inv: inv, backend: invoker.Jenkins, what: "queue item and no build", paths: []*regexp.Regexp{queuePath, buildPath},
		unset: "JENKINS_URL, JENKINS_USER_ID and JENKINS_API_TOKEN are not set",
		right: "check JENKINS_USER_ID and JENKINS_API_TOKEN, and that the user has the rights Job/Read and Job/Discover",
	}}
}

func (f *jenkins) start(_ context.Context, _ *Run, req *invoker.Request, res *invoker.Response) (places []string, err error) {
	base, _, err := f.rest(bare(req.URL))
	if err != nil {
		return nil, err
	}
	jobs, _, err := invoker.JenkinsJobs(res)
	if err != nil {
		return nil, quiet("Jenkins named no job, as where the trigger is set to answer silently")
	}
	for _, j := range jobs {
		if !j.Triggered || j.Queue <= 0 {
			continue
		}
		if len(places) == maxJobs {
			return nil, fmt.Errorf("the request triggered more than %d jobs", maxJobs)
		}
		places = append(places, queuePlace(base.Base(), j.Queue, j.Name))
	}
	if len(places) == 0 {
		return nil, quiet("Jenkins put nothing into its queue, as in a dry run")
	}
	return places, nil
}

func queuePlace(base string, item int64, job string) string {
	name := url.URL{Fragment: job}
	return base + jenkinsQueue + strconv.FormatInt(item, 10) + "/" + name.String()
}

func (f *jenkins) look(ctx context.Context, w *Watch, j *job) (view, error) {
	if !strings.Contains(j.place, jenkinsQueue) {
		return f.build(ctx, w, j, j.place)
	}
	var item struct {
		Cancelled  bool
		Why        string
		Executable *struct{ URL string }
	}
	name := fragment(j.place)
	err := f.get(ctx, tree(bare(j.place), queueFields), &item)
	var missing *Error
	switch {
	case errors.As(err, &missing) && missing.Kind == Missing && name != "":
		return f.search(ctx, w, j, name)
	case err != nil:
		return view{}, err
	}
	switch {
	case item.Cancelled:
		return view{over: true, name: name, summary: ending(name, "was cancelled in the queue", 0, "", "")}, nil
	case item.Executable == nil || jobPath(item.Executable.URL) == "":
		return view{name: name, label: "Queued", why: item.Why}, nil
	}
	base, err := f.own()
	if err != nil {
		return view{}, err
	}
	return f.build(ctx, w, j, base.Base()+jobPath(item.Executable.URL))
}

// search looks for the build of an item that has left the queue.
func (f *jenkins) search(ctx context.Context, w *Watch, j *job, name string) (view, error) {
	base, err := f.own()
	if err != nil {
		return view{}, err
	}
	path := ""
	for folder := range strings.SplitSeq(name, "/") {
		path += "/job/" + url.PathEscape(folder)
	}
	var list struct {
		Builds []struct {
			Number  int64
			QueueID int64 `json:"queueId"`
		}
	}
	if err := f.get(ctx, tree(base.Base()+path+"/", listFields), &list); err != nil {
		return view{}, err
	}
	item := strings.TrimSuffix(bare(j.place), "/")
	item = item[strings.LastIndexByte(item, '/')+1:]
	for _, b := range list.Builds {
		if strconv.FormatInt(b.QueueID, 10) == item {
			return f.build(ctx, w, j, base.Base()+path+"/"+strconv.FormatInt(b.Number, 10)+"/")
		}
	}
	kind := Missing
	if j.seen { // Jenkins was restarted, or the build came and went: nobody knows how it ended
		kind = Refused
	}
	return view{}, &Error{Kind: kind, Err: fmt.Errorf("item %s is neither in the queue nor among the last 100 builds of %s", item, name)}
}

func (f *jenkins) build(ctx context.Context, w *Watch, j *job, place string) (view, error) {
	var build struct {
		Building        bool
		Result          string
		Number          int64
		FullDisplayName string
		Duration        int64 // milliseconds
		URL             string
	}
	if err := f.get(ctx, tree(place, buildFields), &build); err != nil {
		return view{}, err
	}
	v := view{place: place, name: build.FullDisplayName, id: strconv.FormatInt(build.Number, 10), links: []string{place}}
	if path := jobPath(build.URL); path != "" { // the root that Jenkins is configured with is where people find it
		v.links = []string{build.URL}
	}
	stages := f.stages(ctx, j, place)
	if build.Building || build.Result == "" {
		v.label = labelOf(stages)
		return v, nil
	}
	v.over, v.success = true, good(w, build.Result, "SUCCESS")
	where, why := "", ""
	if build.Result != "SUCCESS" {
		where, why = failureOf(stages)
	}
	v.summary = ending(v.name, verb(jenkinsVerbs, build.Result), time.Duration(build.Duration)*time.Millisecond, where, why)
	return v, nil
}

var jenkinsVerbs = map[string]string{
	"SUCCESS": "succeeded", "FAILURE": "failed", "ABORTED": "was aborted", "UNSTABLE": "ended unstable", "NOT_BUILT": "was not built",
}

// stages asks for those of a Pipeline, as the plugin Pipeline: REST API tells
// them: without it there are none.
func (f *jenkins) stages(ctx context.Context, j *job, place string) (steps []step) {
	if j.plain {
		return nil
	}
	var run struct {
		Stages []struct {
			Name, Status string
			Error        struct{ Message string }
		}
	}
	err := f.get(ctx, place+"wfapi/describe", &run)
	if e := (*Error)(nil); errors.As(err, &e) && e.Kind == Missing {
		j.plain = true
	}
	for _, s := range run.Stages {
		switch s.Status {
		case "PAUSED_PENDING_INPUT":
			steps = append(steps, step{waits: "Waiting for input"})
		case "IN_PROGRESS":
			steps = append(steps, step{running: s.Name})
		case "FAILED", "ABORTED":
			steps = append(steps, step{failed: "stage " + s.Name, why: s.Error.Message})
		}
	}
	return steps
}

// tree asks for no more of an object than is needed.
func tree(place, fields string) string { return place + "api/json?tree=" + url.QueryEscape(fields) }

// jobPath is the path of a job or build from the first /job/ on, with a slash
// at its end, or "".
func jobPath(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return ""
	}
	path := u.EscapedPath()
	n := strings.Index(path, "/job/")
	if n < 0 {
		return ""
	}
	return strings.TrimSuffix(path[n:], "/") + "/"
}

func fragment(place string) string {
	u, err := url.Parse(place)
	if err != nil {
		return ""
	}
	return u.Fragment
}
