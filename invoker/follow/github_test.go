package follow

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"port-agent/invoker"
	"port-agent/invoker/follow/ci"
	"port-agent/invoker/follow/cistand"
)

func gitHubStage(t *testing.T, plan cistand.Plan) (*stage, *cistand.GitHub) {
	t.Helper()
	clock := cistand.NewClock(begin)
	g := cistand.NewGitHub(clock, plan)
	return newStage(t, clock, g, func(cfg *invoker.Config, url string) { cfg.GitHubAPIURL, cfg.GitHubToken = url, "github-token" }), g
}

func gitHubMethod() map[string]any {
	return map[string]any{"type": "GITHUB", "org": "acme", "repo": "shop", "workflow": "deploy.yml", "ref": "main"}
}

func TestGitHubStories(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		story
		set func(g *cistand.GitHub)
	}{
		{story: story{name: "success", plan: twoStages, step: 5 * time.Second}},
		{story: story{name: "failure", plan: failing}},
		{story: story{name: "cancelled", plan: ended("cancelled")}},
		{story: story{name: "skipped", plan: ended("skipped")}},
		{story: story{name: "neutral", plan: ended("neutral")}},
		{story: story{name: "timed-out", plan: ended("timed_out")}},
		{story: story{name: "startup-failure", plan: ended("startup_failure")}},
		{story: story{name: "old-server", plan: twoStages}, set: func(g *cistand.GitHub) { g.Old, g.Name = true, "Deploy for r_1" }},
		{story: story{name: "old-server-one-run", plan: twoStages}, set: func(g *cistand.GitHub) { g.Old, g.Name = true, "Deploy" }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			st, g := gitHubStage(t, tc.plan)
			if tc.set != nil {
				tc.set(g)
			}
			tc.run(t, st, "github", gitHubMethod())
			if got := g.Triggered(); got != 1 {
				t.Errorf("got %d runs of the workflow, want 1", got)
			}
		})
	}
}

func TestGitHubWaitsForApproval(t *testing.T) {
	t.Parallel()
	st, g := gitHubStage(t, approval)
	s := story{name: "approval", act: func(at time.Duration) {
		if at == time.Minute {
			g.Release()
		}
	}}
	s.run(t, st, "github", gitHubMethod())
}

// A token that expires while a run is followed is refused, and the pipeline's
// result is not guessed.
func TestGitHubTokenExpires(t *testing.T) {
	t.Parallel()
	st, g := gitHubStage(t, twoStages)
	s := story{name: "token-expires", act: func(at time.Duration) {
		switch at {
		case 20 * time.Second:
			g.Token = "renewed"
		case 80 * time.Second:
			g.Token = "github-token"
		}
	}}
	s.run(t, st, "github", gitHubMethod())
}

// A token may start what it must not read.
func TestGitHubWithoutRight(t *testing.T) {
	t.Parallel()
	st, g := gitHubStage(t, twoStages)
	g.Fault(func(r *http.Request) *cistand.Answer {
		if r.Method != http.MethodGet {
			return nil
		}
		return &cistand.Answer{Status: http.StatusForbidden, Body: `{"message":"Resource not accessible by integration"}`}
	})
	s := story{name: "no-right"}
	s.run(t, st, "github", gitHubMethod())
}

func TestGitHubRunIsDeleted(t *testing.T) {
	t.Parallel()
	st, g := gitHubStage(t, twoStages)
	s := story{name: "deleted", act: func(at time.Duration) {
		if at == 20*time.Second {
			g.Delete()
		}
	}}
	s.run(t, st, "github", gitHubMethod())
}

// Of several runs since the dispatch, none is taken that does not hold the id.
func TestGitHubRunsThatCannotBeTold(t *testing.T) {
	t.Parallel()
	st, g := gitHubStage(t, twoStages)
	g.Old = true
	st.invoke(t, gitHubMethod(), "")
	s := story{name: "ambiguous"}
	s.run(t, st, "github", gitHubMethod())
}

// The only run that an older server lists may be another's, as long as it does not
// list the own one yet.
func TestGitHubListsRunsLate(t *testing.T) {
	t.Parallel()
	for _, another := range []bool{false, true} {
		st, g := gitHubStage(t, twoStages)
		g.Old, g.Lag = true, 4*time.Second
		if another {
			st.invoke(t, gitHubMethod(), "")
			st.clock.Advance(3 * time.Second)
		}
		_, w, why := st.trigger(t, gitHubMethod(), "")
		if w == nil {
			t.Fatal(why)
		}
		for _, pause := range []time.Duration{2, 1, 2, 3} { // 8 s in all
			st.clock.Advance(pause * time.Second)
			if p, err := w.Look(t.Context()); err == nil || !p.Moved.IsZero() {
				t.Errorf("another %t, early: got %+v, want an error", another, p)
			}
		}
		st.clock.Advance(4 * time.Second)
		_, err := w.Look(t.Context())
		if another && !errors.Is(err, ci.Refused) {
			t.Errorf("two runs: got %v at %s, want refused", err, w.Handle())
		}
		if !another && (err != nil || w.Handle().Places[0] != st.url+"/repos/acme/shop/actions/runs/1") {
			t.Errorf("one run: got %v at %s", err, w.Handle())
		}
	}
}

func TestGitHubRateLimit(t *testing.T) {
	t.Parallel()
	st, g := gitHubStage(t, cistand.Plan{Queued: time.Hour})
	_, w, why := st.trigger(t, gitHubMethod(), "")
	if w == nil {
		t.Fatal(why)
	}
	for range 20 { // what has not changed costs nothing
		if _, err := w.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	g.Limit = 2 // the dispatch and one look
	if _, err := w.Look(t.Context()); err == nil || err.(*ci.Error).Kind != ci.Busy {
		t.Errorf("got %v, want a limit", err)
	}
	g.Fault(func(*http.Request) *cistand.Answer {
		return &cistand.Answer{Status: 403, Header: http.Header{"Retry-After": {"77"}}, Body: `{"message":"You have exceeded a secondary rate limit"}`}
	})
	_, err := w.Look(t.Context())
	if e, ok := err.(*ci.Error); !ok || e.Kind != ci.Busy || e.RetryAfter != 77*time.Second {
		t.Errorf("got %v, want busy for 77 s", err)
	}
}

// An App triggers and follows with tokens of its installation, and asks for a
// new one shortly before the old one expires.
func TestGitHubApp(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	for _, installation := range []string{"", "17"} {
		clock := cistand.Wall()
		g := cistand.NewGitHub(clock, twoStages)
		g.Token, g.AppKey = "no other token", &key.PublicKey
		st := newStage(t, clock, g, func(cfg *invoker.Config, url string) {
			cfg.GitHubAPIURL, cfg.GitHubAppID, cfg.GitHubAppInstallation = url, "4711", installation
			cfg.GitHubAppKey = invoker.Secret(strings.ReplaceAll(string(text), "\n", `\n`))
		})
		method := gitHubMethod()
		delete(method, "ref") // the default branch is asked for too
		_, w, why := st.trigger(t, method, "")
		if w == nil {
			t.Fatal(why)
		}
		for range 3 {
			if _, err := w.Look(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if g.Minted != 1 || g.Bodies[0]["ref"] != "trunk" {
			t.Errorf("installation %q: got %d tokens, body %v", installation, g.Minted, g.Bodies[0])
		}
	}
}
