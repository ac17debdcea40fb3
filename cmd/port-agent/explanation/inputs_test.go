package explanation

import (
	"strings"
	"testing"

	"port-agent/agent"
)

func TestInputs(t *testing.T) {
	t.Parallel()
	event := map[string]any{
		"action":  "deploy",
		"payload": map[string]any{"entity": nil, "properties": map[string]any{"stage": "prod", "n": 3, "tags": []any{"a"}, "long": strings.Repeat("é", 100)}},
	}
	for expr, want := range map[string]string{
		`.action == "restart"`:                                         `.action is "deploy"`,
		`.action == "x" or .action == "y"`:                             `.action is "deploy"`,
		`(.action == ".payload") and .payload.properties.n > 5`:        `.action is "deploy", .payload.properties.n is 3`,
		`.payload.entity.team == "a"`:                                  `.payload.entity.team is null`,
		`.payload.properties.tags[0] == env.NAME`:                      `.payload.properties.tags is ["a"]`,
		`.action.name == "x"`:                                          `.action.name is not there`,
		`.payload.properties.long == ""`:                               `.payload.properties.long is "` + strings.Repeat("é", maxInput-1) + `…`,
		`.a == .b and .c == .d`:                                        `.a is null, .b is null, .c is null`,
		`.payload | .action == "x"`:                                    ``,
		`any(.payload.properties.tags[]; . == "b")`:                    ``,
		`.payload.properties.tags[] == "b"`:                            ``,
		`"a \" .b" == .action`:                                         `.action is "deploy"`,
		`1.5 < 2`:                                                      ``,
		`.payload.properties.stage == "prod" and (.action|test("^x"))`: ``,
		`true`: ``,
	} {
		if got := inputs(expr, event, concealer{}); got != want {
			t.Errorf("inputs(%q) = %q, want %q", expr, got, want)
		}
	}
}

func TestInputsConceal(t *testing.T) {
	t.Parallel()
	c := newConcealer(false, []string{strings.Repeat("s3cret", 20)}, new(agent.Explanation))
	event := map[string]any{"a": "x" + strings.Repeat("s3cret", 20), "b": map[string]any{"api_token": "t-1", "note": "n"}}
	got := inputs(`.a == "x" and .b == 1 and .b.api_token == "t-2"`, event, c)
	want := `.a is "x[redacted]", .b is {"api_token":"[redacted]","note":"n"}, .b.api_token is [redacted]`
	if got != want {
		t.Errorf("inputs = %q, want %q", got, want)
	}
}
