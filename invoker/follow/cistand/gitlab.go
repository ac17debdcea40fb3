package cistand

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
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
	// NoVariables is set where the token is of a member who may not read the
	// variables of pipelines.
	NoVariables bool
	// Bodies are those of the triggers so far.
	Bodies []map[string]any
}

// NewGitLab returns a GitLab whose pipelines follow a plan.
func NewGitLab(clock *Clock, plan Plan) *GitLab {
	g := &GitLab{server: newServer(clock), Project: "acme/shop", Trigger: "trigger-token", Token: "gitlab-token", Plan: plan, Root: "https://gitlab.test"}
	g.mux.HandleFunc("POST /api/v4/projects/{project}/trigger/pipeline", g.trigger)
	g.mux.HandleFunc("GET /api/v4/projects/{project}/pipelines", g.list)
	g.mux.HandleFunc("GET /api/v4/projects/12/pipelines/{id}", g.read)
	g.mux.HandleFunc("GET /api/v4/projects/12/pipelines/{id}/jobs", g.read)
	g.mux.HandleFunc("GET /api/v4/projects/12/pipelines/{id}/variables", g.read)
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
	p := g.start(g.Project, g.Plan)
	p.given = maps.Clone(body)
	delete(p.given, "token")
	writeJSON(w, http.StatusCreated, g.pipeline(p))
}

// list answers with a page of the triggered pipelines, the latest first.
func (g *GitLab) list(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	project, _ := url.PathUnescape(r.PathValue("project"))
	if r.Header.Get("Private-Token") != g.Token || project != g.Project {
		writeJSON(w, http.StatusNotFound, object{"message": "404 Project Not Found"})
		return
	}
	query := r.URL.Query()
	page, _ := strconv.Atoi(query.Get("page"))
	size, _ := strconv.Atoi(query.Get("per_page"))
	list := []object{}
	for n, p := range g.since(query.Get("updated_after")) {
		if n/max(size, 1) == page-1 {
			list = append(list, g.pipeline(p))
		}
	}
	writeJSON(w, http.StatusOK, list)
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
	case strings.HasSuffix(r.URL.Path, "/variables") && g.NoVariables:
		writeJSON(w, http.StatusForbidden, object{"message": "403 Forbidden"})
	case strings.HasSuffix(r.URL.Path, "/variables"):
		writeJSON(w, http.StatusOK, variables(p))
	case escapedPath(r) == "/api/v4/projects/12/pipelines/"+itoa(p.id):
		writeJSON(w, http.StatusOK, g.pipeline(p))
	default:
		writeJSON(w, http.StatusOK, g.jobs(p, r.URL.Query().Get("scope[]")))
	}
}

// variables are those that the trigger gave, and its body.
func variables(p *pipeline) []object {
	body, _ := json.Marshal(p.given)
	list := []object{{"variable_type": "file", "key": "TRIGGER_PAYLOAD", "value": string(body)}}
	given, _ := p.given["variables"].(map[string]any)
	for key, value := range given {
		list = append(list, object{"variable_type": "env_var", "key": key, "value": value})
	}
	return list
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
	for _, s := range slices.Backward(p.at(g.clock.Now()).stages) { // the latest first
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
