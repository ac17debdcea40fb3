package follow

import (
	"testing"
	"time"

	"port-agent/invoker"
	"port-agent/invoker/follow/cistand"
)

func jenkinsStage(t *testing.T, clock *cistand.Clock, j *cistand.Jenkins) *stage {
	t.Helper()
	st := newStage(t, clock, j, func(cfg *invoker.Config, url string) {
		cfg.JenkinsURL, cfg.JenkinsUserID, cfg.JenkinsToken = url, "port", "jenkins-token"
	})
	j.Root = "https://jenkins.corp.example/ci" // not the host that the agent knows
	return st
}

func jenkinsMethod(st *stage) map[string]any {
	return map[string]any{"type": "WEBHOOK", "url": st.url + "/generic-webhook-trigger/invoke?token=t"}
}

func TestJenkinsStories(t *testing.T) {
	t.Parallel()
	cancelled := cistand.Plan{Queued: 8 * time.Second, Why: "In the quiet period. Expires in 3.2 sec", Cancelled: true}
	for _, tc := range []struct {
		story
		set  func(j *cistand.Jenkins)
		jobs []cistand.JenkinsJob
	}{
		{story: story{name: "success", plan: twoStages, step: 5 * time.Second}},
		{story: story{name: "failure", plan: failing}},
		{story: story{name: "unstable", plan: ended("UNSTABLE")}},
		{story: story{name: "unstable-is-success", plan: ended("UNSTABLE"), rule: `{"follow": {"success": ["SUCCESS", "UNSTABLE"]}}`}},
		{story: story{name: "aborted", plan: ended("ABORTED")}},
		{story: story{name: "not-built", plan: ended("NOT_BUILT")}},
		{story: story{name: "cancelled-in-queue", plan: cancelled, step: 5 * time.Second}},
		{story: story{name: "no-stages", plan: twoStages}, set: func(j *cistand.Jenkins) { j.NoStages = true }},
		{story: story{name: "old-plugin", plan: twoStages}, set: func(j *cistand.Jenkins) { j.OldPlugin = true }},
		{story: story{name: "no-read", plan: twoStages}, set: func(j *cistand.Jenkins) { j.NoRead = true }},
		{story: story{name: "no-discover", plan: twoStages}, set: func(j *cistand.Jenkins) { j.NoDiscover = true }},
		{story: story{name: "wrong-token", plan: twoStages}, set: func(j *cistand.Jenkins) { j.Token = "another" }},
		{story: story{name: "dry-run", rule: `{"follow": true}`}, set: func(j *cistand.Jenkins) { j.DryRun = true }},
		{story: story{name: "silent", rule: `{"follow": true}`}, jobs: []cistand.JenkinsJob{{Name: "a", Token: "t", Silent: true}}},
		{story: story{name: "several-jobs"}, jobs: []cistand.JenkinsJob{
			{Name: "team/a", Token: "t", Plan: twoStages}, {Name: "team/b c", Token: "t", Plan: failing},
			{Name: "filtered", Token: "t", Filter: "^main$", Text: "dev"}, {Name: "other", Token: "x", Plan: twoStages},
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			clock := cistand.NewClock(begin)
			if tc.jobs == nil {
				tc.jobs = []cistand.JenkinsJob{{Name: "team/smoke-tests", Token: "t", Plan: tc.plan}}
			}
			j := cistand.NewJenkins(clock, tc.jobs...)
			if tc.set != nil {
				tc.set(j)
			}
			st := jenkinsStage(t, clock, j)
			tc.run(t, st, "jenkins", jenkinsMethod(st))
		})
	}
}

func TestJenkinsWaitsForInput(t *testing.T) {
	t.Parallel()
	clock := cistand.NewClock(begin)
	j := cistand.NewJenkins(clock, cistand.JenkinsJob{Name: "release", Token: "t", Plan: approval})
	st := jenkinsStage(t, clock, j)
	s := story{name: "input", act: func(at time.Duration) {
		if at == time.Minute {
			j.Release()
		}
	}}
	s.run(t, st, "jenkins", jenkinsMethod(st))
}

func TestJenkinsBuildIsAborted(t *testing.T) {
	t.Parallel()
	clock := cistand.NewClock(begin)
	j := cistand.NewJenkins(clock, cistand.JenkinsJob{Name: "release", Token: "t", Plan: twoStages})
	st := jenkinsStage(t, clock, j)
	s := story{name: "stopped", act: func(at time.Duration) {
		if at == 40*time.Second {
			j.Stop("ABORTED")
		}
	}}
	s.run(t, st, "jenkins", jenkinsMethod(st))
}

