package wire

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"port-agent/invoker/wire/wiretest"
)

// newRedirecting redirects /STATUS to the URL in to, and answers the rest.
func newRedirecting(t *testing.T) *wiretest.StandIn {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/{status}", func(w http.ResponseWriter, r *http.Request) {
		var status int
		if _, err := fmt.Sscan(r.PathValue("status"), &status); err != nil {
			return
		}
		w.Header().Set("Location", r.URL.Query().Get("to"))
		w.WriteHeader(status)
	})
	return wiretest.New(t, mux.ServeHTTP)
}

func TestRedirect(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, method string
		status       int
		other        bool   // to another host
		want         string // the request at the end of it, or what the refusal says
	}{
		{"POST 307", "POST", 307, false, "POST /end body signed authorized"},
		{"POST 308", "POST", 308, false, "POST /end body signed authorized"},
		{"PUT 308", "PUT", 308, false, "PUT /end body signed authorized"},
		{"POST 301", "POST", 301, false, "!"},
		{"POST 302", "POST", 302, false, "!"},
		{"POST 303", "POST", 303, false, "!"},
		{"DELETE 302", "DELETE", 302, false, "!"},
		{"POST 307 elsewhere", "POST", 307, true, "!"},
		{"POST 302 elsewhere", "POST", 302, true, "!"},
		{"GET 302", "GET", 302, false, "GET /end signed authorized"},
		{"GET 307", "GET", 307, false, "GET /end body signed authorized"},
		{"GET 301 elsewhere", "GET", 301, true, "GET /end"},
		{"GET 308 elsewhere", "GET", 308, true, "GET /end"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			first := newRedirecting(t)
			last := first
			if tc.other {
				last = newRedirecting(t)
			}
			c := newClient(t, verified, nil)
			call := post(t, fmt.Sprintf("%s/%d?to=%s/end", first.URL, tc.status, last.URL))
			call.Method = tc.method
			for _, name := range []string{"Authorization", "Cookie", "X-Api-Key", "X-Port-Signature"} {
				call.Header[name] = []string{"rule-canary"}
			}
			res, err := do(t, c, call)
			if err != nil {
				t.Fatal(err)
			}
			if tc.want == "!" {
				want := fmt.Sprintf("was redirected to %s/end, which is followed only for GET; call that URL directly", last.URL)
				if res.Refusal != want || res.StatusCode != tc.status || call.Refusal(res) != want {
					t.Fatalf("got %+v, want %s", res, want)
				}
				return
			}
			if res.Refusal != "" {
				t.Errorf("got the refusal %s", res.Refusal)
			}
			seen := last.Exchanges()
			end := seen[len(seen)-1]
			got := end.Method + " " + end.URI
			if len(end.Body) > 0 {
				got += " body"
			}
			if end.Header.Get("X-Port-Signature") != "" {
				got += " signed"
			}
			if end.Header.Get("Authorization") != "" {
				got += " authorized"
			}
			if got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
			if tc.other {
				checkSecrets(t, "redirected request", fmt.Sprint(end.Header, string(end.Body)))
			}
		})
	}
}

func TestRedirectRefused(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, to, want string }{
		{"a loop", "/302?to=/302", "was redirected 11 times, the last time to URL/302"},
		{"a file", "file:///etc/passwd", "was redirected, but the URL is not valid: it does not begin with http:// or https://"},
		{"an address before two dots", "http://169.254.169.254../", "was redirected, but the URL is not valid: its host is neither a name nor an address"},
		{"a number", "http://2852039166/", "was redirected, but the URL is not valid: its host is neither a name nor an address"},
		{"no URL", "http://%zz", "was redirected to an address that is not a URL"},
		{"nowhere", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			mux := http.NewServeMux()
			mux.HandleFunc("/{path}", func(w http.ResponseWriter, r *http.Request) {
				if tc.to != "" {
					w.Header()["Location"] = []string{tc.to}
				}
				w.WriteHeader(http.StatusFound)
			})
			s := wiretest.New(t, mux.ServeHTTP)
			c := newClient(t, verified, nil)
			res, err := do(t, c, get(t, s.URL+"/302"))
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.ReplaceAll(tc.want, "URL/", s.URL+"/"); res.Refusal != want {
				t.Errorf("got %s, want %s", res.Refusal, want)
			}
		})
	}
}

func TestSameHost(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		from, to string
		want     bool
	}{
		{"http://a.test/x", "http://A.test:80/y", true},
		{"https://a.test:443/x", "https://a.test./y", true},
		{"http://a.test/", "https://a.test/", true},
		{"http://[::1]/", "https://[::1]:443/", true},
		{"https://a.test/", "http://a.test/", false},
		{"http://a.test:8080/", "https://a.test/", false},
		{"http://a.test/", "https://a.test:8443/", false},
		{"https://a.test/", "https://a.test:444/", false},
		{"https://a.test/", "https://b.a.test/", false},
	} {
		from, err := ParseURL(tc.from)
		if err != nil {
			t.Fatal(err)
		}
		to, err := ParseURL(tc.to)
		if err != nil {
			t.Fatal(err)
		}
		if got := sameHost(from, to); got != tc.want {
			t.Errorf("%s to %s: got %t, want %t", tc.from, tc.to, got, tc.want)
		}
	}
}
