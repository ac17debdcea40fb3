package main

import (
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"slices"
	"strings"
	"time"

	"port-agent/agent/port/porttest"
	"port-agent/cmd/sandbox/world"
	"port-agent/invoker/follow/cistand"
)

// ci is a stand-in for Jenkins. Its clock stands still unless it is advanced,
// so that minutes of a pipeline take seconds of the story.
type ci struct {
	*httptest.Server
	jenkins *cistand.Jenkins
	clock   *cistand.Clock
}

const (
	goodJob, badJob = "smoke-tests", "release"

	queued, building, deploying = 20 * time.Second, 70 * time.Second, 2 * time.Minute
)

func startCI() *ci {
	plan := func(failure string) cistand.Plan {
		return cistand.Plan{Queued: queued, Why: "Waiting for next available executor", Stages: []cistand.Stage{
			{Name: "Build", Takes: building}, {Name: "Deploy", Takes: deploying, Error: failure},
		}}
	}
	c := &ci{clock: cistand.NewClock(time.Now())}
	c.jenkins = cistand.NewJenkins(c.clock, cistand.JenkinsJob{Name: goodJob, Token: token(goodJob), Plan: plan("")},
		cistand.JenkinsJob{Name: badJob, Token: token(badJob), Plan: plan("script returned exit code 1")})
	c.Server = httptest.NewServer(c.jenkins)
	c.jenkins.Root = c.URL
	return c
}

// environment lets an agent follow the pipelines of this Jenkins.
func (c *ci) environment() [][2]string {
	return [][2]string{{"JENKINS_URL", c.URL}, {"JENKINS_USER_ID", c.jenkins.User}, {"JENKINS_API_TOKEN", c.jenkins.Token}}
}

// trigger is the URL that starts a job.
func (c *ci) trigger(job string) string {
	return c.URL + "/generic-webhook-trigger/invoke?token=" + token(job)
}

// token is what a job's trigger is protected with.
func token(job string) string { return "token-of-" + job }

// pipeline is a chapter about a run that ends with its pipeline.
type pipeline struct {
	title   string
	event   porttest.Event
	job     string
	status  string   // that the run should have at the end
	labels  []string // that it should have on the way
	summary string   // that it should have at the end
}

const pipelineRule = `1 "pipelines"`

func pipelines() []pipeline {
	labels := []string{"Queued", "Running: Build", "Running: Deploy"}
	return []pipeline{
		{
			title: "A run that ends with its pipeline", job: goodJob, status: "SUCCESS", labels: append(labels, "Succeeded"),
			summary: "smoke-tests #42 succeeded after 3 min 10 s",
			event:   porttest.Event{Run: "r_pipeline", Action: "run_smoke_tests", Entity: "cart"},
		},
		{
			title: "A run whose pipeline fails", job: badJob, status: "FAILURE", labels: append(labels, "Failed"),
			summary: "release #42 failed after 3 min 10 s in stage Deploy: script returned exit code 1",
			event:   porttest.Event{Run: "r_pipeline_fails", Action: "run_release", Entity: "checkout"},
		},
	}
}

// follow publishes the event of p and shows what is reported to Port, as it happens.
// Jenkins' clock goes on to the next step once Port knows of the present one.
// It reports whether the run ended as it should.
func (s *sandbox) follow(ctx context.Context, out io.Writer, n int, p pipeline) (right bool, err error) {
	fmt.Fprintf(out, "\n%d. %s\n", n, p.title)
	tell(out, "event", "run %s, action %s%s", p.event.Run, p.event.Action, entity(p.event))
	s.port.AddRun(p.event.Run)
	p.event.URL = s.ci.trigger(p.job)
	triggered, begun := s.ci.jenkins.Triggered(), time.Now()
	if err := s.Kafka.Produce(ctx, s.Runs(), n%partitions, p.event.Record(world.ClientSecret)); err != nil {
		return false, err
	}
	steps := []time.Duration{queued, building, deploying}
	var labels []string
	known := porttest.Run{Status: porttest.InProgress}
	for !known.Ended() {
		now, err := s.port.Wait(ctx, p.event.Run, func(r porttest.Run) bool {
			return r.Ended() || len(r.Logs) > len(known.Logs) || r.StatusLabel != known.StatusLabel || !slices.Equal(r.Links, known.Links)
		})
		if err != nil {
			return false, fmt.Errorf("run %s: %w", p.event.Run, err)
		}
		at := fmt.Sprintf("%4.1f s", time.Since(begun).Seconds())
		for _, m := range now.Messages()[len(known.Logs):] {
			for line := range strings.SplitSeq(m, "\n") {
				tell(out, at, "log    %s", line)
			}
		}
		if now.StatusLabel != known.StatusLabel {
			tell(out, at, "label  %s", now.StatusLabel)
			if labels = append(labels, now.StatusLabel); len(steps) > 0 {
				s.ci.clock.Advance(steps[0])
				steps = steps[1:]
			}
		}
		if !slices.Equal(now.Links, known.Links) {
			tell(out, at, "link   %s", strings.Join(now.Links, ", "))
		}
		known = now
	}
	tell(out, "port", "%s", told(known))
	return known.Status == p.status && known.Summary == p.summary && len(known.Links) == 1 && fmt.Sprint(labels) == fmt.Sprint(p.labels) &&
		hasRule(known, pipelineRule) && s.ci.jenkins.Triggered() == triggered+1, nil
}

// tell prints a line of a chapter.
func tell(out io.Writer, name, format string, args ...any) {
	fmt.Fprintf(out, "   %-9s%s\n", name, fmt.Sprintf(format, args...))
}
