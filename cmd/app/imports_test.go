package app

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "port-agent/"

// listed is what go list says of one package.
type listed struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
	Deps         []string
}

// list asks the go tool, whose answer needs no network: every dependency is
// in the module cache once this test has been built.
func list(t *testing.T, args ...string) []listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-json=ImportPath,Imports,TestImports,XTestImports,Deps"}, args...)...)
	cmd.Dir = "../.."
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("list packages: %v: %s", err, stderr.String())
	}
	var packages []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

// mayImport says, for the parts of the product, which other parts a package
// may import. A child imports its parent, or else knows nothing of it.
var mayImport = map[string][]string{
	"invoker":                {"invoker/wire"},
	"invoker/wire":           nil,
	"invoker/wire/wiretest":  nil,
	"invoker/follow":         {"invoker", "invoker/follow/ci", "invoker/wire", "transform"},
	"invoker/follow/ci":      {"invoker", "invoker/wire"},
	"invoker/follow/cistand": nil,
	"transform":              {"transform/jq"},
	"transform/jq":           nil,
	"agent":                  {"agent/activity", "agent/event", "agent/redact", "invoker", "invoker/follow", "invoker/follow/ci", "invoker/wire", "transform"},
	"agent/activity":         nil,
	"agent/event":            {"invoker"},
	"agent/redact":           nil,
	"agent/port":             {"agent", "agent/redact", "invoker", "invoker/wire"},
	"agent/port/porttest":    {"agent", "agent/port", "invoker"},
	"agent/kafka":            {"agent", "agent/kafka/batch", "agent/kafka/ledger", "invoker"},
	"agent/kafka/batch":      nil,
	"agent/kafka/kafkatest":  {"agent", "agent/kafka", "invoker"},
	"agent/kafka/ledger":     nil,
	"agent/polling":          {"agent", "agent/port", "invoker"},
}

// TestImportsGoOneWay holds the direction cmd → agent/… → agent → invoker →
// invoker/wire, and transform. Packages of cmd may import whatever is below them.
func TestImportsGoOneWay(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, p := range list(t, "./...") {
		name := strings.TrimPrefix(p.ImportPath, module)
		seen[name] = true
		if strings.HasPrefix(name, "cmd/") || strings.HasPrefix(name, "examples") {
			continue
		}
		allowed, known := mayImport[name]
		if !known {
			t.Errorf("%s: no rule says what it may import", name)
		}
		for _, i := range p.Imports {
			if part, ours := strings.CutPrefix(i, module); ours && !slices.Contains(allowed, part) {
				t.Errorf("%s imports %s", name, part)
			}
		}
		for _, i := range slices.Concat(p.TestImports, p.XTestImports) {
			if strings.HasPrefix(i, module+"cmd/") {
				t.Errorf("a test of %s imports %s", name, i)
			}
		}
	}
	for name := range mayImport {
		if !seen[name] {
			t.Errorf("there is no package %s", name)
		}
	}
}

// TestLibrariesHaveOnePlace keeps a library that shapes its surroundings in
// the one part that is about it.
func TestLibrariesHaveOnePlace(t *testing.T) {
	t.Parallel()
	places := []struct {
		library string
		in      []string // parts that may import it; a part includes what is below it
		inTests []string // parts whose tests may as well
	}{
		{"github.com/itchyny/gojq", []string{"transform/jq"}, nil},
		{"github.com/segmentio/kafka-go", []string{"agent/kafka", "cmd/sandbox", "cmd/bench"}, []string{"cmd"}},
		{"github.com/twmb/franz-go", []string{"agent/kafka/kafkatest", "cmd/sandbox", "cmd/bench"}, []string{"agent/kafka", "cmd"}},
		{"github.com/kelseyhightower/envconfig", []string{"cmd"}, nil},
	}
	within := func(name string, parts []string) bool {
		return slices.ContainsFunc(parts, func(p string) bool { return name == p || strings.HasPrefix(name, p+"/") })
	}
	for _, p := range list(t, "./...") {
		name := strings.TrimPrefix(p.ImportPath, module)
		for _, place := range places {
			uses := func(imports []string) bool {
				return slices.ContainsFunc(imports, func(i string) bool {
					return i == place.library || strings.HasPrefix(i, place.library+"/")
				})
			}
			if uses(p.Imports) && !within(name, place.in) {
				t.Errorf("%s imports %s, which is for %v", name, place.library, place.in)
			}
			if uses(slices.Concat(p.TestImports, p.XTestImports)) && !within(name, slices.Concat(place.in, place.inTests)) {
				t.Errorf("a test of %s imports %s", name, place.library)
			}
		}
	}
}

// TestProductLinksNoTestbed keeps the in-memory Kafka, the stand-in for Port
// and net/http's test server out of the product's binary.
func TestProductLinksNoTestbed(t *testing.T) {
	t.Parallel()
	for _, p := range list(t, "./cmd/port-agent") {
		for _, d := range p.Deps {
			if strings.HasPrefix(d, "github.com/twmb/franz-go") || strings.HasPrefix(d, module) && strings.HasSuffix(d, "test") ||
				d == "net/http/httptest" || d == "testing" {
				t.Errorf("the product links %s", d)
			}
		}
		if !slices.Contains(p.Deps, module+"agent/kafka") {
			t.Error("go list does not tell what the product links")
		}
	}
}
