package cistand

import (
	"net/http"
	"strings"
)

// Rebuild lets a person build again what was triggered last, with the same
// parameters.
func (j *Jenkins) Rebuild() {
	j.mu.Lock()
	defer j.mu.Unlock()
	last := j.runs[len(j.runs)-1]
	p := j.start(last.name, last.plan)
	p.given, p.cause = last.given, "hudson.model.Cause$UserIdCause"
}

// lookup gives what is at a path with dots.
func lookup(v any, path string) any {
	for name := range strings.SplitSeq(path, ".") {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

// view answers for the queue, the executors and all jobs.
func (j *Jenkins) view(w http.ResponseWriter, r *http.Request) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.admit(w, r) {
		return
	}
	items, executors, root := []object{}, []object{}, object{}
	for _, p := range j.runs {
		actions := []object{{"causes": []object{{"_class": p.cause, "shortDescription": "Generic Cause"}}}, {}}
		if p.given != nil {
			actions = append(actions, object{"parameters": []object{p.given}})
		}
		build := object{"url": j.Root + jobPath(p.name) + "/" + itoa(j.number(p)) + "/", "queueId": p.id, "actions": actions}
		switch m := p.at(j.clock.Now()); {
		case p.deleted || p.plan.Cancelled && !m.queued:
		case m.queued:
			items = append(items, object{"id": p.id, "url": "queue/item/" + itoa(p.id) + "/", "task": object{"fullName": p.name}, "actions": actions})
		default:
			if !m.over {
				executors = append(executors, object{"currentExecutable": build})
			}
			addBuild(root, strings.Split(p.name, "/"), build)
		}
	}
	switch r.URL.Path {
	case "/queue/api/json":
		writeJSON(w, http.StatusOK, object{"items": items})
	case "/computer/api/json":
		idle := object{"currentExecutable": nil}
		writeJSON(w, http.StatusOK, object{"computer": []object{{"executors": []object{idle}, "oneOffExecutors": executors}}})
	default:
		writeJSON(w, http.StatusOK, root)
	}
}

// addBuild puts the latest build of a job first, in its folder.
func addBuild(folder object, path []string, build object) {
	if len(path) == 0 {
		builds, _ := folder["builds"].([]object)
		folder["builds"] = append([]object{build}, builds[:min(len(builds), 2)]...)
		return
	}
	jobs, _ := folder["jobs"].([]object)
	for _, job := range jobs {
		if job["name"] == path[0] {
			addBuild(job, path[1:], build)
			return
		}
	}
	job := object{"name": path[0]}
	folder["jobs"] = append(jobs, job)
	addBuild(job, path[1:], build)
}
