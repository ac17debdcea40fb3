package invoker

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
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
}

var _ Backend = gitLab{}

var errGitLab = errors.New("the invocation method lacks groupName or projectName")

func (g gitLab) URL(t *Target) (string, error) {
	group, project := t.Method.Group, t.Method.Project
	if group == "" || project == "" {
		return "", errGitLab
	}
	return join(g.base, "/api/v4/projects/%s/trigger/pipeline", group+"/"+project), nil
}

func (g gitLab) Body(t *Target) (Body, error) {
	token, err := g.token(t)
	if err != nil {
		return Body{}, err
	}
	ref := t.ref()
	if ref == "" {
		ref = t.Method.DefaultRef
	}
	if ref == "" {
		ref = "main"
	}
	wire := struct {
		Ref       string            `json:"ref"`
		Token     string            `json:"token"`
		Variables map[string]string `json:"variables"`
		Payload   any               `json:"port_payload"`
	}{ref, token, t.inputs(t.Method.PipelineVariables), map[string]any{}}
	value := map[string]any{"ref": ref, "token": token, "variables": anyMap(wire.Variables), "port_payload": map[string]any{}}
	if !t.Method.OmitPayload {
		wire.Payload, value["port_payload"] = eventBody(t).raw(), t.Root
	}
	encoded, err := marshal(wire)
	return Body{Value: value, JSON: encoded, Secrets: []string{token}}, err
}

// raw is what stands for b inside another body: its bytes where there are any.
func (b Body) raw() any {
	if b.JSON != nil {
		return json.RawMessage(b.JSON)
	}
	return b.Value
}

func anyMap(m map[string]string) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

// token finds the trigger token. A / in the name of a project stands for
// itself or for _.
func (g gitLab) token(t *Target) (string, error) {
	group, project := t.Method.Group, t.Method.Project
	if group == "" || project == "" {
		return "", errGitLab
	}
	name := strings.ReplaceAll(group, "/", "_") + "_" + project
	if token, _ := g.env(name); token != "" {
		return token, nil
	}
	name = strings.ReplaceAll(name, "/", "_")
	if token, _ := g.env(name); token != "" {
		return token, nil
	}
	return "", fmt.Errorf("the environment variable %s, which holds the trigger token of %s/%s, is not set", name, group, project)
}

func (gitLab) Header(http.Header) error { return nil }

func (gitLab) Accept(_ *Request, res *Response) error {
	pipeline := res.object()
	res.Link, _ = pipeline["web_url"].(string)
	if id := pipeline["id"]; id != nil {
		res.ExternalRunID = text(id)
	}
	return nil
}
