package app

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"port-agent/agent"
	"port-agent/transform"
)

// root is the project's folder, seen from here.
const root = "../.."

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// tableRows gives the cells of every table row of a Markdown text whose first
// cell begins with a code span, by the text of that span.
func tableRows(text string) map[string][]string {
	rows := map[string][]string{}
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, "| `")
		if !ok {
			continue
		}
		name, _, _ := strings.Cut(rest, "`")
		cells := strings.Split(strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(line), "|"), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows[name] = cells
	}
	return rows
}

// TestSettingsAreDocumented holds the tables of docs/configure.md to the
// structs that are read: no setting missing, none too many, the same defaults.
func TestSettingsAreDocumented(t *testing.T) {
	rows := tableRows(readText(t, "docs/configure.md"))
	for _, s := range settings(new(Config).parts()...) {
		cells, ok := rows[s.name]
		if !ok {
			t.Errorf("%s is not documented", s.name)
			continue
		}
		delete(rows, s.name)
		if len(cells) != 4 || cells[1] == "" || cells[3] == "" {
			t.Errorf("%s: the row %q has not name, type, default and meaning", s.name, cells)
			continue
		}
		want := s.def
		switch s.value.Kind().String() { // what unset is
		case "bool":
			want = strconv.FormatBool(s.def == "true")
		case "int", "float64":
			if want == "" {
				want = "0"
			}
		}
		if got := strings.Trim(cells[2], "`"); got != want {
			t.Errorf("%s: the default is documented as %q, want %q", s.name, got, want)
		}
	}
	for name := range rows {
		t.Errorf("%s is documented and is no setting", name)
	}
}

// everyMetric gives the names and labels of the agent's metrics.
func everyMetric(t *testing.T) map[string][]string {
	t.Helper()
	labels := map[string][]string{}
	collect := recorder{labels}
	agent.NewMetrics(collect, "test")
	return labels
}

// recorder is a registry that only writes down what it is given.
type recorder struct{ labels map[string][]string }

var describedAs = regexp.MustCompile(`fqName: "([^"]+)".*constLabels: \{(.*?)\}, variableLabels: \{(.*?)\}`)

func (r recorder) Register(c prometheus.Collector) error {
	descs := make(chan *prometheus.Desc, 16)
	go func() {
		defer close(descs)
		c.Describe(descs)
	}()
	for d := range descs {
		m := describedAs.FindStringSubmatch(d.String())
		var labels []string
		for label := range strings.SplitSeq(m[2]+","+m[3], ",") {
			if name, _, _ := strings.Cut(label, "="); name != "" {
				labels = append(labels, name)
			}
		}
		slices.Sort(labels)
		r.labels[m[1]] = labels
	}
	return nil
}

func (r recorder) MustRegister(cs ...prometheus.Collector) {
	for _, c := range cs {
		_ = r.Register(c)
	}
}

func (recorder) Unregister(prometheus.Collector) bool { return false }

var codeSpan = regexp.MustCompile("`([^`]+)`")

// documentedMetrics are the metrics that docs/operate.md names, with the labels
// in the second column of its table.
func documentedMetrics(t *testing.T) map[string][]string {
	t.Helper()
	metrics := map[string][]string{}
	for name, cells := range tableRows(readText(t, "docs/operate.md")) {
		if !strings.HasPrefix(name, "port_agent_") {
			continue
		}
		labels := []string{}
		for _, m := range codeSpan.FindAllStringSubmatch(cells[1], -1) {
			labels = append(labels, m[1])
		}
		slices.Sort(labels)
		metrics[name] = labels
	}
	return metrics
}

func TestMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	documented := documentedMetrics(t)
	for name, labels := range everyMetric(t) {
		if got, ok := documented[name]; !ok {
			t.Errorf("%s is not documented", name)
		} else if !slices.Equal(got, labels) {
			t.Errorf("%s: the labels are documented as %q, want %q", name, got, labels)
		}
		delete(documented, name)
	}
	for name := range documented {
		t.Errorf("%s is documented and is no metric", name)
	}
}

// TestClosedSetsAreDocumented wants every outcome, reason and kind that a
// metric knows from the start explained in its row.
func TestClosedSetsAreDocumented(t *testing.T) {
	t.Parallel()
	rows := tableRows(readText(t, "docs/operate.md"))
	registry := prometheus.NewRegistry()
	agent.NewMetrics(registry, "test").PresetTopic("topic")
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	for _, f := range families {
		row := strings.Join(rows[f.GetName()], " ")
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if !slices.Contains([]string{"outcome", "reason", "kind"}, l.GetName()) {
					continue
				}
				told++
				if !strings.Contains(row, "`"+l.GetValue()+"`") {
					t.Errorf("%s: nothing is said of %s %s", f.GetName(), l.GetName(), l.GetValue())
				}
			}
		}
	}
	if told < 50 {
		t.Errorf("%d label values seen, want 50 or more", told)
	}
}

// variable finds the names of environment variables in code spans.
var variable = regexp.MustCompile("`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:=[^`]*)?`")

