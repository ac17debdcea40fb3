package invoker

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// jenkins triggers jobs through the Generic Webhook Trigger plugin
// (https://plugins.jenkins.io/generic-webhook-trigger), whose whitelist can
// check an HMAC of the raw body. The plugin answers 200 also when the filters
// of all jobs turned the event away.
type jenkins struct{ signed }

// Accept looks for a job that was triggered. Link and id are those of the
// first one by name. An empty answer comes from jobs that are all configured
// to answer silently, and is taken for what its status says.
func (jenkins) Accept(req *Request, res *Response) error {
	if len(strings.TrimSpace(string(res.Body))) == 0 {
		return nil
	}
	jobs, message, err := JenkinsJobs(res)
	if err != nil {
		return fmt.Errorf("triggered no job: %w", err)
	}
	triggered := slices.IndexFunc(jobs, func(j JenkinsJob) bool { return j.Triggered })
	if triggered < 0 {
		return notTriggered(jobs, message)
	}
	if job := jobs[triggered]; job.Queue > 0 {
		res.ExternalRunID = strconv.FormatInt(job.Queue, 10)
		res.Link = jenkinsLink(req.URL, job.url)
	}
	return nil
}

// JenkinsJob is what the plugin says of one job with a matching token. A job
// that is configured to answer silently is not listed, unless all are.
type JenkinsJob struct {
	Name      string // with its folders: team/deploy
	Triggered bool
	Queue     int64  // number of the queue item; 0 in a dry run
	Why       string // why it was not triggered
	url       string // of the queue item, relative to the root of Jenkins
}

// JenkinsJobs reads the jobs of an answer, by name. Old versions of the plugin
// put them below data.triggerResults, and an entry may be the text of an
// exception.
func JenkinsJobs(res *Response) (jobs []JenkinsJob, message string, err error) {
	var answer struct {
		Jobs    map[string]json.RawMessage
		Message string
		Data    struct {
			TriggerResults json.RawMessage
		}
	}
	if res.Truncated || json.Unmarshal(res.Body, &answer) != nil {
		return nil, "", errors.New("the answer is not the plugin's")
	}
	if old := answer.Data.TriggerResults; answer.Jobs == nil && old != nil {
		if json.Unmarshal(old, &answer.Jobs) != nil {
			_ = json.Unmarshal(old, &answer.Message) // where it found no job, the old plugin says so here
		}
	}
	for _, name := range slices.Sorted(maps.Keys(answer.Jobs)) {
		jobs = append(jobs, readJenkinsJob(name, answer.Jobs[name]))
	}
	return jobs, strings.TrimSpace(answer.Message), nil
}

func readJenkinsJob(name string, entry json.RawMessage) JenkinsJob {
	var text string
	if json.Unmarshal(entry, &text) == nil && text != "" {
		return JenkinsJob{Name: name, Why: text}
	}
	var said struct {
		Triggered  bool
		ID         int64
		URL        string
		FilterText string `json:"regexpFilterText"`
		Filter     string `json:"regexpFilterExpression"`
	}
	_ = json.Unmarshal(entry, &said) // what cannot be read counts as not triggered
	job := JenkinsJob{Name: name, Triggered: said.Triggered, Queue: said.ID, url: said.URL}
	switch {
	case said.Triggered:
	case said.Filter != "":
		job.Why = fmt.Sprintf("its filter text %q does not match the expression %q", said.FilterText, said.Filter)
	default:
		job.Why = "disabled or not accepted"
	}
	return job
}

func notTriggered(jobs []JenkinsJob, message string) error {
	if len(jobs) == 0 {
		return fmt.Errorf("triggered no job: %s", cmp.Or(message, "the answer names none"))
	}
	whys := make([]string, len(jobs))
	for n, j := range jobs {
		whys[n] = j.Name + ": " + j.Why
	}
	return fmt.Errorf("triggered no job: %s (jobs that answer silently are not listed and may run)", strings.Join(whys, "; "))
}

// jenkinsLink resolves the address of a queue item, which is relative to the
// root of Jenkins.
func jenkinsLink(request *url.URL, item string) string {
	path, _, ok := strings.Cut(request.Path, "/generic-webhook-trigger/")
	if !ok {
		path = ""
	}
	link, err := (&url.URL{Scheme: request.Scheme, Host: request.Host, Path: path + "/"}).Parse(item)
	if err != nil || link.Scheme != "http" && link.Scheme != "https" {
		return ""
	}
	return link.String()
}
