package tests

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// portAPI stands in for the part of Port's API that a polling agent uses. It
// has one run to give.
type portAPI struct {
	*httptest.Server
	ended chan map[string]any // what the run is set to
	texts chan string         // everything else that the agent tells of it
}

func newPortAPI(t *testing.T, backend string) *portAPI {
	t.Helper()
	p := &portAPI{ended: make(chan map[string]any, 10), texts: make(chan string, 100)}
	runs := make(chan any, 1)
	runs <- map[string]any{
		"id": "r_1",
		"payload": map[string]any{
			"type": "WEBHOOK", "agent": true, "synchronized": true, "method": "POST", "url": backend + "/unmapped",
			"body": map[string]any{"action": "deploy", "payload": map[string]any{"properties": map[string]any{"service": "checkout"}}},
		},
	}
	answer := func(value any) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, value) }
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/auth/access_token", func(w http.ResponseWriter, r *http.Request) {
		var got struct{ ClientID, ClientSecret string }
		if json.NewDecoder(r.Body).Decode(&got) != nil || got.ClientID != "id" || got.ClientSecret != "canary-secret" {
			http.Error(w, `{"ok":false}`, http.StatusUnauthorized)
			return
		}
		writeJSON(w, map[string]any{"ok": true, "accessToken": "canary-token", "expiresIn": 10800, "tokenType": "Bearer"})
	})
	mux.HandleFunc("PATCH /v1/organization", answer(map[string]any{"ok": true}))
	mux.HandleFunc("POST /v1/actions/runs/claim-pending", func(w http.ResponseWriter, _ *http.Request) {
		claimed := []any{}
		select {
		case run := <-runs:
			claimed = append(claimed, run)
		default:
		}
		writeJSON(w, map[string]any{"ok": true, "runs": claimed})
	})
	mux.HandleFunc("GET /v1/actions/runs", answer(map[string]any{"ok": true, "runs": []any{}}))
	mux.HandleFunc("PATCH /v1/actions/runs/ack", answer(map[string]any{"ok": true, "ackedCount": 1}))
	mux.HandleFunc("POST /v1/workflows/runs/claim-pending", answer(map[string]any{"ok": true, "nodeRuns": []any{}}))
	mux.HandleFunc("PATCH /v1/actions/runs/{id}", func(w http.ResponseWriter, r *http.Request) {
		var got map[string]any
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Errorf("report is no JSON: %v", err)
		}
		p.ended <- got
		writeJSON(w, map[string]any{"ok": true})
	})
	tell := func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		p.texts <- string(text)
		w.WriteHeader(http.StatusCreated)
		writeJSON(w, map[string]any{"ok": true})
	}
	mux.HandleFunc("POST /v1/actions/runs/{id}/logs", func(w http.ResponseWriter, r *http.Request) {
		var got map[string]any
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Errorf("log line is no JSON: %v", err)
		}
		text, _ := json.Marshal(got)
		p.texts <- string(text)
		if status, ok := got["terminationStatus"]; ok {
			p.ended <- map[string]any{"status": status}
		}
		w.WriteHeader(http.StatusCreated)
		writeJSON(w, map[string]any{"ok": true})
	})
	mux.HandleFunc("PATCH /v1/actions/runs/{id}/response", tell)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("the agent called %s %s, which the stand-in does not know", r.Method, r.URL.Path)
		http.NotFound(w, r)
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func writeJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value)
}
