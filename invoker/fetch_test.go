package invoker

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"port-agent/invoker/wire/wiretest"
)

// A call with credentials stays at its origin; one without follows a GET.
func TestFetchRedirects(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, method, header string
		elsewhere            bool
		refused              bool
	}{
		{"same origin", "GET", "Authorization", false, false},
		{"Authorization elsewhere", "GET", "Authorization", true, true},
		{"PRIVATE-TOKEN elsewhere", "GET", "PRIVATE-TOKEN", true, true},
		{"Cookie elsewhere", "GET", "Cookie", true, true},
		{"no credential elsewhere", "GET", "Accept", true, false},
		{"a POST elsewhere", "POST", "Accept", true, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			end := wiretest.New(t, nil)
			var first *wiretest.StandIn
			first = wiretest.New(t, func(w http.ResponseWriter, r *http.Request) {
				to := first.URL
				if tc.elsewhere {
					to = end.URL
				}
				if r.URL.Path == "/begin" {
					http.Redirect(w, r, to+"/end", http.StatusFound)
				}
			})
			i := newInvoker(t, testConfig(), testDeps())
			res, err := i.Fetch(t.Context(), FetchRequest{Method: tc.method, URL: first.URL + "/begin", Header: http.Header{tc.header: {"rule-canary"}}})
			if refused := err != nil; refused != tc.refused || res == nil {
				t.Fatalf("got %v, %v, want refused %t", res, err, tc.refused)
			}
			if tc.refused && (!strings.Contains(err.Error(), "was redirected to "+end.URL+"/end") || len(end.Exchanges()) != 0) {
				t.Errorf("got %v and %d requests", err, len(end.Exchanges()))
			}
			if tc.header != "Accept" {
				checkSecrets(t, "the other origin", fmt.Sprint(end.Exchanges()))
			}
			if !tc.refused && res.StatusCode != http.StatusOK {
				t.Errorf("got %d", res.StatusCode)
			}
		})
	}
}

// Fetch leaves statuses to its caller.
func TestFetchStatus(t *testing.T) {
	t.Parallel()
	s := wiretest.New(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	i := newInvoker(t, testConfig(), testDeps())
	res, err := i.Fetch(t.Context(), FetchRequest{URL: s.URL + "/job/1"})
	if err != nil || res.StatusCode != http.StatusNotFound {
		t.Errorf("got %v, %v", res, err)
	}
	if got := s.Only(t); got.Method != "GET" || got.Header.Get("User-Agent") != testUserAgent || got.Header.Get(headerSignature) != "" {
		t.Errorf("got %+v", got)
	}
	if _, err := i.Fetch(t.Context(), FetchRequest{URL: "http://169.254.169.254/"}); err == nil || !strings.Contains(err.Error(), "egress") {
		t.Errorf("got %v", err)
	}
}
