package invoker

import (
	"encoding/json"
	"reflect"
	"testing"
)

func TestReadMethod(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, raw string
		want      Method
	}{
		{"none", `null`, Method{}},
		{"webhook", `{"type":"WEBHOOK","agent":true,"url":"https://ci.test","method":"PUT","synchronized":true,"body":{"a":1}}`,
			Method{Type: "WEBHOOK", Agent: true, URL: "https://ci.test", Verb: "PUT", Synchronized: true, Body: map[string]any{"a": 1.0}}},
		{"switches as text", `{"agent":"true","synchronized":"true","omitPayload":"true","omitUserInputs":"true","reportWorkflowStatus":"false"}`,
			Method{Agent: true, Synchronized: true, OmitPayload: true, OmitUserInputs: true, NoFollow: true}},
		{"switches that are off", `{"agent":1,"synchronized":"yes","omitPayload":false,"reportPipelineStatus":true}`, Method{}},
		{"gitlab", `{"type":"gitlab","groupName":"a/b","projectName":"c","defaultRef":"main","pipelineVariables":{"V":"1"},"inputs":{"i":"2"},"reportPipelineStatus":false}`,
			Method{Type: "GITLAB", Group: "a/b", Project: "c", DefaultRef: "main", NoFollow: true,
				PipelineVariables: map[string]any{"V": "1"}, Inputs: map[string]any{"i": "2"}}},
		{"github", `{"org":"acme","repo":"api","workflow":4711,"ref":"v1","workflowInputs":{"ref":"v2"}}`,
			Method{Org: "acme", Repo: "api", Workflow: "4711", Ref: "v1", WorkflowInputs: map[string]any{"ref": "v2"}}},
		{"azure", `{"org":"acme","webhook":"deploy","payload":[1]}`, Method{Org: "acme", Webhook: "deploy", Payload: []any{1.0}}},
		{"wrong types", `{"type":1,"url":{},"org":[],"workflowInputs":"x","workflow":null}`, Method{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var raw map[string]any
			if err := json.Unmarshal([]byte(tc.raw), &raw); err != nil {
				t.Fatal(err)
			}
			tc.want.Raw = raw
			if got := ReadMethod(raw); !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got %+v\nwant %+v", got, tc.want)
			}
		})
	}
}
