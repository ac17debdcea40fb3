package ci

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// jenkinsObject is a part of an answer of Jenkins: an item of the queue, a build,
// or what such things are found in.
type jenkinsObject struct {
	ID         int64 // of an item
	Cancelled  bool
	Why        string
	Task       struct{ FullName string }
	Executable *struct{ URL string }

	Number, QueueID         int64 // of a build
	Building                bool
	Result, FullDisplayName string
	Duration                int64 // milliseconds
	URL                     string

	Actions []struct {
		Parameters []struct{ Value any }
		Causes     []struct {
			Class string `json:"_class"`
			Text  string `json:"shortDescription"`
		}
	}
	CurrentExecutable                                         *jenkinsObject
	Items, Computer, Executors, OneOffExecutors, Jobs, Builds []jenkinsObject
}

const (
	actionFields = "actions[parameters[value],causes[shortDescription]]"
	workFields   = "url,queueId," + actionFields
	// jobFields are those of the last builds of a job, and of the jobs in a folder.
	jobFields = "jobs[builds[" + workFields + "]{0,3}%s]{0,500}"
)

// find looks at the queue, at what the executors build and, where nothing of the
// run is there, at the latest builds of all jobs.
func (f *jenkins) find(ctx context.Context, run string) (places []string, err error) {
	jobs := fmt.Sprintf(jobFields, "")
	for range 3 { // folders
		jobs = fmt.Sprintf(jobFields, ","+jobs)
	}
	known := map[int64]bool{} // an item may become a build meanwhile
	for _, part := range []struct{ path, fields string }{
		{"/queue/", "items[id,task[fullName]," + actionFields + "]"},
		{"/computer/", "computer[executors[currentExecutable[" + workFields + "]],oneOffExecutors[currentExecutable[" + workFields + "]]]"},
		{"/", jobs},
	} {
		if part.path == "/" && len(places) > 0 {
			break
		}
		var answer jenkinsObject
		if err := f.get(ctx, tree(f.base()+part.path, part.fields), &answer); err != nil {
			return nil, err
		}
		for _, o := range answer.all() {
			id := max(o.ID, o.QueueID)
			if !o.of(run) || known[id] {
				continue
			}
			known[id] = true
			if o.QueueID == 0 {
				places = append(places, f.queued(o.ID, o.Task.FullName))
			} else {
				places = append(places, f.base()+jobPath(o.URL))
			}
		}
	}
	if len(places) == 0 {
		return nil, Errorf(Missing, "no item in the queue and no recent build has the id %s in a parameter or in its cause", run).hint("let the trigger put it there, and " + f.right)
	}
	return places, nil
}

// all returns an object and all that are in it.
func (o *jenkinsObject) all() []*jenkinsObject {
	all := []*jenkinsObject{o}
	if o.CurrentExecutable != nil {
		all = append(all, o.CurrentExecutable)
	}
	below := slices.Concat(o.Items, o.Computer, o.Executors, o.OneOffExecutors, o.Jobs, o.Builds)
	for n := range below {
		all = append(all, below[n].all()...)
	}
	return all
}

// of reports whether the trigger of a run has made an item or build: it has the
// run's id in a parameter or in the text of its cause. What such a build has
// started, or a person has built again, has another cause.
func (o *jenkinsObject) of(run string) bool {
	triggered := false
	var texts []string
	for _, a := range o.Actions {
		for _, c := range a.Causes {
			triggered = triggered || strings.HasSuffix(c.Class, ".GenericCause")
			texts = append(texts, c.Text)
		}
		for _, p := range a.Parameters {
			texts = append(texts, fmt.Sprint(p.Value))
		}
	}
	return triggered && names(run, texts...)
}
