package invoker

import "strings"

// Method is the invocation method of an event: what Port says about where and
// how to run it. The zero Method is that of an event that has none.
type Method struct {
	Type         string // WEBHOOK, AZURE_DEVOPS, GITLAB, GITHUB or empty, in upper case
	Agent        bool   // the event is for an agent
	Synchronized bool   // the run ends with the answer
	URL          string
	Verb         string // the HTTP method; empty: POST
	Body         any    // of a call of Port's API
	Payload      any    // of Azure DevOps

	Org      string // of Azure DevOps and GitHub
	Webhook  string // of Azure DevOps
	Repo     string // of GitHub
	Workflow string // of GitHub: a file name, or an id
	Ref      string // of GitHub
	Group    string // of GitLab: groupName, with / between its parts
	Project  string // of GitLab: projectName

	DefaultRef        string         // of GitLab
	WorkflowInputs    map[string]any // of GitHub
	PipelineVariables map[string]any // of GitLab
	Inputs            map[string]any // of GitLab: for pipelines with spec:inputs

	OmitPayload    bool // the event is not sent along
	OmitUserInputs bool // the user's inputs are not sent
	// NoFollow is set where reportWorkflowStatus or reportPipelineStatus is
	// false: the pipeline reports for itself.
	NoFollow bool

	// Raw is the object that the fields were read from. It must not be
	// changed. It is nil where the event has no invocation method.
	Raw map[string]any
}

// ReadMethod reads an invocation method as it stands in a decoded event, nil
// where the event has none. A field of another type than Port's counts as
// absent; a switch is on where it is true or "true".
func ReadMethod(raw map[string]any) Method {
	str := func(name string) string { s, _ := raw[name].(string); return s }
	object := func(name string) map[string]any { m, _ := raw[name].(map[string]any); return m }
	is := func(name string, want bool) bool {
		return raw[name] == want || raw[name] == map[bool]string{true: "true", false: "false"}[want]
	}
	m := Method{
		Type:         strings.ToUpper(str("type")),
		Agent:        is("agent", true),
		Synchronized: is("synchronized", true),
		URL:          str("url"),
		Verb:         str("method"),
		Body:         raw["body"],
		Payload:      raw["payload"],
		Org:          str("org"),
		Webhook:      str("webhook"),
		Repo:         str("repo"),
		Ref:          str("ref"),
		Group:        str("groupName"),
		Project:      str("projectName"),
		DefaultRef:   str("defaultRef"),

		WorkflowInputs:    object("workflowInputs"),
		PipelineVariables: object("pipelineVariables"),
		Inputs:            object("inputs"),

		OmitPayload:    is("omitPayload", true),
		OmitUserInputs: is("omitUserInputs", true),
		NoFollow:       is("reportWorkflowStatus", false) || is("reportPipelineStatus", false),
		Raw:            raw,
	}
	if w := raw["workflow"]; w != nil {
		m.Workflow = text(w)
	}
	return m
}
