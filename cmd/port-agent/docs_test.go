package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var fence = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$")

// TestTutorial follows docs/mappings.md as a reader would: it saves the event
// and each mapping that is shown, runs the commands and holds what they print
// to what the tutorial shows. A line of … stands for what comes before.
func TestTutorial(t *testing.T) {
	text, err := os.ReadFile("../../docs/mappings.md")
	if err != nil {
		t.Fatal(err)
	}
	setEnv(t, nil)
	t.Chdir(t.TempDir())
	save := func(name, content string) {
		if err := os.WriteFile(filepath.Clean(name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ran := 0
	for _, m := range fence.FindAllStringSubmatch(string(text), -1) {
		kind, content := m[1], m[2]
		switch {
		case kind == "console":
			for step := range strings.SplitSeq(strings.TrimPrefix(content, "$ "), "\n$ ") {
				command, want, _ := strings.Cut(step, "\n")
				if want = strings.TrimSpace(want); want != "" {
					want += "\n"
				}
				words := strings.Fields(command)
				switch words[0] {
				case "export":
					name, _, _ := strings.Cut(words[1], "=")
					t.Setenv(name, "a-value-that-is-secret")
				case "cat":
					save(words[1], want)
				case "port-agent":
					ran++
					_, out, errs := runCommand(words[1:]...)
					end, part := strings.CutPrefix(want, "…\n")
					if errs != "" || !part && out != want || part && !strings.HasSuffix(out, end) {
						t.Errorf("%s prints\n%s%s\nthe tutorial shows\n%s", command, out, errs, want)
					}
				default:
					t.Errorf("the tutorial runs %q", command)
				}
			}
		case strings.HasPrefix(content, "{"):
			save("event.json", content)
		case strings.HasPrefix(content, "["):
			save("invocations.json", content)
		}
	}
	testTutorialCases(t, string(text), save)
	if ran < 4 {
		t.Errorf("%d commands, want 4 or more", ran)
	}
}

// testTutorialCases runs the cases that the tutorial shows on its first rule
// with a request of its own.
func testTutorialCases(t *testing.T, text string, save func(name, content string)) {
	t.Helper()
	var mappings []string
	list := ""
	for _, m := range fence.FindAllStringSubmatch(text, -1) {
		switch kind, content := m[1], m[2]; {
		case kind == "json" && strings.HasPrefix(content, "["):
			mappings = append(mappings, content)
		case kind == "json" && strings.HasPrefix(content, "{") && strings.Contains(content, `"payload"`):
			save("event.json", content)
		case kind == "jsonc" && strings.HasPrefix(content, "["):
			list = regexp.MustCompile(`(?m)\s+// .*$`).ReplaceAllString(content, "")
		}
	}
	save("invocations.json", mappings[1])
	save("invocations_test.json", list)
	if code, out, errs := runCommand("test", "-v", "."); code != exitOK || !strings.Contains(out, "2 cases") {
		t.Errorf("the cases of the tutorial: %d %s%s", code, out, errs)
	}
}
