package cistand

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// GitHub is a stand-in for the API of a GitHub with the repository acme/shop.
type GitHub struct {
	server
	Token string        // a token that may read and write Actions
	Plan  Plan          // of each run
	Old   bool          // knows no return_run_details, and names no run
	Limit int           // how many requests may be made; 0: any number. A 304 costs nothing
	Name  string        // display_title of the next runs; empty: that of the workflow
	Lag   time.Duration // how long a run is not listed

	// AppKey is the public key of an App with the id 4711 and the installation
	// 17, whose tokens live for an hour.
	AppKey *rsa.PublicKey
	// Minted is how many tokens the App has got.
	Minted int
	// Bodies are those of the dispatches so far.
	Bodies []map[string]any

	apps map[string]time.Time // tokens of the App
	used int
}

// NewGitHub returns a GitHub whose workflow runs follow a plan.
func NewGitHub(clock *Clock, plan Plan) *GitHub {
	g := &GitHub{server: newServer(clock), Token: "github-token", Plan: plan, apps: map[string]time.Time{}}
	const repo = "/repos/acme/shop"
	g.mux.HandleFunc("GET "+repo, g.guard(func(http.ResponseWriter, *http.Request) any { return object{"default_branch": "trunk"} }))
	g.mux.HandleFunc("POST "+repo+"/actions/workflows/{workflow}/dispatches", g.guard(g.dispatch))
	g.mux.HandleFunc("GET "+repo+"/actions/workflows/{workflow}/runs", g.guard(g.list))
	g.mux.HandleFunc("GET "+repo+"/actions/runs/{id}", g.guard(g.run))
	g.mux.HandleFunc("GET "+repo+"/actions/runs/{id}/jobs", g.guard(g.jobs))
	g.mux.HandleFunc("GET "+repo+"/installation", g.installation)
	g.mux.HandleFunc("POST /app/installations/17/access_tokens", g.mint)
	return g
}

// guard checks the token and the rate limit, and answers 304 where nothing has
// changed. What f returns is the answer, unless it is nil.
func (g *GitHub) guard(f func(http.ResponseWriter, *http.Request) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if until, app := g.apps[token]; token != g.Token && !(app && g.clock.Now().Before(until)) {
			writeJSON(w, http.StatusUnauthorized, object{"message": "Bad credentials"})
			return
		}
		if g.Limit > 0 && g.used >= g.Limit {
			w.Header()["X-RateLimit-Remaining"] = []string{"0"}
			w.Header()["X-RateLimit-Reset"] = []string{fmt.Sprint(g.clock.Now().Add(time.Minute).Unix())}
			writeJSON(w, http.StatusForbidden, object{"message": "API rate limit exceeded for installation ID 17."})
			return
		}
		v := f(w, r)
		if v == nil {
			return
		}
		text, _ := json.Marshal(v)
		etag := fmt.Sprintf(`"%x"`, sha256.Sum256(text))
		w.Header().Set("Etag", etag)
		if r.Method == http.MethodGet && r.Header.Get("If-None-Match") == etag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		g.used++
		writeJSON(w, http.StatusOK, v)
	}
}

func (g *GitHub) dispatch(w http.ResponseWriter, r *http.Request) any {
	var body map[string]any
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		writeJSON(w, http.StatusBadRequest, object{"message": "Problems parsing JSON"})
		return nil
	}
	_, details := body["return_run_details"]
	if g.Old && details {
		writeJSON(w, http.StatusUnprocessableEntity, object{"message": `Invalid request. "return_run_details" is not a permitted key.`})
		return nil
	}
	g.Bodies = append(g.Bodies, body)
	p := g.start("deploy", g.Plan)
	p.label = g.Name
	if body["return_run_details"] != true {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return object{"workflow_run_id": p.id, "run_url": "https://api.elsewhere.test/runs/" + itoa(p.id), "html_url": g.page(p)}
}

func (g *GitHub) page(p *pipeline) string {
	return "https://github.test/acme/shop/actions/runs/" + itoa(p.id)
}

