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
	signed
	base    string
	env     func(string) (string, bool)
	setting func(string) bool // may be nil
}

func (g gitLab) URL(t *Target) (string, error) {
	return methodURL(g.base, "/api/v4/projects/%s%%2F%s/trigger/pipeline", "groupName", t.Method.Group, "projectName", t.Method.Project)
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
	if _, err := g.URL(t); err != nil {
		return "", err
	}
	group, project := t.Method.Group, t.Method.Project
	name := strings.ReplaceAll(group, "/", "_") + "_" + project
	token, _ := g.env(name)
	// Secrets of others have names all in capitals, as a rule. Groups and
	// projects of GitLab are spelt in small letters, or can be.
	upper := strings.ToUpper(name)
	setting := g.setting != nil && g.setting(upper) || strings.HasSuffix(upper, "_PROXY")
	switch {
	case token == "":
		return "", fmt.Errorf("the environment variable %s, which holds the trigger token of %s/%s, is not set", name, group, project)
	case setting || name == upper && NamesSecret(name):
		return "", fmt.Errorf("the environment variable %s is not used as the trigger token of %s/%s: the name is a setting's or another secret's", name, group, project)
	}
	return token, nil
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
