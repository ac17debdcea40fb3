package porttest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// Names of the routes that tests ask about most.
const (
	RouteToken      = "POST /v1/auth/access_token"
	RouteKafka      = "GET /v1/kafka-credentials"
	RouteRuns       = "GET /v1/actions/runs"
	RouteRun        = "GET /v1/actions/runs/{id}"
	RouteStatus     = "PATCH /v1/actions/runs/{id}"
	RouteResponse   = "PATCH /v1/actions/runs/{id}/response"
	RouteLog        = "POST /v1/actions/runs/{id}/logs"
	RouteLogs       = "GET /v1/actions/runs/{id}/logs"
	RouteClaim      = "POST /v1/actions/runs/claim-pending"
	RouteAck        = "PATCH /v1/actions/runs/ack"
	RouteNode       = "GET /v1/workflows/nodes/runs/{id}"
	RouteNodeStatus = "PATCH /v1/workflows/nodes/runs/{id}"
	RouteNodeLog    = "POST /v1/workflows/nodes/runs/{id}/logs"
	RouteNodeLogs   = "GET /v1/workflows/nodes/runs/{id}/logs"
	RouteNodeClaim  = "POST /v1/workflows/runs/claim-pending"
	RouteNodeAck    = "PATCH /v1/workflows/runs/ack"

	routeOrganization = "GET /v1/organization"
	routeStreamer     = "PATCH /v1/organization"
)

// answer is what a handler says; the zero status is 200.
type answer struct {
	status int
	body   any    // encoded as JSON
	fault  string // of the call's form
}

func refuse(status int, code, message string) answer {
	return answer{status: status, body: map[string]any{"ok": false, "error": code, "message": message}}
}

// invalid refuses a call that no run and no time would make right.
func invalid(message string) answer {
	a := refuse(http.StatusUnprocessableEntity, "invalid_request", message)
	a.fault = message
	return a
}

// decode reads a call's body, which holds what ask has a place for and nothing
// else.
func decode(body []byte, ask any) *answer {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	err := dec.Decode(ask)
	if err == nil && dec.More() {
		err = errors.New("more than one value")
	}
	if err == nil && !utf8.Valid(body) {
		err = errors.New("not utf-8")
	}
	if err != nil {
		a := invalid(err.Error())
		return &a
	}
	return nil
}

// handler does the work of a call while the state is locked.
type handler func(r *http.Request, body []byte) answer

func (s *Server) routes() {
	for route, h := range map[string]handler{
		RouteToken:        s.token,
		RouteKafka:        s.kafka,
		routeOrganization: s.organization,
		routeStreamer:     s.setStreamer,
		RouteClaim:        s.claimRuns,
		RouteAck:          s.ackRuns,
		RouteNodeClaim:    s.claimNodeRuns,
		RouteNodeAck:      s.ackNodeRun,
		RouteRuns:         s.listRuns,
		RouteRun:          s.ofRun(getRun),
		RouteLogs:         s.ofRun(getLogs),
		RouteStatus:       s.ofRun(patchRun),
		RouteResponse:     s.ofRun(patchResponse),
		RouteLog:          s.ofRun(s.postLog),
		RouteNode:         s.ofRun(getRun),
		RouteNodeLogs:     s.ofRun(getLogs),
		RouteNodeStatus:   s.ofRun(patchNode),
		RouteNodeLog:      s.ofRun(s.postNodeLogs),
	} {
		s.mux.HandleFunc(route, s.serve(route, h))
	}
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		answerJSON(w, refuse(http.StatusNotFound, "not_found", r.Method+" "+r.URL.Path+" is no route"))
	})
}

// serve wraps a handler in what all calls share: counting, faults, the rate
// limit, the token.
func (s *Server) serve(route string, h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, 16<<20))
		if err != nil {
			return // the caller is gone
		}
		s.mu.Lock()
		s.counts[route]++
		f, delay := s.fault(route, body), s.delay
		s.mu.Unlock()
		if f != nil {
			delay += f.Delay
		}
		s.pause(r, delay)
		if f != nil && f.spoils() {
			s.note(r, route, body, f.status())
			s.spoil(w, r, f)
			return
		}
		res := s.handle(w.Header(), route, r, body, h)
		if res.fault != "" && s.cfg.Errorf != nil {
			s.cfg.Errorf("port refuses %s %s: %s", r.Method, r.URL.Path, res.fault)
		}
		if f != nil && f.LoseAnswer {
			panic(http.ErrAbortHandler)
		}
		answerJSON(w, res)
	}
}

