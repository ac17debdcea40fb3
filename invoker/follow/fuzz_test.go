package follow

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"port-agent/invoker"
	"port-agent/invoker/follow/ci"
	"port-agent/invoker/wire"
)

// canned answers everything with one body.
type canned struct {
	body       []byte
	credential *invoker.Credential
}

func (c *canned) Fetch(context.Context, invoker.FetchRequest) (*invoker.Response, error) {
	return &invoker.Response{Response: wire.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: c.body}}, nil
}
func (c *canned) Credential(string) *invoker.Credential { return c.credential }
func (c *canned) Seal(string) string                    { return "00" }

// Whatever a backend answers, a look ends with news or with a *ci.Error, and no
// place leads out of the base.
func FuzzLook(f *testing.F) {
	places := map[string]string{
		invoker.Jenkins: "https://ci.test/queue/item/1/#a", invoker.GitLab: "https://ci.test/api/v4/projects/1/pipelines/1",
		invoker.GitHub: "https://ci.test/repos/a/b/actions/workflows/w/runs#2026-01-02T09:00:00Z", invoker.AzureDevOps: "https://ci.test/a/b/_apis/build/builds?buildNumber=port-r_1",
	}
	for _, seed := range []string{
		`{"executable":{"url":"https://x/job/../../script/1/"}}`, `{"building":false,"result":"SUCCESS","number":1}`, `{"status":"success","id":1}`, `{"builds":[{"queueId":1,"number":2}]}`,
		`{"workflow_runs":[{"id":1}],"status":"completed","conclusion":"failure","jobs":[{"conclusion":"failure","steps":[{}]}]}`,
		`{"value":[{"id":1}],"status":"completed","result":"failed","records":[{"type":"Task","result":"failed","parentId":"x","id":"x"}]}`, `<html>`, `[]`, `null`, `{"stages":[{}]}`,
	} {
		f.Add([]byte(seed))
	}
	credential, err := invoker.NewCredential("https://ci.test", func(context.Context, *url.URL, http.Header) error { return nil })
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		follower := New(Config{Mode: "auto", TimeoutSeconds: 1, MaxRuns: 1}, &canned{body, credential})
		for backend, place := range places {
			w, err := follower.Resume(Run{ID: "r_1"}, Handle{Backend: backend, Places: []string{place}})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				p, err := w.Look(t.Context())
				if e := (*ci.Error)(nil); err != nil && !errors.As(err, &e) {
					t.Fatalf("%s: got %T", backend, err)
				}
				for _, l := range p.Lines {
					if strings.ContainsAny(l.Text, "\n\r") {
						t.Fatalf("%s: a line of several: %q", backend, l.Text)
					}
				}
				if _, err := follower.Resume(Run{ID: "r_1"}, w.Handle()); err != nil {
					t.Fatalf("%s: %s cannot be resumed: %v", backend, w.Handle(), err)
				}
				if p.Over {
					break
				}
			}
		}
	})
}

func FuzzParseHandle(f *testing.F) {
	f.Add("Following jenkins https://ci.test/queue/item/1/#a%20b https://ci.test/job/x/2/")
	f.Add("Following rule https://x.test/?a=b (seal 00)")
	f.Fuzz(func(t *testing.T, line string) {
		h, ok := ParseHandle(line)
		if !ok {
			return
		}
		again, ok := ParseHandle(h.String())
		if !ok || again.String() != h.String() {
			t.Errorf("%q: got %+v, read again %+v", line, h, again)
		}
	})
}
