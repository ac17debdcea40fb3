package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files of testdata")

// golden compares got with a file.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got:\n%s\nwant (%s):\n%s", got, file, want)
	}
}

// TestCheck holds the command to the lines beside each mapping of testdata.
func TestCheck(t *testing.T) {
	setEnv(t, nil)
	t.Chdir("testdata/check")
	files, err := filepath.Glob("*.json")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d mappings (%v), want 10 or more", len(files), err)
	}
	for _, file := range files {
		t.Run(file, func(t *testing.T) {
			code, out, errs := runCommand("check", "-mapping", file)
			if errs != "" {
				t.Errorf("stderr = %q, want nothing", errs)
			}
			lines := strings.Split(strings.TrimSpace(out), "\n")
			want := exitOK
			if !strings.Contains(lines[len(lines)-1], ": 0 errors") {
				want = exitFailed
			}
			if code != want {
				t.Errorf("exit code = %d, want %d", code, want)
			}
			golden(t, strings.TrimSuffix(file, ".json")+".txt", out)
		})
	}
}

func TestCheckExamples(t *testing.T) {
	for _, dir := range exampleDirs(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			setEnv(t, exampleEnv(t, dir))
			file := filepath.Join(dir, "invocations.json")
			code, out, errs := runCommand("check", "-mapping", file)
			if want := file + ": 0 errors, 0 warnings\n"; code != exitOK || out != want || errs != "" {
				t.Errorf("check = %d, %q, %q; want %d, %q", code, out, errs, exitOK, want)
			}
		})
	}
}

func TestCheckFindsTheFile(t *testing.T) {
	tests := []struct {
		name string
		env  map[string]string
		args []string
		want string
	}{
		{"no file", nil, nil, "no mapping file: the built-in rule takes every event as it is\n"},
		{"named", nil, []string{"-mapping", "a.json"}, "a.json: 0 errors, 0 warnings\n"},
		{"by the settings", map[string]string{"INVOCATIONS_PATH": "a.json"}, nil, "a.json: 0 errors, 0 warnings\n"},
		{"by the older setting", map[string]string{"CONTROL_THE_PAYLOAD_CONFIG_PATH": "a.json"}, nil, "a.json: 0 errors, 0 warnings\n"},
		{"an argument wins", map[string]string{"INVOCATIONS_PATH": "none.json"}, []string{"-mapping", "a.json"}, "a.json: 0 errors, 0 warnings\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			setEnv(t, tt.env)
			dir := t.TempDir()
			t.Chdir(dir)
			t.Setenv("HOME", dir)
			if err := os.WriteFile("a.json", []byte(`[{"enabled": true}]`), 0o600); err != nil {
				t.Fatal(err)
			}
			if code, out, errs := runCommand(append([]string{"check"}, tt.args...)...); code != exitOK || out != tt.want {
				t.Errorf("check = %d, %q, %q; want %d, %q", code, out, errs, exitOK, tt.want)
			}
		})
	}
}