// notSettings are names of that form that are no settings of the agent.
var notSettings = []string{
	"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", // read by others, or read elsewhere
	"AZURE_DEVOPS", "PORT_API", "IN_PROGRESS", "SASL_PLAINTEXT", "SASL_SSL", // values
	"KAFKA_BROKERS", // read by tests
	"NAME_FILE",     // stands for all of them
}

// TestSettingsThatTheDocumentationNamesExist finds typing errors, and what a
// renamed setting left behind.
func TestSettingsThatTheDocumentationNamesExist(t *testing.T) {
	t.Parallel()
	for _, file := range append(documents(t), filepath.Join(root, "charts/port-agent/README.md")) {
		if strings.Contains(file, "examples/") {
			continue // mappings there read variables of their own
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range variable.FindAllStringSubmatch(fence.ReplaceAllString(string(text), ""), -1) {
			if !IsSetting(m[1]) && unsupported[m[1]] == "" && !slices.Contains(notSettings, m[1]) {
				t.Errorf("%s names %s, which is no setting", file, m[1])
			}
		}
	}
}

// metricName finds the agent's metrics in queries.
var metricName = regexp.MustCompile(`\bport_agent_[a-z_]+`)

// TestQueriesAskForMetricsThatExist looks through the alerts and the dashboard.
func TestQueriesAskForMetricsThatExist(t *testing.T) {
	t.Parallel()
	exist := everyMetric(t)
	for _, file := range []string{"charts/port-agent/files/alerts.yaml", "charts/port-agent/dashboards/port-agent.json"} {
		names := metricName.FindAllString(readText(t, file), -1)
		if len(names) < 5 {
			t.Errorf("%s: %d metrics found, want 5 or more", file, len(names))
		}
		for _, name := range names {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				name = strings.TrimSuffix(name, suffix)
			}
			if _, ok := exist[name]; !ok {
				t.Errorf("%s asks for %s, which does not exist", file, name)
			}
		}
	}
}

var alertName = regexp.MustCompile(`(?m)^ *- alert: (\w+)$`)

func TestAlertsAreDocumented(t *testing.T) {
	t.Parallel()
	operate := readText(t, "docs/operate.md")
	var alerts []string
	for _, m := range alertName.FindAllStringSubmatch(readText(t, "charts/port-agent/files/alerts.yaml"), -1) {
		alerts = append(alerts, m[1])
	}
	var documented []string
	for _, m := range regexp.MustCompile(`(?m)^### (PortAgent\w+)$`).FindAllStringSubmatch(operate, -1) {
		documented = append(documented, m[1])
	}
	slices.Sort(alerts)
	slices.Sort(documented)
	if !slices.Equal(documented, alerts) {
		t.Errorf("documented are the alerts\n%q, want\n%q", documented, alerts)
	}
}

// TestLogMessagesAreDocumented holds docs/operate.md to what the code logs: all
// of the levels warn and error, and nothing that is never logged.
func TestLogMessagesAreDocumented(t *testing.T) {
	t.Parallel()
	operate := readText(t, "docs/operate.md")
	_, section, ok := strings.Cut(operate, "## Log messages")
	if !ok {
		t.Fatal("docs/operate.md has no part on log messages")
	}
	rows := tableRows(section)
	logged := loggedMessages(t, "agent", "invoker", "transform", "cmd/app", "cmd/port-agent")
	if len(logged) < 25 {
		t.Errorf("%d messages found in the code, want 25 or more", len(logged))
	}
	for message, line := range logged {
		if _, ok := rows[message]; !ok && line.doubtful {
			t.Errorf("%q is logged (%s) and not documented", message, line.at)
		}
	}
	for message := range rows {
		if _, ok := logged[message]; !ok {
			t.Errorf("%q is documented and not logged", message)
		}
	}
}

// logLine is where a message is logged, and whether its level is warn or error,
// or decided elsewhere.
type logLine struct {
	at       string
	doubtful bool
}

// loggedMessages are the texts of all log lines.
func loggedMessages(t *testing.T, dirs ...string) map[string]logLine {
	t.Helper()
	found := map[string]logLine{}
	inspectCalls(t, func(call *ast.CallExpr, decl ast.Decl, at string) {
		if method(call) != "Msg" {
			return
		}
		for _, text := range textsOf(call.Args[0], decl) {
			found[text] = logLine{at, found[text].doubtful || doubtful(call)}
		}
	}, dirs...)
	return found
}

// TestLogFieldsHaveOneType finds fields of the log that are a number in one line and
// a text in another: stores that type their fields refuse one of the two.
func TestLogFieldsHaveOneType(t *testing.T) {
	t.Parallel()
	kinds := map[string]string{"Str": "text", "AnErr": "text", "Bytes": "text", "Int": "number", "Int32": "number", "Int64": "number",
		"Float64": "number", "Dur": "number", "Any": "list", "Strs": "list"}
	type use struct{ kind, at string }
	fields := map[string]use{}
	inspectCalls(t, func(call *ast.CallExpr, decl ast.Decl, at string) {
		kind := kinds[method(call)]
		if kind == "" || len(call.Args) != 2 {
			return
		}
		for _, name := range textsOf(call.Args[0], decl) {
			if first, known := fields[name]; known && first.kind != kind {
				t.Errorf("%s is a %s at %s and a %s at %s", name, first.kind, first.at, kind, at)
			}
			fields[name] = use{kind, at}
		}
	}, "agent", "cmd/app")
	if len(fields) < 25 {
		t.Errorf("%d fields found in the code, want 25 or more", len(fields))
	}
}

