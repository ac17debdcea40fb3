package follow

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"port-agent/invoker"
)

// jenkinsWork is a build or, where QueueID is 0, an item of the queue.
type jenkinsWork struct {
	ID, QueueID int64
	URL         string
	Task        struct{ URL string }
	Actions     []struct {
		Parameters []struct{ Value any }
		Causes     []struct {
			Class string `json:"_class"`
			Text  string `json:"shortDescription"`
		}
	}
}

const (
	actionFields = "actions[parameters[value],causes[shortDescription]]"
	itemFields   = "id,task[url]," + actionFields
	workFields   = "url,queueId," + actionFields
	nodeFields   = "computer[executors[currentExecutable[" + workFields + "]],oneOffExecutors[currentExecutable[" + workFields + "]]]"
	// lastBuilds are a few of each job, and of each folder none.
	lastBuilds = "builds[" + workFields + "]{0,3}"
	// jobLevels is how deep in folders a job is looked for.
	jobLevels = 4
)

// find looks at the queue, at what the executors build and, if nothing of the
// run is there, at the latest builds of all jobs.
func (f *jenkins) find(ctx context.Context, run *Run, req *invoker.Request, _ time.Time) ([]string, error) {
	base, _, err := f.rest(bare(req.URL))
	if err != nil {
		return nil, err
	}
	var queue struct{ Items []jenkinsWork }
	if err := f.get(ctx, tree(base.Base()+"/queue/", "items["+itemFields+"]"), &queue); err != nil {
		return nil, err
	}
	type executor struct{ CurrentExecutable jenkinsWork }
	var nodes struct {
		Computer []struct{ Executors, OneOffExecutors []executor }
	}
	if err := f.get(ctx, tree(base.Base()+"/computer/", nodeFields), &nodes); err != nil {
		return nil, err
	}
	var found []jenkinsWork
	for _, c := range nodes.Computer {
		for _, e := range append(c.Executors, c.OneOffExecutors...) {
			found = append(found, e.CurrentExecutable)
		}
	}
	found = append(found, queue.Items...) // after the builds: an item may have become one meanwhile
	if places := placesOf(found, run.ID, base.Base()); len(places) > 0 {
		return places, nil
	}
	fields := lastBuilds
	for range jobLevels {
		fields = "jobs[" + fields + "]{0,500}," + lastBuilds
	}
	var root jenkinsJob
	if err := f.get(ctx, tree(base.Base()+"/", fields), &root); err != nil {
		return nil, err
	}
	if places := placesOf(root.all(), run.ID, base.Base()); len(places) > 0 {
		return places, nil
	}
	return nil, &Error{Kind: Missing, Err: fmt.Errorf("no item in the queue and no recent build has the id %s in a parameter or in its cause", run.ID),
		Hint: "let the trigger put it there, and " + f.right}
}

// jenkinsJob is a job, or a folder of them.
type jenkinsJob struct {
	Builds []jenkinsWork
	Jobs   []jenkinsJob
}

func (j *jenkinsJob) all() []jenkinsWork {
	builds := j.Builds
	for _, below := range j.Jobs {
		builds = append(builds, below.all()...)
	}
	return builds
}

// placesOf gives where the items and builds of a run are looked at.
func placesOf(all []jenkinsWork, run, base string) (places []string) {
	var queued []int64
	for _, w := range all {
		if !w.of(run) || slices.Contains(queued, max(w.ID, w.QueueID)) {
			continue
		}
		queued = append(queued, max(w.ID, w.QueueID))
		if w.QueueID == 0 {
			places = append(places, queuePlace(base, w.ID, jobName(w.Task.URL)))
		} else {
			places = append(places, base+jobPath(w.URL))
		}
	}
	return places
}

// of reports whether the trigger of a run has made w: it holds the run's id in a
// parameter, or in the text of its cause. What was started by that build or
// rebuilt by a person has another cause.
func (w *jenkinsWork) of(run string) bool {
	triggered := false
	var texts []string
	for _, a := range w.Actions {
		for _, c := range a.Causes {
			triggered = triggered || strings.HasSuffix(c.Class, ".GenericCause")
			texts = append(texts, c.Text)
		}
		for _, p := range a.Parameters {
			texts = append(texts, fmt.Sprint(p.Value))
		}
	}
	return triggered && naming(run).MatchString(strings.Join(texts, "\n"))
}

// jobName is the full name of a job: a/b for …/job/a/job/b/.
func jobName(raw string) string {
	path, err := url.PathUnescape(strings.TrimSuffix(jobPath(raw), "/"))
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(strings.ReplaceAll(path, "/job/", "/"), "/")
}
