package cistand

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Jenkins is a stand-in for a Jenkins with the plugin Generic Webhook Trigger.
// Set the fields before the first request.
type Jenkins struct {
	server
	User, Token string // Basic; anything else is refused
	Root        string // the URL that Jenkins is configured with: http://host/prefix
	OldPlugin   bool   // answers data.triggerResults
	DryRun      bool   // the jobs are triggered in a dry run
	NoStages    bool   // the plugin for stages is not there
	NoRead      bool   // the user lacks Job/Read: 403
	NoDiscover  bool   // the user lacks Job/Discover: 404

	jobs []JenkinsJob
	cut  time.Time // when the queue was lost by a restart
}

// JenkinsJob is one job that a trigger starts.
type JenkinsJob struct {
	Name   string // with folders: team/deploy
	Token  string // of the trigger
	Plan   Plan
	Filter string // an expression that the event does not match: not triggered
	Text   string // what the filter saw
	Throws string // the trigger ends in an exception
	Silent bool   // not listed in the answer
	// Run is where in the body, with dots, the job's parameter port_run is found.
	// Empty: the job has no parameters.
	Run string
}

// keptItem is how long an item stays after it has left the queue.
const keptItem = 5 * time.Minute

// NewJenkins returns a Jenkins with these jobs.
func NewJenkins(clock *Clock, jobs ...JenkinsJob) *Jenkins {
	j := &Jenkins{server: newServer(clock), jobs: jobs, User: "port", Token: "jenkins-token"}
	j.mux.HandleFunc("/generic-webhook-trigger/invoke", j.trigger)
	j.mux.HandleFunc("GET /queue/item/{id}/api/json", j.item)
	j.mux.HandleFunc("GET /job/", j.job)
	j.mux.HandleFunc("GET /queue/api/json", j.view)
	j.mux.HandleFunc("GET /computer/api/json", j.view)
	j.mux.HandleFunc("GET /api/json", j.view)
	return j
}

// Restart loses the items that have left the queue.
func (j *Jenkins) Restart() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.cut = j.clock.Now()
}

func (j *Jenkins) trigger(w http.ResponseWriter, r *http.Request) {
	j.mu.Lock()
	defer j.mu.Unlock()
	token := r.URL.Query().Get("token") + r.Header.Get("Token")
	var body any
	_ = json.NewDecoder(r.Body).Decode(&body) // a body that is not JSON has no values
	results, found, silent := object{}, 0, 0
	status := http.StatusOK
	for _, job := range j.jobs {
		if job.Token != token {
			continue
		}
		found++
		switch {
		case job.Throws != "":
			status = http.StatusInternalServerError
			results[job.Name] = "Exception occurred (" + job.Throws + "), full stack trace in Jenkins server log."
		case job.Filter != "":
			results[job.Name] = object{"triggered": false, "id": 0, "url": nil, "regexpFilterText": job.Text, "regexpFilterExpression": job.Filter}
		case j.DryRun:
			results[job.Name] = object{"triggered": true, "id": 0, "url": ""}
		default:
			p := j.start(job.Name, job.Plan)
			p.cause = "org.jenkinsci.plugins.gwt.GenericCause"
			if job.Run != "" {
				p.given = object{"name": "port_run", "value": lookup(body, job.Run)}
			}
			results[job.Name] = object{"triggered": true, "id": p.id, "url": "queue/item/" + itoa(p.id) + "/", "regexpFilterText": "", "regexpFilterExpression": ""}
		}
		if job.Silent {
			silent++
			delete(results, job.Name)
		}
	}
	switch {
	case found == 0:
		writeJSON(w, http.StatusNotFound, object{"jobs": nil, "message": "Did not find any jobs with GenericTrigger configured!"})
	case found == silent:
		w.WriteHeader(http.StatusOK)
	case j.OldPlugin:
		writeJSON(w, status, object{"status": "ok", "data": object{"triggerResults": results}})
	default:
		writeJSON(w, status, object{"jobs": results, "message": "Triggered jobs."})
	}
}

