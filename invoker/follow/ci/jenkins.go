package ci

import (
	"context"
	"errors"
	"net/url"
	"path"
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
type jenkins struct{ *api }

const (
	jenkinsQueue = "/queue/item/"

	queueFields = "cancelled,why,executable[url]"
	buildFields = "building,result,number,fullDisplayName,duration,url"
	listFields  = "builds[number,url,queueId]{0,100}"
)

func newJenkins(c Client) *System {
	a := &api{client: c, backend: invoker.Jenkins, what: "queue item and no build",
		places: regexp.MustCompile(`^(/queue/item/[0-9]+/(#.*)?|(/job/[^/?#]+)+/[0-9]+/)$`),
		unset:  "JENKINS_URL, JENKINS_USER_ID and JENKINS_API_TOKEN are not set",
		right:  "check JENKINS_USER_ID and JENKINS_API_TOKEN, and that the user has the rights Job/Read and Job/Discover",
	}
	return &System{a, &jenkins{a}}
}

// Fleeting reports whether the place is forgotten five minutes after the
// pipeline has begun, as an item of Jenkins' queue is.
func (j *Job) Fleeting() bool { return strings.Contains(j.Place, jenkinsQueue) }

func (f *jenkins) locate(ctx context.Context, t Trigger) (places []string, err error) {
	if t.Response == nil {
		return f.find(ctx, t.Run)
	}
	jobs, _, err := invoker.JenkinsJobs(t.Response)
	if err != nil {
		return nil, Errorf(None, "Jenkins named no job, as where the trigger is set to answer silently")
	}
	for _, j := range jobs {
		if j.Triggered && j.Queue > 0 {
			places = append(places, f.queued(j.Queue, j.Name))
		}
	}
	if len(places) == 0 {
		return nil, Errorf(None, "Jenkins put nothing into its queue, as in a dry run")
	}
	return places, nil
}

// queued is the place of an item of the queue, with the name of its job.
func (f *jenkins) queued(item int64, job string) string {
	name := url.URL{Fragment: job}
	return f.base() + jenkinsQueue + strconv.FormatInt(item, 10) + "/" + name.String()
}

func (f *jenkins) look(ctx context.Context, j *Job) (View, error) {
	if !j.Fleeting() {
		return f.build(ctx, j)
	}
	var item jenkinsObject
	_, name, _ := strings.Cut(j.Place, "#")
	name, _ = url.PathUnescape(name)
	err := f.get(ctx, tree(bare(j.Place), queueFields), &item)
	switch {
	case errors.Is(err, Missing) && name != "":
		j.Place, err = f.search(ctx, j, name)
	case err != nil:
	case item.Cancelled:
		return View{Name: name, Over: true, Summary: name + " was cancelled in the queue"}, nil
	case item.Executable == nil || jobPath(item.Executable.URL) == "":
		return View{Name: name, Label: "Queued", Why: item.Why}, nil
	default:
		j.Place = f.base() + jobPath(item.Executable.URL)
	}
	if err != nil {
		return View{}, err
	}
	return f.build(ctx, j)
}

// search looks for the build of an item that has left the queue.
func (f *jenkins) search(ctx context.Context, j *Job, name string) (place string, err error) {
	job, item := f.base(), path.Base(bare(j.Place))
	for folder := range strings.SplitSeq(name, "/") {
		job += "/job/" + url.PathEscape(folder)
	}
	var list jenkinsObject
	if err := f.get(ctx, tree(job+"/", listFields), &list); err != nil {
		return "", err
	}
	for _, b := range list.Builds {
		if strconv.FormatInt(b.QueueID, 10) == item {
			return job + "/" + strconv.FormatInt(b.Number, 10) + "/", nil
		}
	}
	kind := Missing
	if j.Seen { // Jenkins was restarted, or the build is gone already: its result is not known
		kind = Refused
	}
	return "", Errorf(kind, "item %s is neither in the queue nor among the last 100 builds of %s", item, name)
}

func (f *jenkins) build(ctx context.Context, j *Job) (View, error) {
	var b jenkinsObject
	if err := f.get(ctx, tree(j.Place, buildFields), &b); err != nil {
		return View{}, err
	}
	v := View{Name: b.FullDisplayName, ID: strconv.FormatInt(b.Number, 10), Links: []string{j.Place}}
	if jobPath(b.URL) != "" { // the root that Jenkins is configured with is where people find it
		v.Links = []string{b.URL}
	}
	stages := func() *parts { return f.stages(ctx, j) }
	if b.Building || b.Result == "" {
		v.Label = stages().label()
	} else {
		v.over(j, jenkinsEnds, b.Result, time.Duration(b.Duration)*time.Millisecond, stages)
	}
	return v, nil
}

var jenkinsEnds = map[string]end{
	"SUCCESS":   {verb: "succeeded", good: true},
	"FAILURE":   {verb: "failed", partsTell: true},
	"ABORTED":   {verb: "was aborted", partsTell: true},
	"UNSTABLE":  {verb: "ended unstable", partsTell: true},
	"NOT_BUILT": {verb: "was not built", partsTell: true},
}

// stages reads those of a Pipeline, for display only. They need the plugin
// "Pipeline: REST API".
func (f *jenkins) stages(ctx context.Context, j *Job) *parts {
	p := new(parts)
	if j.plain {
		return p
	}
	var run struct {
		Stages []struct {
			Name, Status string
			Error        struct{ Message string }
		}
	}
	j.plain = errors.Is(f.get(ctx, j.Place+"wfapi/describe", &run), Missing)
	for _, s := range run.Stages {
		switch s.Status {
		case "PAUSED_PENDING_INPUT":
			p.waits = "Waiting for input"
		case "IN_PROGRESS":
			p.runs(s.Name)
		}
	}
	for _, status := range []string{"FAILED", "ABORTED", "UNSTABLE"} { // one that fails may abort those that run beside it
		for _, s := range run.Stages {
			if s.Status == status {
				p.failed("stage "+s.Name, s.Error.Message)
			}
		}
	}
	return p
}

// tree is the URL of an object with these fields alone.
func tree(place, fields string) string { return place + "api/json?tree=" + url.QueryEscape(fields) }

// jobPath is the path of a job or build from the first /job/ on, with a slash
// at its end, or "".
func jobPath(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return ""
	}
	_, path, found := strings.Cut(u.EscapedPath(), "/job/")
	if !found {
		return ""
	}
	return "/job/" + strings.TrimSuffix(path, "/") + "/"
}
