package agent

import (
	"strings"
	"testing"
)

// A run's requests carry its trace, which is the event's where it has one; the
// log names it. A rule's header wins.
func TestTrace(t *testing.T) {
	const given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
	tests := []struct {
		name, mapping string
		members       []any
		id, flags     string // empty: the agent's own, 01
		want          string // empty: made of id and flags
	}{
		{name: "none given", mapping: builtIn},
		{name: "given", mapping: builtIn, members: []any{"headers.traceparent", given}, id: "4bf92f3577b34da6a3ce929d0e0e4736", flags: "00"},
		{name: "not valid", mapping: builtIn, members: []any{"headers.traceparent", strings.ToUpper(given)}},
		{name: "all zero", mapping: builtIn, members: []any{"headers.traceparent", "00-" + noTrace + "-00f067aa0ba902b7-01"}},
		{name: "rule", mapping: `[{"headers": {"traceparent": "\"mine\""}}]`, want: "mine"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, tt.mapping)
			f.settle(t, runEvent(t, "r_1", tt.members...))
			got := f.backend.requests()[0].Header.Get(traceHeader)
			m := traceParent.FindStringSubmatch(got)
			switch {
			case tt.want != "":
				if got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			case m == nil || m[2] == "00f067aa0ba902b7":
				t.Errorf("got %q, want a trace context with a span of the agent's own", got)
			case tt.id != "" && (m[1] != tt.id || !strings.HasSuffix(got, tt.flags)):
				t.Errorf("got %q, want the trace %s and flags %s", got, tt.id, tt.flags)
			case !strings.Contains(f.log.String(), `"trace":"`+m[1]+`"`):
				t.Errorf("the log does not name the trace %s: %s", m[1], f.log)
			}
			again := newFixture(t, tt.mapping)
			again.settle(t, runEvent(t, "r_1", tt.members...))
			if second := again.backend.requests()[0].Header.Get(traceHeader); second != got {
				t.Errorf("sent again with %q, want %q", second, got)
			}
		})
	}
}