// admit refuses what a reader may not do.
func (j *Jenkins) admit(w http.ResponseWriter, r *http.Request) bool {
	user, token, _ := r.BasicAuth()
	switch {
	case user != j.User || token != j.Token:
		writePage(w, http.StatusUnauthorized)
	case j.NoRead:
		writePage(w, http.StatusForbidden)
	case j.NoDiscover:
		writePage(w, http.StatusNotFound)
	default:
		return true
	}
	return false
}

func (j *Jenkins) item(w http.ResponseWriter, r *http.Request) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.admit(w, r) {
		return
	}
	p := j.find(r.PathValue("id"))
	if p == nil {
		writePage(w, http.StatusNotFound)
		return
	}
	now := j.clock.Now()
	m, left := p.at(now), p.began.Add(p.plan.Queued)
	if !m.queued && (now.Sub(left) > keptItem || j.cut.After(left)) {
		writePage(w, http.StatusNotFound)
		return
	}
	item := object{"task": object{"url": j.Root + jobPath(p.name) + "/"}, "why": nil}
	switch {
	case m.queued:
		item["why"] = p.plan.Why
	case p.plan.Cancelled:
		item["cancelled"] = true
	default:
		item["executable"] = object{"number": j.number(p), "url": j.Root + jobPath(p.name) + "/" + itoa(j.number(p)) + "/"}
	}
	writeJSON(w, http.StatusOK, item)
}

// number counts the builds of a job; the first one is 42.
func (j *Jenkins) number(p *pipeline) int {
	n := 41
	for _, other := range j.runs[:p.id] {
		if other.name == p.name {
			n++
		}
	}
	return n
}

var jobURL = regexp.MustCompile(`^((?:/job/[^/]+)+?)(?:/([0-9]+))?/(api/json|wfapi/describe)$`)

func (j *Jenkins) job(w http.ResponseWriter, r *http.Request) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.admit(w, r) {
		return
	}
	m := jobURL.FindStringSubmatch(r.URL.EscapedPath())
	if m == nil {
		writePage(w, http.StatusNotFound)
		return
	}
	builds := []object{}
	for _, p := range j.runs {
		if jobPath(p.name) != m[1] || p.deleted || p.at(j.clock.Now()).queued || p.plan.Cancelled {
			continue
		}
		switch {
		case m[2] == "":
			builds = append(builds, object{"number": j.number(p), "queueId": p.id, "url": j.Root + m[1] + "/" + itoa(j.number(p)) + "/"})
		case m[2] == itoa(j.number(p)) && m[3] == "api/json":
			writeJSON(w, http.StatusOK, j.build(p))
			return
		case m[2] == itoa(j.number(p)) && !j.NoStages:
			writeJSON(w, http.StatusOK, object{"stages": j.stages(p)})
			return
		}
	}
	if m[2] != "" {
		writePage(w, http.StatusNotFound)
		return
	}
	writeJSON(w, http.StatusOK, object{"builds": builds})
}

func (j *Jenkins) build(p *pipeline) object {
	m := p.at(j.clock.Now())
	b := object{
		"building": !m.over, "result": nil, "number": j.number(p), "queueId": p.id, "duration": 0,
		"fullDisplayName": strings.ReplaceAll(p.name, "/", " » ") + " #" + itoa(j.number(p)), "url": j.Root + jobPath(p.name) + "/" + itoa(j.number(p)) + "/",
	}
	if m.over {
		b["result"], b["duration"] = m.word("SUCCESS", "FAILURE"), m.took.Milliseconds()
	}
	return b
}

func (j *Jenkins) stages(p *pipeline) []object {
	words := map[string]string{"done": "SUCCESS", "failed": "FAILED", "running": "IN_PROGRESS", "waiting": "PAUSED_PENDING_INPUT", "stopped": "ABORTED"}
	list := []object{}
	for _, s := range p.at(j.clock.Now()).stages {
		stage := object{"name": s.Name, "status": words[s.state], "durationMillis": s.took.Milliseconds()}
		if s.state == "failed" {
			stage["error"] = object{"message": s.Error, "type": "hudson.AbortException"}
		}
		list = append(list, stage)
	}
	return list
}

func jobPath(name string) (path string) {
	for part := range strings.SplitSeq(name, "/") {
		path += "/job/" + url.PathEscape(part)
	}
	return path
}

func itoa(n int) string { return strconv.Itoa(n) }