// inspectCalls shows f each call in the code of dirs.
func inspectCalls(t *testing.T, f func(call *ast.CallExpr, decl ast.Decl, at string), dirs ...string) {
	t.Helper()
	for _, dir := range dirs {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, path, nil, 0)
			if err != nil {
				return err
			}
			for _, decl := range file.Decls {
				ast.Inspect(decl, func(n ast.Node) bool {
					if call, ok := n.(*ast.CallExpr); ok {
						f(call, decl, files.Position(call.Pos()).String())
					}
					return true
				})
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// method is the name of the method that is called, "" for a function.
func method(call *ast.CallExpr) string {
	if s, ok := call.Fun.(*ast.SelectorExpr); ok {
		return s.Sel.Name
	}
	return ""
}

// doubtful reports whether a log line is of level warn or error, as far as its
// chain of calls tells: where it begins with a variable, it may be.
func doubtful(call *ast.CallExpr) bool {
	level := ""
	ast.Inspect(call, func(n ast.Node) bool {
		if c, ok := n.(*ast.CallExpr); ok && len(c.Args) == 0 && level == "" { // the first: fields follow, and one may be an error's text
			switch m := method(c); m {
			case "Trace", "Debug", "Info", "Warn", "Error":
				level = m
			}
		}
		return true
	})
	return level == "" || level == "Warn" || level == "Error"
}

// textsOf gives the text of an expression or, of a variable, the texts that
// are assigned to it in decl.
func textsOf(e ast.Expr, decl ast.Decl) (texts []string) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, _ := strconv.Unquote(e.Value)
		return []string{text}
	case *ast.Ident:
		ast.Inspect(decl, func(n ast.Node) bool {
			a, ok := n.(*ast.AssignStmt)
			if !ok {
				return true
			}
			for i, lhs := range a.Lhs {
				if id, ok := lhs.(*ast.Ident); ok && id.Name == e.Name && i < len(a.Rhs) {
					if lit, ok := a.Rhs[i].(*ast.BasicLit); ok {
						texts = append(texts, textsOf(lit, decl)...)
					}
				}
			}
			return true
		})
	}
	return texts
}

// documents lists every Markdown file of the project but the chart's.
func documents(t *testing.T) []string {
	t.Helper()
	files := []string{filepath.Join(root, "README.md")}
	for _, pattern := range []string{"docs/*.md", "examples/*.md", "examples/*/*.md"} {
		more, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, more...)
	}
	return files
}

var fence = regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$")

// TestDocumentedMappingsAreSound checks every mapping that the documentation
// shows.
func TestDocumentedMappingsAreSound(t *testing.T) {
	t.Parallel()
	checked := 0
	for _, file := range documents(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range fence.FindAllStringSubmatch(string(text), -1) {
			if m[1] != "json" || !strings.HasPrefix(strings.TrimSpace(m[2]), "[") {
				continue
			}
			checked++
			_, findings := transform.Parse(filepath.Base(file), []byte(m[2]), transform.Config{}, nil)
			for _, f := range findings {
				if !f.Warning || strings.Contains(f.Message, "unknown key") {
					t.Errorf("%s in\n%s", f, m[2])
				}
			}
		}
	}
	if checked < 8 {
		t.Errorf("%d mappings checked, want 8 or more", checked)
	}
}

// TestAttacksHaveTests holds docs/security.md to naming tests that exist.
func TestAttacksHaveTests(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "docs/security.md"))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err = filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, m := range declared.FindAllSubmatch(source, -1) {
			tests[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(string(text), -1)
	if len(named) < 20 {
		t.Errorf("%d tests are named, want one for each attack", len(named))
	}
	for _, m := range named {
		if !tests[m[1]] {
			t.Errorf("%s is named and does not exist", m[1])
		}
	}
}

// TestImagesAndActionsArePinned keeps base images and the workflows' actions
// from changing by themselves: they are named by digest and by commit.
func TestImagesAndActionsArePinned(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(root, ".github/workflows/*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	taken := regexp.MustCompile(`(?m)^(?:FROM(?: --\S+)*|[ -]*uses:) (\S+)`)
	pinned := regexp.MustCompile(`@sha256:[0-9a-f]{64}$|@[0-9a-f]{40}$|^\./`)
	for _, file := range append(files, filepath.Join(root, "Dockerfile")) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		names := taken.FindAllSubmatch(text, -1)
		if len(names) < 2 {
			t.Errorf("%s names %d images and actions, want 2 or more", file, len(names))
		}
		for _, m := range names {
			if !pinned.Match(m[1]) {
				t.Errorf("%s: %s is not named by digest or commit", file, m[1])
			}
		}
	}
}
