package wire

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		at := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
		for _, tc := range []struct {
			header, date string
			want         time.Duration
			asked        bool
		}{
			{"7", "", 7 * time.Second, true},
			{" 1.5 ", "", 1500 * time.Millisecond, true},
			{"0", "", 0, true},
			{"-3", "", 0, true},
			{"NaN", "", 0, true},
			{"99999999999999", "", MaxWait, true},
			{"1e999", "", MaxWait, true},
			{at(90 * time.Second), "", 90 * time.Second, true},
			{at(90 * time.Second), at(time.Minute), 30 * time.Second, true}, // the server's clock is ahead
			{at(-time.Hour), "", 0, true},
			{"soon", "", 0, false},
			{"", "", 0, false},
		} {
			h := http.Header{"Retry-After": {tc.header}, "Date": {tc.date}}
			if got, asked := RetryAfter(h); asked != tc.asked || asked && got != tc.want {
				t.Errorf("%q: got %v, %t, want %v, %t", tc.header, got, asked, tc.want, tc.asked)
			}
		}
	})
}
