package invoker

import "testing"

func TestHeaderCheck(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, value, want string }{
		{"X-A", "ü", ""},
		{"X A", "1", `header name "X A" is not valid`},
		{"X-A", "1\r\nX-B: 2", "header X-A holds a line break"},
		{"X-A", "1\x00", "header X-A holds a control character"},
	} {
		if err := checkHeader(tc.name, tc.value); (err == nil) != (tc.want == "") || err != nil && err.Error() != tc.want {
			t.Errorf("%s %q: got %v, want %q", tc.name, tc.value, err, tc.want)
		}
	}
}
