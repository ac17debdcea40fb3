package cistand

import (
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

// GitLab is a stand-in for a GitLab with one project, whose id is 12.
type GitLab struct {
	server
	Project string // group/project
	Trigger string // the trigger token
	Token   string // the token with read_api; a project is not found with any other
	Plan    Plan   // of each pipeline
	Root    string // the URL that people see
	// Bodies are those of the triggers so far.
	Bodies []map[string]any
}

// NewGitLab returns a GitLab whose pipelines follow a plan.
func NewGitLab(clock *Clock, plan Plan) *GitLab {
	g := &GitLab{server: newServer(clock), Project: "acme/shop", Trigger: "trigger-token", Token: "gitlab-token", Plan: plan, Root: "https://gitlab.test"}
	g.mux.HandleFunc("POST /api/v4/projects/{project}/trigger/pipeline", g.trigger)
	g.mux.HandleFunc("GET /api/v4/projects/12/pipelines/{id}", g.read)
	g.mux.HandleFunc("GET /api/v4/projects/12/pipelines/{id}/jobs", g.read)
	return g
}

func (g *GitLab) trigger(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var body map[string]any
	err := json.NewDecoder(r.Body).Decode(&body)
	g.Bodies = append(g.Bodies, body)
	if project, _ := url.PathUnescape(r.PathValue("project")); err != nil || project != g.Project || body["token"] != g.Trigger {
		writeJSON(w, http.StatusNotFound, object{"message": "404 Not Found"})
		return
	}
	writeJSON(w, http.StatusCreated, g.pipeline(g.start(g.Project, g.Plan)))
}

func (g *GitLab) read(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.find(r.PathValue("id"))
	switch {
	case r.Header.Get("Private-Token") == "":
		writeJSON(w, http.StatusUnauthorized, object{"message": "401 Unauthorized"})
	case p == nil || r.Header.Get("Private-Token") != g.Token:
		writeJSON(w, http.StatusNotFound, object{"message": "404 Project Not Found"})
	case escapedPath(r) == "/api/v4/projects/12/pipelines/"+itoa(p.id):
		writeJSON(w, http.StatusOK, g.pipeline(p))
	default:
		writeJSON(w, http.StatusOK, g.jobs(p, r.URL.Query().Get("scope[]")))
	}
}

func (g *GitLab) pipeline(p *pipeline) object {
	m := p.at(g.clock.Now())
	v := object{"id": p.id, "iid": p.id, "project_id": 12, "web_url": g.Root + "/" + g.Project + "/-/pipelines/" + itoa(p.id), "duration": nil}
	switch {
	case m.queued:
		v["status"] = "pending"
	case m.over:
		v["status"], v["duration"] = m.word("success", "failed"), int(m.took/time.Second)
	case m.waiting:
		v["status"] = "manual"
	default:
		v["status"] = "running"
	}
	return v
}

func (g *GitLab) jobs(p *pipeline, scope string) []object {
	list := []object{}
	for _, s := range p.at(g.clock.Now()).stages {
		job := object{"name": s.Name + "-job", "stage": s.Name, "status": s.state, "allow_failure": false}
		if s.state == "failed" {
			job["failure_reason"] = s.Error
		}
		if s.state == scope {
			list = append(list, job)
		}
	}
	return list
}
