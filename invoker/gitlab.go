package invoker

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
)

// gitLab starts a pipeline with a trigger token:
// https://docs.gitlab.com/api/pipeline_triggers/#trigger-a-pipeline-with-a-token.
// The token of a project is in the environment variable GROUP_PROJECT, with
// every / of the group as _.
type gitLab struct {
	webhook // signs in the same way
	base    string
	env     func(string) (string, bool)
	setting func(string) bool // may be nil
}

func (g gitLab) URL(t *Target) (string, error) {
	group, project := t.Method.Group, t.Method.Project
	if err := named("groupName", group, "projectName", project); err != nil {
		return "", err
	}
	return join(g.base, "/api/v4/projects/%s/trigger/pipeline", group+"/"+project), nil
}

func (g gitLab) Body(t *Target, req *Request) (Body, error) {
	token, err := g.token(t)
	if err != nil {
		return Body{}, err
	}
	req.secrets = append(req.secrets, token)
	body := map[string]any{
		"ref": cmp.Or(t.ref(), t.Method.DefaultRef, "main"), "token": token,
		"variables": t.inputs(t.Method.PipelineVariables), "port_payload": map[string]any{},
	}
	if len(t.Method.Inputs) > 0 {
		body["inputs"] = t.Method.Inputs
	}
	if !t.Method.OmitPayload {
		payload, err := eventBody(t)
		if err != nil {
			return Body{}, err
		}
		body["port_payload"] = json.RawMessage(payload.JSON)
	}
	return jsonBody(body)
}

// token finds the trigger token.
func (g gitLab) token(t *Target) (string, error) {
	group, project := t.Method.Group, t.Method.Project
	if err := named("groupName", group, "projectName", project); err != nil {
		return "", err
	}
	name := strings.ReplaceAll(group, "/", "_") + "_" + project
	token, _ := g.env(name)
	switch {
	case token == "":
		return "", fmt.Errorf("the environment variable %s, which holds the trigger token of %s/%s, is not set", name, group, project)
	case g.notTrigger(name):
		return "", fmt.Errorf("the environment variable %s is not used as the trigger token of %s/%s: the name is a setting's or another secret's", name, group, project)
	}
	return token, nil
}

// notTrigger reports whether a variable is something else than a trigger
// token: a setting of the agent, a proxy, or a secret with a name as secrets
// in an environment usually have it, all in capitals. Groups and projects of
// GitLab are spelt in small letters, or can be.
func (g gitLab) notTrigger(name string) bool {
	upper := strings.ToUpper(name)
	if g.setting != nil && g.setting(upper) || strings.HasSuffix(upper, "_PROXY") {
		return true
	}
	return name == upper && NamesSecret(name)
}

func (gitLab) Accept(_ *Request, res *Response) error {
	var pipeline struct {
		ID   json.Number
		Page string `json:"web_url"`
	}
	if json.Unmarshal(res.Body, &pipeline) == nil {
		res.ExternalRunID, res.Link = pipeline.ID.String(), pipeline.Page
	}
	return nil
}
