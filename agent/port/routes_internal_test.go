package port

import "testing"

// An id cannot leave its place in the path, whatever stands in it.
func TestRouteURL(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ base, id, want string }{
		{"https://api.test", "r_1", "https://api.test/v1/actions/runs/r_1/logs"},
		{"https://api.test/", "r_1", "https://api.test/v1/actions/runs/r_1/logs"},
		{"https://api.test?", "r_1", "https://api.test/v1/actions/runs/r_1/logs"},
		{"https://api.test:8443/port", "r_1", "https://api.test:8443/port/v1/actions/runs/r_1/logs"},
		{"https://api.test", "a/../b?c=d#e", "https://api.test/v1/actions/runs/a%2F..%2Fb%3Fc=d%23e/logs"},
		{"https://api.test", "50%", "https://api.test/v1/actions/runs/50%25/logs"},
		{"https://api.test", "zwölf %2F", "https://api.test/v1/actions/runs/zw%C3%B6lf%20%252F/logs"},
		{"https://api.test/a%2Fb/", "r_1", "https://api.test/a%2Fb/v1/actions/runs/r_1/logs"},
		{"https://api.test/a%2Fb", "c/d", "https://api.test/a%2Fb/v1/actions/runs/c%2Fd/logs"},
	} {
		base, err := Config{BaseURL: tt.base}.base()
		if err != nil {
			t.Fatal(err)
		}
		if got := routeLog.url(base, tt.id); got != tt.want {
			t.Errorf("%s, run %s:\n got %s\nwant %s", tt.base, tt.id, got, tt.want)
		}
	}
}