func TestCommandFaults(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good.json")
	if err := os.WriteFile(good, []byte(`[]`), 0o600); err != nil {
		t.Fatal(err)
	}
	badPoll := filepath.Join(dir, "poll.json")
	if err := os.WriteFile(badPoll, []byte(`[{}, {"statusCode": "200"}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		env  map[string]string
		args []string
		code int
		want string // in what is printed on standard error
	}{
		{"check: unknown flag", nil, []string{"check", "-file", good}, exitInvalid, "flag provided but not defined: -file"},
		{"check: an argument", nil, []string{"check", good}, exitInvalid, "unexpected argument"},
		{"check: no such file", nil, []string{"check", "-mapping", filepath.Join(dir, "none.json")}, exitFailed, "none.json: no such file or directory"},
		{"check: settings", map[string]string{"MAPPING_TIMEOUT_MS": "soon"}, []string{"check", "-mapping", good}, exitInvalid, `MAPPING_TIMEOUT_MS: "soon" is not a whole number`},
		{"explain: no event", nil, []string{"explain", "-mapping", good}, exitInvalid, "-event is required"},
		{"explain: an argument", nil, []string{"explain", "-event", good, "more"}, exitInvalid, "unexpected argument"},
		{"explain: no such event", nil, []string{"explain", "-mapping", good, "-event", filepath.Join(dir, "none.json")}, exitFailed, "read event: "},
		{"explain: no event in it", nil, []string{"explain", "-mapping", good, "-event", good}, exitFailed, "malformed event: not a JSON object: the agent drops it"},
		{"explain: mapping broken", nil, []string{"explain", "-mapping", "testdata/check/trailing-comma.json", "-event", good}, exitFailed, "trailing comma"},
		{"test: no such path", nil, []string{"test", filepath.Join(dir, "none")}, exitFailed, "none: no such file or directory"},
		{"test: no cases", nil, []string{"test", dir}, exitFailed, "no cases in "},
		{"test: expression", nil, []string{"test", "-run", "(", dir}, exitInvalid, "-run: "},
		{"test: JUnit file", nil, []string{"test", "-junit", filepath.Join(dir, "none", "x"), dir}, exitFailed, "no such file or directory"},
		{"playground: not for others", nil, []string{"playground", "-no-open", "-addr", "0.0.0.0:0"}, exitInvalid, "not a loopback address"},
		{"playground: no such mapping", nil, []string{"playground", "-no-open", "-mapping", filepath.Join(dir, "none.json")}, exitFailed, "read mapping: "},
		{"playground: nothing to write", nil, []string{"playground", "-no-open", "-write"}, exitFailed, "-write needs -mapping"},
		{"schema: an argument", nil, []string{"schema", "more"}, exitInvalid, "unexpected argument"},
		{"explain: no such response", nil, []string{"explain", "-mapping", good, "-event", examples + "/awx/event.json", "-response", filepath.Join(dir, "none.json")}, exitFailed, "read response: "},
		{"explain: empty response", nil, []string{"explain", "-mapping", good, "-event", examples + "/awx/event.json", "-response", os.DevNull}, exitFailed, "is empty"},
		{"explain: no such poll", nil, []string{"explain", "-mapping", good, "-event", examples + "/awx/event.json", "-poll", filepath.Join(dir, "none.json")}, exitFailed, "read poll: "},
		{"explain: poll of another kind", nil, []string{"explain", "-mapping", good, "-event", examples + "/awx/event.json", "-poll", badPoll}, exitFailed, "poll.json: answer 1: statusCode is a JSON string"},
		{"explain: response of another kind", nil, []string{"explain", "-mapping", good, "-event", examples + "/awx/event.json", "-response", good}, exitFailed, "good.json: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			setEnv(t, tt.env)
			code, out, errs := runCommand(tt.args...)
			if code != tt.code || out != "" || !strings.Contains(errs, tt.want) {
				t.Errorf("%q = %d, %q, %q; want %d, nothing, %q", tt.args, code, out, errs, tt.code, tt.want)
			}
		})
	}
}

// TestTestExamples is the step of CI, which also has to be quick.
func TestTestExamples(t *testing.T) {
	setEnv(t, nil)
	junit := filepath.Join(t.TempDir(), "junit.xml")
	code, out, errs := runCommand("test", "-cover", "-junit", junit, examples)
	if code != exitOK || errs != "" || strings.Contains(out, "never") || !strings.Contains(out, "\nok  ") {
		t.Errorf("test = %d, %s%s", code, out, errs)
	}
	if !exists(junit) {
		t.Error("no JUnit file")
	}
	started := time.Now()
	if code, _, _ := runCommand("test", examples); code != exitOK || time.Since(started) > 2*time.Second {
		t.Errorf("test = %d after %s, want %d within 2s", code, time.Since(started), exitOK)
	}
}

func TestCommandHelp(t *testing.T) {
	for command, want := range map[string]string{"check": checkUsage, "explain": explainUsage, "test": testUsage, "playground": playgroundUsage, "schema": schemaUsage} {
		if code, out, errs := runCommand(command, "-help"); code != exitOK || out != want || errs != "" {
			t.Errorf("%s -help = %d, %q, %q; want its usage", command, code, out, errs)
		}
	}
}
