package transform

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func parse(t *testing.T, file string, cfg Config) *Mapping {
	t.Helper()
	m, findings := Parse("m.json", []byte(file), cfg, testEnv)
	if m == nil {
		t.Fatal(findings)
	}
	return m
}

func TestLoad(t *testing.T) {
	home, dir := t.TempDir(), t.TempDir()
	t.Setenv("HOME", home)
	t.Chdir(dir)
	write := func(file, name string) string {
		t.Helper()
		if err := os.WriteFile(file, []byte(`[{"name": "`+name+`"}]`), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	load := func(cfg Config) string {
		t.Helper()
		m, err := Load(cfg, nil)
		if err != nil {
			t.Fatal(err)
		}
		return m.File + ":" + m.Rules[0].Name
	}
	check := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("loaded %s, want %s", got, want)
		}
	}
	check(load(Config{}), ":")
	inHome := write(filepath.Join(home, "control_the_payload_config.json"), "home")
	check(load(Config{}), inHome+":home")
	write("control_the_payload_config.json", "old")
	check(load(Config{}), "control_the_payload_config.json:old")
	write("invocations.json", "new")
	check(load(Config{}), "invocations.json:new")
	legacy := write(filepath.Join(dir, "legacy.json"), "legacy")
	check(load(Config{LegacyPath: legacy}), legacy+":legacy")
	named := write(filepath.Join(dir, "named.json"), "named")
	check(load(Config{Path: named, LegacyPath: legacy}), named+":named")

	if _, err := Load(Config{Path: filepath.Join(dir, "none.json")}, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that was named and is not there gives %v", err)
	}
	if err := os.Remove("invocations.json"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir("invocations.json", 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(Config{}, nil); err == nil {
		t.Error("a folder in the place of the file was passed over")
	}
}

func TestBuiltInRule(t *testing.T) {
	t.Parallel()
	m, findings := Parse("", []byte(builtIn), Config{}, nil)
	if m == nil {
		t.Fatal(findings)
	}
	r, err := m.Match(t.Context(), map[string]any{"a": 1})
	if err != nil {
		t.Fatal(err)
	}
	req, warnings, err := r.Request(t.Context(), nil)
	if !reflect.DeepEqual(req, Request{}) || warnings != nil || err != nil {
		t.Errorf("request %+v, %v, %v; want nothing", req, warnings, err)
	}
	if len(m.Rules) != 1 || m.File != "" || len(m.Warnings) != 0 {
		t.Errorf("mapping %q of %d rules, %v", m.File, len(m.Rules), m.Warnings)
	}
}

func TestConfigValidate(t *testing.T) {
	t.Parallel()
	for ms, want := range map[int]bool{0: false, 1: true, 60_000: true, -1: false, 60_001: false} {
		if err := (Config{TimeoutMS: ms}).Validate(); (err == nil) != want {
			t.Errorf("%d ms: %v", ms, err)
		}
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, rules, event string
		want               int // -1: none
		why                string
	}{
		{"first of two", `[{"enabled": ".a"}, {}]`, `{"a": true}`, 0, "enabled gave true"},
		{"second of two", `[{"enabled": ".a"}, {}]`, `{"a": false}`, 1, "enabled gave false; enabled is true"},
		{"text is not true", `[{"enabled": ".a"}]`, `{"a": "true"}`, -1, "enabled gave text, not true"},
		{"a number is not true", `[{"enabled": ".a"}]`, `{"a": 1}`, -1, "enabled gave a number, not true"},
		{"null is not true", `[{"enabled": ".a"}]`, `{}`, -1, "enabled gave null"},
		{"first output counts", `[{"enabled": ".a[]"}]`, `{"a": [true, false]}`, 0, "enabled gave true"},
		{"failure is not true", `[{"enabled": ".a.b"}, {"enabled": false}]`, `{"a": "s3cr3t"}`, -1,
			"enabled failed: expected an object but got: string; enabled is false"},
		{"words", `[{"enabled": "off"}, {"enabled": "No"}, {"enabled": "F"}, {"enabled": 0}, {"enabled": "YES"}]`, `{}`, 4,
			"enabled is false; enabled is false; enabled is false; enabled is false; enabled is true"},
		{"one", `[{"enabled": 1}]`, `{}`, 0, "enabled is true"},
		{"text one", `[{"enabled": "1"}]`, `{}`, 0, "enabled is true"},
		{"true in blanks is an expression", `[{"enabled": " true "}]`, `{}`, 0, "enabled gave true"},
		{"blank is the event", `[{"enabled": ""}]`, `true`, 0, "enabled gave true"},
		{"null is absent", `[{"enabled": null}]`, `{}`, 0, "enabled is true"},
		{"no rules", `[]`, `{}`, -1, ""},
		{"no object", `[{"enabled": ".a == 1"}]`, `[]`, -1, "enabled failed: expected an object but got: array"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m := parse(t, test.rules, Config{})
			event := decode(t, test.event)
			got := -1
			r, err := m.Match(t.Context(), event)
			if r != nil {
				got = r.Index
			}
			if got != test.want || (err == nil) != (got >= 0) || err != nil && !errors.Is(err, ErrNoRule) {
				t.Errorf("rule %d, %v; want %d", got, err, test.want)
			}
			r, considered := m.Consider(t.Context(), event)
			var whys []string
			for i, c := range considered {
				whys = append(whys, c.Why)
				if c.Rule != i || c.Enabled != (r != nil && r.Index == i) {
					t.Errorf("considered %+v", c)
				}
			}
			if why := strings.Join(whys, "; "); why != test.why {
				t.Errorf("why: %s\nwant %s", why, test.why)
			}
		})
	}
}

func TestMatchTellsOfFailures(t *testing.T) {
	t.Parallel()
	m := parse(t, `[{"enabled": ".a.b", "name": "x"}, {"enabled": ".c"}]`, Config{})
	_, err := m.Match(t.Context(), map[string]any{"a": "s3cr3t"})
	const want = `no rule matches: rule 0 "x", field enabled: expected an object but got: string`
	if !errors.Is(err, ErrNoRule) || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestMatchCanceled(t *testing.T) {
	t.Parallel()
	m := parse(t, `[{"enabled": "[range(1e6)] == []"}]`, Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Match(ctx, nil); !errors.Is(err, context.Canceled) || errors.Is(err, ErrNoRule) {
		t.Errorf("error %v, want that of the context", err)
	}
}

func TestRuleFields(t *testing.T) {
	t.Parallel()
	m := parse(t, `[{"name": "n", "backend": "azure-devops", "timeout": 0.25, "onInterrupted": "retry",
		"retry": {"attempts": 3, "statuses": [502, 504]},
		"fieldsToDecryptPaths": [".payload.properties.a", "payload.list.0.b", "payload.list.*.c", "x[0].y", "x[][1]", "x[\"k\"]", " .payload.d\n"]},
		{"backend": "GITHUB", "timeout": 30}, {}]`, Config{})
	r := m.Rules[0]
	if r.Name != "n" || r.Backend != "AZURE_DEVOPS" || r.Timeout != 250*time.Millisecond || r.OnInterrupted != "retry" ||
		!reflect.DeepEqual(r.Retry, Retry{Attempts: 3, Statuses: []int{502, 504}}) {
		t.Errorf("rule %+v, retry %+v", r, r.Retry)
	}
	want := [][]string{{"payload", "properties", "a"}, {"payload", "list", "0", "b"}, {"payload", "list", "*", "c"},
		{"x", "0", "y"}, {"x", "*", "1"}, {"x", "k"}, {"payload", "d"}}
	if got := r.DecryptPaths; !reflect.DeepEqual(got, want) {
		t.Errorf("paths %q, want %q", got, want)
	}
	if r := m.Rules[1]; r.Backend != "GITHUB" || r.Timeout != 30*time.Second {
		t.Errorf("rule %+v", r)
	}
	if r := m.Rules[2]; r.Backend != "" || r.Timeout != 0 || r.OnInterrupted != "" || !reflect.DeepEqual(r.Retry, Retry{}) || r.DecryptPaths != nil {
		t.Errorf("rule %+v, want all left open", r)
	}
}

func TestOrderKey(t *testing.T) {
	t.Parallel()
	tests := []struct {
		rule, want string
		set, fails bool
	}{
		{`{}`, "", false, false},
		{`{"orderBy": ".s"}`, "x", true, false},
		{`{"orderBy": ".n"}`, "12345678901234567890", true, false},
		{`{"orderBy": "[.s, .n]"}`, `["x",12345678901234567890]`, true, false},
		{`{"orderBy": "\"\""}`, "", true, false},
		{`{"orderBy": ".none"}`, "", false, false},
		{`{"orderBy": ".s.x"}`, "", false, true},
	}
	for _, test := range tests {
		r := parse(t, "["+test.rule+"]", Config{}).Rules[0]
		got, set, err := r.OrderKey(t.Context(), decode(t, `{"s": "x", "n": 12345678901234567890}`))
		var failed *ExprError
		if got != test.want || set != test.set || errors.As(err, &failed) != test.fails {
			t.Errorf("%s: %q, %t, %v; want %q, %t", test.rule, got, set, err, test.want, test.set)
		}
	}
}
