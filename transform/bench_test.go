package transform

import (
	"fmt"
	"strings"
	"testing"
)

// benchEvent is a run as Port sends it, about 2 KB.
const benchEvent = `{"action":"run_pipeline","resourceType":"run","status":"TRIGGERED",
"trigger":{"by":{"orgId":"org_x","userId":"auth0|x","user":{"email":"e@example.com","firstName":"a","lastName":"b","status":"ACTIVE",
"id":"auth0|x","createdAt":"2022-12-08T16:34:20.735Z","updatedAt":"2023-11-13T15:11:38.243Z"}},"origin":"UI","at":"2023-11-13T15:20:16.641Z"},
"context":{"entity":"e_x","blueprint":"service","runId":"r_x"},
"payload":{"entity":{"identifier":"e_x","title":"My service","icon":"Port","blueprint":"service","team":[],"properties":{"url":"https://x","tier":1},"relations":{},
"createdAt":"2023-11-13T15:24:46.880Z","createdBy":"auth0|x","updatedAt":"2023-11-13T15:24:46.880Z","updatedBy":"auth0|x"},
"action":{"id":"action_x","identifier":"run_pipeline","title":"Run","userInputs":{"properties":{"ref":{"type":"string"},"replicas":{"type":"number"}},"required":[]},
"invocationMethod":{"type":"GITLAB","projectName":"my-project","groupName":"my-group/sub","omitPayload":false,"omitUserInputs":false,"defaultRef":"main","agent":true},
"trigger":"DAY-2","description":"","blueprint":"service","createdAt":"2022-11-15T09:58:52.863Z","createdBy":"u","updatedAt":"2022-11-15T09:58:52.863Z","updatedBy":"u"},
"properties":{"ref":"release/1.2","replicas":3,"dry_run":false,"cpu":0.5,"name":"my service","tags":["b","a"],"note":null},"censoredProperties":[]},"headers":{}}`

const gitlabRule = `{"enabled":".payload.action.invocationMethod.type == \"GITLAB\"",
"url":"(env.GITLAB_URL // \"https://gitlab.com/\") + \"api/v4/projects/\" + (.payload.action.invocationMethod | .groupName + \"/\" + .projectName | @uri) + \"/trigger/pipeline\"",
"method":".payload.action.invocationMethod.method // \"POST\"",
"headers":{"X-Run":".context.runId","X-By":".trigger.by.user.email"},
"query":{"v":"6"},
"body":{"ref":".payload.properties.ref // .payload.action.invocationMethod.defaultRef // \"main\"",
"token":".payload.action.invocationMethod as $m | env[($m.groupName | gsub(\"/\"; \"_\")) + \"_\" + $m.projectName]",
"variables":"if .payload.action.invocationMethod.omitUserInputs then {} else .payload.properties | to_entries | map({(.key): (.value | tostring)}) | add end",
"port_payload":"if .payload.action.invocationMethod.omitPayload then {} else . end"},
"report":{"link":".response.json.web_url"}}`

func benchMapping(tb testing.TB, data string) (*Mapping, any) {
	tb.Helper()
	m, findings := Parse("bench.json", []byte(data), Config{}, []string{"my-group_sub_my-project=token"})
	if m == nil {
		tb.Fatal(findings)
	}
	return m, decode(tb, benchEvent)
}

func benchRun(b *testing.B, m *Mapping, event any) {
	b.ReportAllocs()
	for b.Loop() {
		r, err := m.Match(b.Context(), event)
		if err != nil {
			b.Fatal(err)
		}
		if _, _, err := r.Request(b.Context(), event); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDefault(b *testing.B) {
	m, event := benchMapping(b, builtIn)
	benchRun(b, m, event)
}

func BenchmarkGitLab(b *testing.B) {
	m, event := benchMapping(b, "["+gitlabRule+"]")
	benchRun(b, m, event)
}

func BenchmarkParallel(b *testing.B) {
	m, event := benchMapping(b, "["+gitlabRule+"]")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r, err := m.Match(b.Context(), event)
			if err != nil {
				b.Fatal(err)
			}
			if _, _, err := r.Request(b.Context(), event); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkRules finds the last of many rules.
func BenchmarkRules(b *testing.B) {
	for _, n := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m, event := benchMapping(b, manyRules(n))
			benchRun(b, m, event)
		})
	}
}

// manyRules gives a mapping of n rules, the last of which is for benchEvent.
func manyRules(n int) string {
	var rules []string
	for i := range n - 1 {
		rules = append(rules, fmt.Sprintf(`{"enabled":".action == \"other_%d\"","url":".payload.properties.url_%d","body":{"n":"%d"}}`, i, i, i))
	}
	rules = append(rules, `{"enabled":".action == \"run_pipeline\""}`)
	return "[" + strings.Join(rules, ",") + "]"
}

func BenchmarkLoad(b *testing.B) {
	data := []byte(manyRules(5000))
	b.ReportAllocs()
	for b.Loop() {
		if m, findings := Parse("bench.json", data, Config{}, nil); m == nil {
			b.Fatal(findings)
		}
	}
}