func (s *Server) handle(head http.Header, route string, r *http.Request, body []byte, h handler) (res answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.record(r, route, body, cmp.Or(res.status, http.StatusOK)) }()
	limit, used := s.cfg.RateLimit, &s.window
	if route == RouteToken {
		limit, used = s.cfg.TokenLimit, &s.asked
	}
	if limit > 0 && !used.take(head, limit, s.cfg.RateWindow, s.cfg.ResetSeconds) {
		return refuse(http.StatusTooManyRequests, "rate_limited", "too many requests")
	}
	if route != RouteToken {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if expires, ok := s.tokens[token]; !ok || time.Now().After(expires) {
			return refuse(http.StatusUnauthorized, "unauthorized", "the token is missing, unknown or expired")
		}
	}
	if len(body) > 1<<20 {
		a := refuse(http.StatusRequestEntityTooLarge, "body_too_large", "request body is too large (limit is 1MiB)")
		a.fault = strconv.Itoa(len(body)) + " bytes"
		return a
	}
	return h(r, body)
}

// note records a spoiled call.
func (s *Server) note(r *http.Request, route string, body []byte, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record(r, route, body, status)
}

// record keeps a call with its run. The caller holds the lock.
func (s *Server) record(r *http.Request, route string, body []byte, status int) {
	run, ok := s.runs[r.PathValue("id")]
	if !ok {
		return
	}
	run.Calls++
	if len(body) == 0 {
		body = nil // as JSON it is null
	}
	if !s.cfg.NoHistory {
		run.History = append(run.History, Call{Route: route, Body: bytes.Clone(body), At: time.Now(), Status: status})
	}
	s.touch()
}

func (s *Server) token(_ *http.Request, body []byte) answer {
	var ask struct {
		ID     string `json:"clientId"`
		Secret string `json:"clientSecret"`
	}
	if a := decode(body, &ask); a != nil {
		return *a
	}
	if ask.ID != s.cfg.ClientID || ask.Secret != s.cfg.ClientSecret {
		return refuse(http.StatusUnauthorized, "invalid_credentials", "wrong client id or secret")
	}
	value := newToken()
	s.tokens[value] = time.Now().Add(s.cfg.TokenLife)
	return answer{body: map[string]any{"ok": true, "accessToken": value, "tokenType": "Bearer", "expiresIn": s.cfg.TokenLife.Seconds()}}
}

func (s *Server) kafka(*http.Request, []byte) answer {
	return answer{body: map[string]any{"ok": true, "credentials": s.cfg.Kafka}}
}

func (s *Server) organization(*http.Request, []byte) answer {
	return answer{body: map[string]any{"ok": true, "organization": map[string]any{"id": s.cfg.OrgID}}}
}

func (s *Server) setStreamer(_ *http.Request, body []byte) answer {
	var ask struct {
		Settings struct {
			Name string `json:"portAgentStreamerName"`
		} `json:"settings"`
	}
	if a := decode(body, &ask); a != nil {
		return *a
	}
	if ask.Settings.Name != "KAFKA" && ask.Settings.Name != "POLLING" {
		return invalid("portAgentStreamerName must be KAFKA or POLLING")
	}
	s.streamer = ask.Settings.Name
	return answer{}
}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func answerJSON(w http.ResponseWriter, a answer) {
	a.status = cmp.Or(a.status, http.StatusOK)
	if a.body == nil {
		answerText(w, a.status, `{"ok":true}`)
		return
	}
	b := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(b)
	b.Reset()
	if err := json.NewEncoder(b).Encode(a.body); err != nil {
		answerText(w, http.StatusInternalServerError, `{"ok":false,"error":"internal_error"}`)
		return
	}
	answerText(w, a.status, b.String())
}

func answerText(w http.ResponseWriter, status int, body string) {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}
