package port

import (
	"net/http"
	"testing"
	"time"
)

// Whatever the headers say, no wait is negative or longer than two windows.
func FuzzAskedWait(f *testing.F) {
	f.Add("120", "", "", "Mon, 02 Jan 2006 15:04:05 GMT")
	f.Add("Mon, 02 Jan 2006 15:04:05 GMT", "0", "15000", "")
	f.Add("", "-1", "NaN", "1751234567")
	f.Add("1e400", "Inf", "-Inf", "-9223372036854775808")
	f.Add("NaN", "", "", "NaN")
	f.Fuzz(func(t *testing.T, after, remaining, total, reset string) {
		h := http.Header{"Retry-After": {after}, "X-Ratelimit-Remaining": {remaining}, "X-Ratelimit-Limit": {total}, "X-Ratelimit-Reset": {reset}}
		for _, status := range []int{200, 429, 503} {
			var l limit
			res := &http.Response{StatusCode: status, Header: h}
			d, asked := askedWait(res)
			l.note(res, d, asked)
			if d < 0 || d > maxAsked || l.remaining() > maxAsked {
				t.Errorf("%d with %q: got a wait of %s and a limit of %s", status, h, d, l.remaining())
			}
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	fields := map[string]any{"status": "SUCCESS", "link": "https://ci.internal/job/1"}
	for b.Loop() {
		if _, err := encode(fields); err != nil {
			b.Fatal(err)
		}
	}
}

func TestBackoffGrowsToItsBounds(t *testing.T) {
	t.Parallel()
	var b backoff
	for i, want := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, longWait, longWait} {
		if got := b.next(); got < want/2 || got > want {
			t.Errorf("wait %d: got %s, want between %s and %s", i, got, want/2, want)
		}
	}
}
