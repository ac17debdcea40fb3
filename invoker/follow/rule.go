package follow

import "time"

// said is what the rule of a run says.
type said struct {
	on, off, url      bool
	project           string
	success           []string
	timeout, interval time.Duration
}

func ruleOf(run *Run) said { return said{} }

func newFollowers(inv Invoker) map[string]follower {
	jenkins, gitLab, gitHub, azure := newJenkins(inv), newGitLab(inv), newGitHub(inv), newAzureDevOps(inv)
	return map[string]follower{jenkins.backend: jenkins, gitLab.backend: gitLab, gitHub.backend: gitHub, azure.backend: azure}
}
