package follow

import (
	"net/http"
	"testing"
	"time"

	"port-agent/invoker"
	"port-agent/invoker/follow/cistand"
)

func azureStage(t *testing.T, plan cistand.Plan) (*stage, *cistand.AzureDevOps) {
	t.Helper()
	clock := cistand.NewClock(begin)
	a := cistand.NewAzureDevOps(clock, plan)
	return newStage(t, clock, a, func(cfg *invoker.Config, url string) { cfg.AzureDevOpsURL, cfg.AzureExtPAT = url, "azure-pat" }), a
}

// azureRun is a call of the Runs API by an action without a type.
func azureRun(st *stage) map[string]any {
	return map[string]any{"url": st.url + "/acme/Web%20Shop/_apis/pipelines/7/runs?api-version=7.1"}
}

func TestAzureStories(t *testing.T) {
	t.Parallel()
	partial := ended("partiallySucceeded")
	partial.Stages = []cistand.Stage{{Name: "Build", Takes: 20 * time.Second}, {Name: "Lint", Takes: 5 * time.Second, Error: "3 warnings"}}
	for _, tc := range []struct {
		story
		set func(a *cistand.AzureDevOps)
	}{
		{story: story{name: "success", plan: twoStages, step: 5 * time.Second}},
		{story: story{name: "failed", plan: failing}},
		{story: story{name: "partial", plan: partial}},
		{story: story{name: "canceled", plan: ended("canceled")}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			st, a := azureStage(t, tc.plan)
			if tc.set != nil {
				tc.set(a)
			}
			tc.run(t, st, "azure", azureRun(st))
		})
	}
}

func TestAzureWaitsForApproval(t *testing.T) {
	t.Parallel()
	st, a := azureStage(t, approval)
	s := story{name: "approval", act: func(at time.Duration) {
		if at == time.Minute {
			a.Release()
		}
	}}
	s.run(t, st, "azure", azureRun(st))
}

func TestAzureIsCanceledInTheQueue(t *testing.T) {
	t.Parallel()
	st, a := azureStage(t, cistand.Plan{Queued: time.Hour})
	s := story{name: "canceled-in-queue", act: func(at time.Duration) {
		if at == time.Minute {
			a.Stop("canceled")
		}
	}}
	s.run(t, st, "azure", azureRun(st))
}

// An expired PAT is answered with a page, by status 203 or by a redirect.
func TestAzurePATExpires(t *testing.T) {
	t.Parallel()
	for _, redirect := range []bool{false, true} {
		st, a := azureStage(t, twoStages)
		a.Redirect = redirect
		name := "pat-expires"
		if redirect {
			name += "-redirect"
		}
		s := story{name: name, act: func(at time.Duration) {
			if at == 20*time.Second {
				a.PAT = "renewed"
			}
		}}
		s.run(t, st, "azure", azureRun(st))
	}
}

// A PAT may start what it must not read.
func TestAzureWithoutRight(t *testing.T) {
	t.Parallel()
	st, a := azureStage(t, twoStages)
	a.Fault(func(r *http.Request) *cistand.Answer {
		if r.Method != http.MethodGet {
			return nil
		}
		return &cistand.Answer{Status: http.StatusForbidden, Body: `{"message":"Access denied"}`}
	})
	s := story{name: "no-right"}
	s.run(t, st, "azure", azureRun(st))
}

func TestAzureBuildIsDeleted(t *testing.T) {
	t.Parallel()
	st, a := azureStage(t, twoStages)
	s := story{name: "deleted", act: func(at time.Duration) {
		if at == 20*time.Second {
			a.Delete()
		}
	}}
	s.run(t, st, "azure", azureRun(st))
}

// A server refuses a version of the API that it does not have: 2020 ends with 6.0,
// 2022 with 7.0.
func TestAzureDevOpsServerOf2020(t *testing.T) {
	t.Parallel()
	st, a := azureStage(t, twoStages)
	a.Latest = "6.0"
	method := map[string]any{"url": st.url + "/acme/Web%20Shop/_apis/pipelines/7/runs?api-version=6.0-preview.1"}
	rule := `{"body": {"variables": {"port_run": {"value": ".context.runId"}}}}`
	run, w, why := st.trigger(t, method, rule)
	if w == nil {
		t.Fatalf("not followed: %s", why)
	}
	p := Progress{}
	for range 10 {
		st.clock.Advance(20 * time.Second)
		var err error
		if p, err = w.Look(t.Context()); err != nil || p.Over {
			break
		}
	}
	if !p.Success || p.Summary != "Deploy shop 20260102.3 succeeded after 50 s" {
		t.Errorf("got %+v, want a success", p)
	}
	_, req := st.build(t, run.ID, method, rule)
	if found, err := st.f.Find(t.Context(), run, req, begin); err != nil || found == nil {
		t.Errorf("looked for after a crash: got %v, %v", found, err)
	}
}

// The build of an incoming webhook is found by its number where the rule says
// in which project to look.
func TestAzureWebhook(t *testing.T) {
	t.Parallel()
	method := map[string]any{"type": "AZURE_DEVOPS", "org": "acme", "webhook": "PortDeploy"}
	for _, tc := range []struct{ name, number, rule string }{
		{"webhook", "port-r_1", `{"follow": {"project": "\"Web Shop\""}}`},
		{"webhook-not-found", "20260102.1", `{"follow": {"project": "\"Web Shop\""}}`},
		{"webhook-no-project", "port-r_1", `{"follow": true}`},
	} {
		st, a := azureStage(t, twoStages)
		a.BuildNumber = tc.number
		s := story{name: tc.name, rule: tc.rule}
		s.run(t, st, "azure", method)
	}
	st, _ := azureStage(t, twoStages)
	if _, w, why := st.trigger(t, method, ""); w != nil || why != "" {
		t.Errorf("nobody asked: got %v, %q, want neither", w, why)
	}
}
