package agent

import (
	"reflect"
	"testing"
)

// Later news replaces fields and adds to lines; what it does not say stays.
func TestReportAdd(t *testing.T) {
	t.Parallel()
	lines := func(messages ...string) []LogLine {
		var l []LogLine
		for _, m := range messages {
			l = append(l, LogLine{LevelInfo, m})
		}
		return l
	}
	got := Report{StatusLabel: "Queued", Link: "https://a", Lines: lines("a")}
	got.Add(Report{StatusLabel: "Running", ExternalRunID: "7", Lines: lines("b", "c")})
	got.Add(Report{Summary: "s", Link: []string{"https://b"}})
	want := Report{StatusLabel: "Running", ExternalRunID: "7", Summary: "s", Link: []string{"https://b"}, Lines: lines("a", "b", "c")}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
