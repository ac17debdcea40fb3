package cistand

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// AzureDevOps is a stand-in for an Azure DevOps with the organisation acme and
// the project "Web Shop".
type AzureDevOps struct {
	server
	PAT      string
	Plan     Plan // of each build
	Redirect bool // a PAT that is not valid is sent to a login page: 302 instead of 203
	// Latest is the version of the API that the server has, such as 7.0; it refuses
	// newer ones. Empty: there are none.
	Latest string
	// BuildNumber is the number of the next builds, as the pipeline's name
	// makes it.
	BuildNumber string
	// Bodies are those of the triggers so far.
	Bodies []map[string]any
}

// NewAzureDevOps returns an Azure DevOps whose builds follow a plan.
func NewAzureDevOps(clock *Clock, plan Plan) *AzureDevOps {
	a := &AzureDevOps{server: newServer(clock), PAT: "azure-pat", Plan: plan, BuildNumber: "20260102.3"}
	const project = "/acme/{project}/_apis"
	a.mux.HandleFunc("POST "+project+"/pipelines/7/runs", a.guard(a.trigger))
	a.mux.HandleFunc("GET "+project+"/build/builds", a.guard(a.list))
	a.mux.HandleFunc("GET "+project+"/build/builds/{id}", a.guard(a.build))
	a.mux.HandleFunc("GET "+project+"/build/builds/{id}/timeline", a.guard(a.timeline))
	a.mux.HandleFunc("POST /acme/_apis/public/distributedtask/webhooks/{hook}", a.webhook)
	a.mux.HandleFunc("GET /_signin", func(w http.ResponseWriter, _ *http.Request) { writePage(w, http.StatusOK) })
	return a
}

// guard refuses another PAT in the ways of Azure DevOps: with a page.
func (a *AzureDevOps) guard(f func(*http.Request) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		defer a.mu.Unlock()
		user, pat, _ := r.BasicAuth()
		version, _, _ := strings.Cut(r.URL.Query().Get("api-version"), "-")
		switch {
		case a.Latest != "" && version > a.Latest:
			writeJSON(w, http.StatusBadRequest, object{"message": "The requested REST API version of " + version + " is out of range for this server."})
		case user == "" && pat == a.PAT && r.PathValue("project") == "Web Shop":
			if v := f(r); v != nil {
				writeJSON(w, http.StatusOK, v)
				return
			}
			writeJSON(w, http.StatusNotFound, object{"message": "The requested build could not be found.", "typeKey": "BuildNotFoundException"})
		case a.Redirect:
			w.Header().Set("Location", "/_signin?realm=x")
			writePage(w, http.StatusFound)
		default:
			writePage(w, http.StatusNonAuthoritativeInfo)
		}
	}
}

func (a *AzureDevOps) note(r *http.Request) *pipeline {
	var body map[string]any
	_ = json.NewDecoder(r.Body).Decode(&body) // a body that is not JSON is noted as nil
	a.Bodies = append(a.Bodies, body)
	p := a.start("Deploy shop", a.Plan)
	p.label, p.given = a.BuildNumber, body
	return p
}

func (a *AzureDevOps) webhook(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !strings.HasPrefix(r.Header.Get("X-Port-Signature"), "sha1=") {
		writeJSON(w, http.StatusBadRequest, object{"message": "The computed checksum does not match."})
		return
	}
	a.note(r)
	w.WriteHeader(http.StatusOK)
}

func (a *AzureDevOps) trigger(r *http.Request) any {
	p := a.note(r)
	return object{"id": p.id, "name": p.label, "state": "inProgress", "_links": object{"web": object{"href": a.page(p)}}}
}

func (a *AzureDevOps) page(p *pipeline) string {
	return "https://azure.test/acme/Web%20Shop/_build/results?buildId=" + itoa(p.id)
}

func (a *AzureDevOps) list(r *http.Request) any {
	builds := []any{}
	query := r.URL.Query()
	for _, p := range a.since(query.Get("minTime")) {
		if query.Get("definitions") == "7" || p.label == query.Get("buildNumber") {
			builds = append(builds, a.value(p))
		}
	}
	return object{"count": len(builds), "value": builds}
}

func (a *AzureDevOps) build(r *http.Request) any {
	if p := a.find(r.PathValue("id")); p != nil {
		return a.value(p)
	}
	return nil
}

func (a *AzureDevOps) value(p *pipeline) any {
	m := p.at(a.clock.Now())
	b := object{
		"id": p.id, "buildNumber": p.label, "definition": object{"name": p.name}, "status": "inProgress",
		"_links": object{"web": object{"href": a.page(p)}}, "templateParameters": p.given["templateParameters"],
	}
	if variables, ok := p.given["variables"]; ok {
		text, _ := json.Marshal(variables)
		b["parameters"] = string(text)
	}
	if m.queued {
		b["status"] = "notStarted"
		return b
	}
	if len(m.stages) > 0 { // a build that was cancelled in the queue has never begun
		b["startTime"] = p.began.Add(p.plan.Queued).UTC()
	}
	if m.over {
		b["status"], b["result"] = "completed", m.word("succeeded", "failed")
		b["finishTime"] = p.began.Add(p.plan.Queued + m.took).UTC().Format(time.RFC3339Nano)
	}
	return b
}

func (a *AzureDevOps) timeline(r *http.Request) any {
	p := a.find(r.PathValue("id"))
	if p == nil {
		return nil
	}
	m := p.at(a.clock.Now())
	records := []object{}
	for n, s := range m.stages {
		stage, job := "stage-"+itoa(n), "job-"+itoa(n)
		state, result := "completed", "succeeded"
		switch s.state {
		case "running", "waiting":
			state, result = "inProgress", ""
		case "failed":
			result = "failed"
		case "stopped":
			result = "canceled"
		}
		task := object{"id": "task-" + itoa(n), "parentId": job, "type": "Task", "name": "Run " + s.Name, "state": state, "result": result}
		if s.state == "failed" {
			task["issues"] = []object{{"type": "error", "message": s.Error}}
			if m.end == "partiallySucceeded" {
				task["result"] = "succeededWithIssues"
			}
		}
		records = append(records,
			object{"id": stage, "type": "Stage", "name": s.Name, "state": state, "result": result},
			object{"id": job, "parentId": stage, "type": "Job", "name": "Job", "state": state, "result": result}, task)
		if s.state == "waiting" {
			records = append(records, object{"id": "check-" + itoa(n), "parentId": stage, "type": "Checkpoint.Approval", "name": "Checkpoint.Approval", "state": "inProgress"})
		}
	}
	return object{"records": records}
}