// An agent that was away for ten minutes finds the build by its queue item.
func TestJenkinsItemIsGone(t *testing.T) {
	t.Parallel()
	for _, restart := range []bool{false, true} {
		clock := cistand.NewClock(begin)
		j := cistand.NewJenkins(clock, cistand.JenkinsJob{Name: "team/smoke tests", Token: "t", Plan: failing},
			cistand.JenkinsJob{Name: "team/smoke", Token: "t", Plan: twoStages})
		st := jenkinsStage(t, clock, j)
		run, w, _ := st.trigger(t, jenkinsMethod(st), "")
		if restart {
			clock.Advance(20 * time.Second)
			j.Restart()
		} else {
			clock.Advance(10 * time.Minute)
		}
		h, ok := ParseHandle(w.Handle().String())
		if !ok {
			t.Fatalf("%s is no handle", w.Handle())
		}
		w, err := st.f.Resume(run, h)
		if err != nil {
			t.Fatal(err)
		}
		name := "item-gone"
		if restart {
			name = "restart"
		}
		golden(t, "jenkins-"+name, st.tell(t, w, 10*time.Second, nil))
	}
}

func TestJenkinsBuildIsDeleted(t *testing.T) {
	t.Parallel()
	clock := cistand.NewClock(begin)
	j := cistand.NewJenkins(clock, cistand.JenkinsJob{Name: "release", Token: "t", Plan: twoStages})
	st := jenkinsStage(t, clock, j)
	s := story{name: "deleted", act: func(at time.Duration) {
		if at == 20*time.Second {
			j.Delete()
		}
	}}
	s.run(t, st, "jenkins", jenkinsMethod(st))
}

func TestJenkinsElsewhere(t *testing.T) {
	t.Parallel()
	clock := cistand.NewClock(begin)
	j := cistand.NewJenkins(clock, cistand.JenkinsJob{Name: "a", Token: "t", Plan: twoStages})
	st := newStage(t, clock, j, func(cfg *invoker.Config, _ string) {
		cfg.JenkinsURL, cfg.JenkinsUserID, cfg.JenkinsToken = "https://ci.corp.example", "port", "jenkins-token"
	})
	if _, w, why := st.trigger(t, jenkinsMethod(st), ""); w != nil || why != "" {
		t.Errorf("nobody asked: got %v, %q, want neither", w, why)
	}
	_, w, why := st.trigger(t, jenkinsMethod(st), `{"follow": true}`)
	if want := "Not followed: " + st.url[7:] + " is not below https://ci.corp.example, the only place that the credential is sent to"; w != nil || why != want {
		t.Errorf("the rule asks: got %v, %q, want %q", w, why, want)
	}
}

// The name of a branch's job is escaped by Jenkins already; a folder may be called
// job. Such names lead to the queue item, the build and the build of an item that
// is gone.
func TestJenkinsNames(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{
		"team/shop/feature%2Fx": "/job/team/job/shop/job/feature%252Fx/42/",
		"a b/ü#1?":              "/job/a%20b/job/%C3%BC%231%3F/42/",
		"job/job/x":             "/job/job/job/job/job/x/42/",
	} {
		for _, away := range []time.Duration{30 * time.Second, 10 * time.Minute} {
			clock := cistand.NewClock(begin)
			st := jenkinsStage(t, clock, cistand.NewJenkins(clock, cistand.JenkinsJob{Name: name, Token: "t", Plan: failing, Run: "context.runId"}))
			run, w, _ := st.trigger(t, jenkinsMethod(st), "")
			clock.Advance(away)
			h, _ := ParseHandle(w.Handle().String())
			w, err := st.f.Resume(run, h)
			if err != nil {
				t.Fatal(err)
			}
			if p, err := w.Look(t.Context()); err != nil || len(p.Moved.Places) != 1 || p.Moved.Places[0] != st.url+path {
				t.Errorf("%s after %s: got %v, %v; want %s", name, away, p.Moved, err, path)
			}
			_, req := st.build(t, run.ID, jenkinsMethod(st), "")
			if found, err := st.f.Find(t.Context(), run, req, begin); err != nil || found.Handle().Places[0] != st.url+path {
				t.Errorf("%s after a crash and %s: got %v, %v; want %s", name, away, found, err, path)
			}
		}
	}
}
