package tests

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestReadmeTable holds the table of values to values.yaml: a row for each,
// no row for another, and its default.
func TestReadmeTable(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(chartDir + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	defaults := leaves("", load(t, chartDir+"/values.yaml"))
	row := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (.+) \\| `(.*)` \\|$")
	var got []string
	for _, m := range row.FindAllStringSubmatch(string(readme), -1) {
		name, text, value := m[1], m[2], m[3]
		want, ok := defaults[name]
		if !ok {
			t.Errorf("the table has %s, values.yaml has not", name)
			continue
		}
		got = append(got, name)
		var shown any
		if err := json.Unmarshal([]byte(value), &shown); err != nil {
			t.Errorf("%s: %q is no JSON: %v", name, value, err)
			continue
		}
		a, _ := json.Marshal(shown)
		b, _ := json.Marshal(want)
		if string(a) != string(b) {
			t.Errorf("%s: the table says %s, values.yaml %s", name, a, b)
		}
		if strings.TrimSpace(text) == "" {
			t.Errorf("%s is not described", name)
		}
	}
	for name := range defaults {
		if n := len(slices.DeleteFunc(slices.Clone(got), func(g string) bool { return g != name })); n != 1 {
			t.Errorf("the table has %s %d times, want once", name, n)
		}
	}
}

// TestReadmeAlerts holds the table of alerts to the alerts.
func TestReadmeAlerts(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(chartDir + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	rules := alertFile(t)
	for _, m := range regexp.MustCompile("(?m)^\\| `(PortAgent\\w+)` \\|").FindAllStringSubmatch(string(readme), -1) {
		if _, ok := rules[m[1]]; !ok {
			t.Errorf("the README tells of %s, which is no alert", m[1])
		}
		delete(rules, m[1])
	}
	for name := range rules {
		t.Errorf("the README does not tell of %s", name)
	}
}

// leaves gives every value that is set alone, by its path. The probes are
// replaced or changed as a whole.
func leaves(path string, value any) map[string]any {
	object, ok := value.(map[string]any)
	if !ok || len(object) == 0 || strings.HasSuffix(path, "Probe") {
		return map[string]any{path: value}
	}
	all := map[string]any{}
	for key, v := range object {
		for name, leaf := range leaves(strings.TrimPrefix(path+"."+key, "."), v) {
			all[name] = leaf
		}
	}
	return all
}

// TestReadmeExamples renders every YAML example of the README.
func TestReadmeExamples(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(chartDir + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	if len(blocks) < 4 {
		t.Fatalf("got %d examples, want more", len(blocks))
	}
	for _, block := range blocks {
		values := parse(t, block[1])
		sets := []string{credentials}
		if values["secret"] != nil {
			sets = nil
		}
		objects(t, values, sets...)
	}
}
