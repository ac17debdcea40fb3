package invoker

import (
	"net/http"
	"testing"

	"port-agent/invoker/wire"
)

func TestChooseAndJudge(t *testing.T) {
	t.Parallel()
	i := newInvoker(t, testConfig(), testDeps())
	target := hook(t, "https://ci.test"+jenkinsPath)
	if got, err := i.Choose(target); err != nil || got != Jenkins {
		t.Errorf("got %s, %v, want %s", got, err, Jenkins)
	}
	req := build(t, i, target)
	for _, tc := range []struct {
		status               int
		location, body, want string
	}{
		{200, "", `{"jobs":{"a":{"triggered":true,"id":1,"url":"queue/item/1/"}}}`, ""},
		{200, "", `{"jobs":{"a":{"triggered":false}}}`, "POST https://ci.test" + jenkinsPath + " triggered no job: a: disabled or not accepted (jobs that answer silently are not listed and may run)"},
		{500, "", "oops", "POST https://ci.test" + jenkinsPath + " answered 500: oops"},
		{307, "https://other.test/x?y", "", "POST https://ci.test" + jenkinsPath + " was redirected to https://other.test/x, which is followed only for GET; call that URL directly"},
	} {
		res := &Response{Response: wire.Response{StatusCode: tc.status, Header: http.Header{"Location": {tc.location}}, Body: []byte(tc.body)}}
		err := i.Judge(req, res)
		if (err == nil) != (tc.want == "") || err != nil && err.Error() != tc.want {
			t.Errorf("%d: got %v, want %s", tc.status, err, tc.want)
		}
		if tc.want == "" && res.Link != "https://ci.test/queue/item/1/" {
			t.Errorf("link: got %s", res.Link)
		}
	}
}
