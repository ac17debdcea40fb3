// Package playground is a local page on which mappings are written and tried as
// they are typed. It evaluates with the agent's own code, by way of package
// explanation, sends nothing to backends or Port, and listens on loopback
// addresses only. The agent that runs in a cluster serves none of it.
package playground

import (
	"bytes"
	"context"
	"crypto/rand"
	"embed"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"strings"
)

//go:embed assets
var assets embed.FS

// Server serves one playground. Its handlers may run at the same time;
// evaluations wait for each other.
type Server struct {
	files Files
	guard *guard
	busy  chan struct{} // holds a token while an evaluation or a save is under way
}

// New makes a server for connections to addr, which must be a loopback address.
// files are the files to start with and to write.
func New(addr net.Addr, files Files) (*Server, error) {
	g, err := newGuard(addr)
	if err != nil {
		return nil, err
	}
	return &Server{files, g, make(chan struct{}, 1)}, nil
}

// Path is the path and query of the first page. It holds the token that grants
// access.
func (s *Server) Path() string { return "/?token=" + s.guard.token }

// Handler returns the routes.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page)
	for _, name := range []string{"app.js", "app.css", "licences.txt", "icon.svg"} {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) {
			http.ServeFileFS(w, r, assets, "assets/"+name)
		})
	}
	mux.HandleFunc("GET /api/start", answer(s.start))
	mux.HandleFunc("GET /api/examples/{name}", answer(s.example))
	mux.HandleFunc("GET /api/events/{id}", answer(s.event))
	mux.HandleFunc("POST /api/explain", answer(inTurn(s, explain)))
	mux.HandleFunc("POST /api/save", answer(inTurn(s, s.save)))
	mux.HandleFunc("POST /api/case", answer(inTurn(s, s.saveCase)))
	return s.guard.wrap(mux)
}

// page serves the document. Its script and the styles that the editor makes
// carry a nonce; no other script runs. Style attributes are allowed: browsers
// write some themselves where a styled text is typed over. Images in the style
// sheet of the editor are data.
func (s *Server) page(w http.ResponseWriter, _ *http.Request) {
	nonce := rand.Text()
	w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'nonce-"+nonce+"'; style-src 'self' 'nonce-"+nonce+
		"'; style-src-attr 'unsafe-inline'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	text, _ := assets.ReadFile("assets/index.html")
	// Package html/template would make the agent's binary a sixth larger.
	_, _ = w.Write(bytes.ReplaceAll(text, []byte("{{nonce}}"), []byte(nonce)))
}

// fault is an error with a status.
type fault struct {
	status int
	body   any // sent as it is; otherwise the text
	text   string
}

func (f *fault) Error() string { return f.text }

// answer makes a handler of a function that gives what is sent as JSON.
func answer(f func(r *http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := f(r)
		status := http.StatusOK
		if bad, ok := errors.AsType[*fault](err); ok {
			status, v = bad.status, bad.body
		} else if err != nil {
			status, v = statusOf(err), nil
		}
		if v == nil {
			v = map[string]string{"error": err.Error()}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		_ = enc.Encode(v) // the page has gone
	}
}

func statusOf(err error) int {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return http.StatusRequestEntityTooLarge
	}
	if errors.Is(err, fs.ErrNotExist) {
		return http.StatusNotFound
	}
	return http.StatusBadRequest
}

// inTurn decodes the body of a request for f, and runs one f at a time, as the
// agent does with heavy evaluations. A request that the page aborts while it waits
// does not run.
func inTurn[In, Out any](s *Server, f func(context.Context, In) (Out, error)) func(*http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		var in In
		dec := json.NewDecoder(r.Body)
		dec.DisallowUnknownFields()
		if err := dec.Decode(&in); err != nil {
			return nil, err
		}
		select {
		case s.busy <- struct{}{}:
			defer func() { <-s.busy }()
			return f(r.Context(), in)
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
}

// title is the heading of a Markdown text.
func title(markdown []byte) string {
	line, _, _ := strings.Cut(string(markdown), "\n")
	return strings.TrimSpace(strings.TrimLeft(line, "# "))
}