func (g *GitHub) list(_ http.ResponseWriter, r *http.Request) any {
	runs := []object{}
	for _, p := range g.since(strings.TrimPrefix(r.URL.Query().Get("created"), ">=")) {
		if r.URL.Query().Get("event") == "workflow_dispatch" && g.clock.Now().Sub(p.began) >= g.Lag {
			runs = append(runs, g.value(p))
		}
	}
	return object{"total_count": len(runs), "workflow_runs": runs}
}

func (g *GitHub) run(w http.ResponseWriter, r *http.Request) any {
	p := g.find(r.PathValue("id"))
	if p == nil {
		writeJSON(w, http.StatusNotFound, object{"message": "Not Found"})
		return nil
	}
	return g.value(p)
}

func (g *GitHub) value(p *pipeline) object {
	m := p.at(g.clock.Now())
	v := object{
		"id": p.id, "name": "deploy", "display_title": p.label, "run_number": 16 + p.id, "html_url": g.page(p), "conclusion": nil,
		"run_started_at": p.began.Add(p.plan.Queued).UTC(), "updated_at": p.began.Add(p.plan.Queued + m.took).UTC(),
	}
	switch {
	case m.queued:
		v["status"] = "queued"
	case m.over:
		v["status"], v["conclusion"] = "completed", m.word("success", "failure")
	case m.waiting:
		v["status"] = "waiting"
	default:
		v["status"] = "in_progress"
	}
	return v
}

func (g *GitHub) jobs(w http.ResponseWriter, r *http.Request) any {
	p := g.find(r.PathValue("id"))
	if p == nil {
		writeJSON(w, http.StatusNotFound, object{"message": "Not Found"})
		return nil
	}
	list := []object{}
	for _, s := range p.at(g.clock.Now()).stages {
		job := object{"name": s.Name, "status": "completed", "conclusion": "success"}
		switch s.state {
		case "running":
			job["status"], job["conclusion"] = "in_progress", nil
		case "failed":
			job["conclusion"] = "failure"
			job["steps"] = []object{{"name": s.Error, "conclusion": "failure"}}
		}
		list = append(list, job)
	}
	return object{"jobs": list}
}

// installation and mint are for the App itself, which shows a JWT.
func (g *GitHub) installation(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.proven(w, r) {
		writeJSON(w, http.StatusOK, object{"id": 17})
	}
}

func (g *GitHub) mint(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.proven(w, r) {
		return
	}
	g.Minted++
	token, until := fmt.Sprintf("ghs_app_token_%d", g.Minted), g.clock.Now().Add(time.Hour)
	g.apps[token] = until
	writeJSON(w, http.StatusCreated, object{"token": token, "expires_at": until.UTC()})
}

func (g *GitHub) proven(w http.ResponseWriter, r *http.Request) bool {
	if refusal := checkJWT(g.AppKey, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), g.clock.Now()); refusal != "" {
		writeJSON(w, http.StatusUnauthorized, object{"message": refusal})
		return false
	}
	return true
}

// checkJWT checks what GitHub checks of an App's token, and returns the message of
// a refusal, empty where there is none.
func checkJWT(key *rsa.PublicKey, token string, now time.Time) (refusal string) {
	parts := strings.Split(token, ".")
	if key == nil || len(parts) != 3 {
		return "A JSON web token could not be decoded"
	}
	signature, _ := base64.RawURLEncoding.DecodeString(parts[2])
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature); err != nil {
		return "A JSON web token could not be verified"
	}
	text, _ := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Issuer string `json:"iss"`
		Issued int64  `json:"iat"`
		Expiry int64  `json:"exp"`
	}
	if err := json.Unmarshal(text, &claims); err != nil || claims.Issuer != "4711" {
		return "Integration not found"
	}
	if claims.Issued > now.Unix() || claims.Expiry <= now.Unix() || claims.Expiry > now.Add(10*time.Minute).Unix() {
		return "'Expiration time' claim ('exp') is too far in the future, or past"
	}
	return ""
}
