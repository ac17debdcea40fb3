package follow

import (
	"testing"
	"time"

	"port-agent/invoker"
	"port-agent/invoker/follow/cistand"
)

func gitLabStage(t *testing.T, plan cistand.Plan) (*stage, *cistand.GitLab) {
	t.Helper()
	clock := cistand.NewClock(begin)
	g := cistand.NewGitLab(clock, plan)
	return newStage(t, clock, g, func(cfg *invoker.Config, url string) { cfg.GitLabURL, cfg.GitLabToken = url, "gitlab-token" }), g
}

func gitLabMethod() map[string]any {
	return map[string]any{"type": "GITLAB", "groupName": "acme", "projectName": "shop"}
}

func TestGitLabStories(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		story
		set func(g *cistand.GitLab)
	}{
		{story: story{name: "success", plan: twoStages, step: 5 * time.Second}},
		{story: story{name: "failed", plan: failing}},
		{story: story{name: "canceled", plan: ended("canceled")}},
		{story: story{name: "skipped", plan: ended("skipped")}},
		{story: story{name: "skipped-is-success", plan: ended("skipped"), rule: `{"follow": {"success": ["success", "skipped"]}}`}},
		{story: story{name: "unknown-state", plan: ended("hibernating")}},
		{story: story{name: "no-right", plan: twoStages}, set: func(g *cistand.GitLab) { g.Token = "another" }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			st, g := gitLabStage(t, tc.plan)
			if tc.set != nil {
				tc.set(g)
			}
			tc.run(t, st, "gitlab", gitLabMethod())
		})
	}
}

func TestGitLabWaitsForAManualJob(t *testing.T) {
	t.Parallel()
	st, g := gitLabStage(t, approval)
	s := story{name: "manual", act: func(at time.Duration) {
		if at == time.Minute {
			g.Release()
		}
	}}
	s.run(t, st, "gitlab", gitLabMethod())
}

func TestGitLabPipelineIsDeleted(t *testing.T) {
	t.Parallel()
	st, g := gitLabStage(t, twoStages)
	s := story{name: "deleted", act: func(at time.Duration) {
		if at == 20*time.Second {
			g.Delete()
		}
	}}
	s.run(t, st, "gitlab", gitLabMethod())
}
