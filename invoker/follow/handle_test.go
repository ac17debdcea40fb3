package follow

import (
	"reflect"
	"testing"
)

func TestHandle(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		line string
		want Handle
	}{
		{"Following jenkins https://ci.corp.example/queue/item/4711/", Handle{Backend: "jenkins", Places: []string{"https://ci.corp.example/queue/item/4711/"}}},
		{"Following jenkins http://ci/queue/item/1/#team/a%20b http://ci/job/x/2/", Handle{Backend: "jenkins", Places: []string{"http://ci/queue/item/1/#team/a%20b", "http://ci/job/x/2/"}}},
		{"Following rule https://awx.test/api/v2/jobs/17/?a=1&b=2 (seal 00ff00ff00ff00ff)", Handle{Backend: "rule", Places: []string{"https://awx.test/api/v2/jobs/17/?a=1&b=2"}, seal: "00ff00ff00ff00ff"}},
	} {
		got, ok := ParseHandle("  " + tc.line + "\n")
		if !ok || !reflect.DeepEqual(got, tc.want) || got.String() != tc.line {
			t.Errorf("%s: got %+v, %t, printed as %s", tc.line, got, ok, got)
		}
	}
	for _, line := range []string{
		"", "Following", "Following jenkins", "Following jenkins queue/item/1", "Following the docs https://x", "following jenkins https://ci/",
		"Following jenkins https://user:pass@ci/queue/item/1/", "Following jenkins ftp://ci/", "Following rule https://x/ (seal 1", "Not Following jenkins https://ci/",
	} {
		if got, ok := ParseHandle(line); ok {
			t.Errorf("%q: got %+v, want none", line, got)
		}
	}
}
