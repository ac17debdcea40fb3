package browsertest

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestMistake types a mistake into an expression: it is underlined at its
// columns, and the finding tells what is wrong.
func TestMistake(t *testing.T) {
	p := open(t, playground(t))
	p.line(`"reason"`, len(`",`))
	p.then(func() { p.keys("x y") })
	var marks []struct {
		Text, Line string
		Column     int
	}
	p.eval(`[...document.querySelectorAll("#mapping .cm-lintRange-error")].map(e => {
		const line = e.closest(".cm-line"), range = document.createRange()
		range.setStart(line, 0)
		range.setEndBefore(e)
		return {Text: e.textContent, Line: line.textContent, Column: range.toString().length + 1}
	})`, &marks)
	line := `      "reason": ".payload.properties.reasonx y",`
	if len(marks) != 1 || marks[0].Text != "y" || marks[0].Line != line || marks[0].Column != strings.Index(line, " y")+2 {
		t.Errorf("underlined = %+v, want y in its line", marks)
	}
	p.has("#findings", `8:46 rule 0 "restart": body.reason`)
	p.has("#findings", "unexpected token")
	p.has("#count", "1 error")
	p.shot("mistake")
	p.do(chromedp.Click("#findings .finding"))
	p.then(func() { p.keys(kb.Delete + kb.Backspace + kb.Backspace) })
	p.has("#findings", "Nothing is wrong")
	if n := len(p.text("#count")); n != 0 {
		t.Errorf("the count still shows %q", p.text("#count"))
	}
}

// TestRuleThatDoesNotMatch makes the event another one: the rule says what it
// found instead.
func TestRuleThatDoesNotMatch(t *testing.T) {
	p := open(t, playground(t))
	p.line(`"enabled"`, len(`\"",`))
	p.then(func() { p.keys("s") })
	p.has("#rules", "0 restart does not match")
	p.has("#rules", `.action is "restart_service"`)
	p.has("#rules", "No rule matches")
	p.has("#request", "Nothing is sent")
	p.shot("no-match")
	p.keys("5", alt)
	p.do(chromedp.Click("#rules .rule:nth-of-type(2)"))
	var at string
	p.eval(`document.querySelector("#mapping .cm-activeLine")?.textContent`, &at)
	if at != "  {" {
		t.Errorf("a click on the second rule leads to %q", at)
	}
}

// TestCompletion types paths, functions and variables.
func TestCompletion(t *testing.T) {
	p := open(t, playground(t))
	tests := []struct {
		typed string
		want  []string
	}{
		{".payload.", []string{"action", "entity", "properties"}},
		{".payload.properties.", []string{"force", "reason"}},
		{"(.context | .", []string{"blueprint", "entity", "runId"}},
		{"env.", []string{"OPS_TOKEN"}},
		{"ascii_d", []string{"ascii_downcase"}},
	}
	p.line(`"by"`, len(`.trigger.by.user.email"`))
	p.keys(strings.Repeat(kb.Delete, len(".trigger.by.user.email")))
	for _, tt := range tests {
		p.keys(tt.typed)
		got := p.options()
		for _, want := range tt.want {
			if !slices.Contains(got, want) {
				t.Errorf("after %q: %q, want %q among them", tt.typed, got, want)
			}
		}
		if tt.typed == ".payload.properties." {
			p.shot("completion")
		}
		p.keys(kb.Escape + strings.Repeat(kb.Backspace, len(tt.typed)))
	}
	p.keys(".payload.pr")
	p.options()
	p.eval(`new Promise(done => setTimeout(done, 150))`, nil) // the list takes no key that comes at once
	p.keys(kb.Enter)
	if got := p.document("#mapping"); !strings.Contains(got, `"by": ".payload.properties`) {
		t.Errorf("after Enter:\n%s", got)
	}
}

// TestFieldCompletion begins a field of a rule, and one of its report.
func TestFieldCompletion(t *testing.T) {
	p := open(t, playground(t))
	for after, want := range map[string]string{`"name": "restart"`: "orderBy", `"link"`: "externalRunId"} {
		p.line(after, 0)
		p.keys(kb.Enter + `"`)
		p.keys(want[:1])
		if got := p.options(); !slices.Contains(got, want) {
			t.Errorf("a name after %s: %q, want %q among them", after, got, want)
		}
		p.keys(kb.Escape + strings.Repeat(kb.Backspace, 2))
	}
}

// options waits for the list of completions and gives its labels.
func (p *page) options() (labels []string) {
	p.t.Helper()
	p.wait(`document.querySelector(".cm-tooltip-autocomplete li") !== null`)
	p.eval(`[...document.querySelectorAll(".cm-tooltip-autocomplete .cm-completionLabel")].map(e => e.textContent)`, &labels)
	return labels
}

// TestHover shows the value of a path under the pointer.
func TestHover(t *testing.T) {
	p := open(t, playground(t))
	p.wait(`[...document.querySelectorAll("#mapping .t-path")].some(e => e.textContent === ".payload.properties.reason")`)
	var box []float64
	p.eval(`(() => {
		const path = [...document.querySelectorAll("#mapping .t-path")].find(e => e.textContent === ".payload.properties.reason").firstChild
		const range = document.createRange()
		range.setStart(path, 12)
		range.setEnd(path, 13)
		const {x, y, width, height} = range.getBoundingClientRect()
		return [x + width / 2, y + height / 2]
	})()`, &box)
	p.do(chromedp.MouseEvent(chromedp.MouseMoved, box[0], box[1]), chromedp.WaitVisible(".cm-tooltip .value"))
	p.has(".cm-tooltip .value", ".payload.properties")
	p.has(".cm-tooltip .value", `"reason": "stuck queue"`)
	p.shot("hover")
}

// TestAnswer edits the backend's answer: the report follows.
func TestAnswer(t *testing.T) {
	p := open(t, playground(t))
	p.has("#report", "The backend accepts")
	p.has("#report", "https://ops.internal/jobs/4711")
	p.keys("3", alt)
	p.then(func() {
		p.keys("a", control)
		p.keys(`{"statusCode": 500, "text": "no such service"`)
	})
	p.has("#report", "FAILURE")
	p.has("#report", "no such service")
	p.shot("answer")
}

// TestTryJQ evaluates a line on the event.
func TestTryJQ(t *testing.T) {
	p := open(t, playground(t))
	p.keys("6", alt)
	p.then(func() { p.keys(".payload.properties | keys") })
	p.has("#jq-result", "\"force\",\n  \"reason\"")
	p.then(func() { p.keys(" | .x") })
	p.has("#jq-result", "expected an object but got: array")
}

// TestShare opens a link in a profile that has never seen the page.
func TestShare(t *testing.T) {
	address := playground(t)
	p := open(t, address)
	p.line(`"name"`, len(`",`))
	p.then(func() { p.keys(" nów ☃") })
	p.keys("6", alt)
	p.then(func() { p.keys(".action") })
	p.do(chromedp.Click("#share"), chromedp.WaitVisible("#link"))
	link := result(p, chromedp.Value("#link"))
	p.shot("share")
	u, err := url.Parse(link)
	if err != nil || len(u.Fragment) < 100 || strings.Contains(link, "token") {
		t.Fatalf("link = %s (%v), want a fragment and no token", link, err)
	}
	other := open(t, address+"#"+u.Fragment)
	for _, editor := range []string{"#mapping", "#panel-event", "#jq"} {
		if got, want := other.document(editor), p.document(editor); got != want || want == "" {
			t.Errorf("%s = %s\nwant %s", editor, got, want)
		}
	}
	for _, pane := range []string{"#rules", "#request", "#report", "#jq-result"} {
		if got, want := other.text(pane), p.text(pane); got != want || want == "" {
			t.Errorf("%s = %s\nwant %s", pane, got, want)
		}
	}
	other.has("#request", "Bearer stand-in") // of the environment
}

// TestReload keeps what was typed.
func TestReload(t *testing.T) {
	p := open(t, playground(t))
	p.line(`"name"`, len(`",`))
	p.then(func() { p.keys(" again") })
	p.do(chromedp.Reload())
	p.evaluated(1)
	p.has("#rules", "restart again")
}

// TestWrite saves the mapping, and does not where the file has changed.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "mapping.json")
	before := "[\n  {\"name\": \"first\", \"enabled\": \".action == \\\"restart_service\\\"\"}\n]\n"
	write(t, file, before)
	p := open(t, playground(t, "-mapping", file, "-write"))
	p.line("first", len(`", "enabled": ".action == \"restart_service\""}`))
	p.then(func() { p.keys("ly") })
	p.keys("s", control)
	p.notice("Saved mapping.json.")
	saved := strings.Replace(before, "first", "firstly", 1)
	if got := read(t, file); got != saved {
		t.Fatalf("the file is %q, want %q", got, saved)
	}

	theirs := strings.Replace(before, "first", "of another", 1)
	write(t, file, theirs)
	p.then(func() { p.keys("!") })
	p.keys("s", control)
	p.do(chromedp.WaitVisible("#dialog .diff"))
	p.has("#dialog", "mapping.json has changed on disk")
	p.has("#dialog .theirs", "of another")
	p.has("#dialog .mine", "firstly!")
	p.shot("conflict")
	if got := read(t, file); got != theirs {
		t.Fatalf("the file is %q, want what the other wrote", got)
	}
	p.do(chromedp.Click(`//dialog//button[text()="Overwrite with mine"]`))
	p.notice("Saved mapping.json.")
	if got := read(t, file); !strings.Contains(got, "firstly!") {
		t.Errorf("the file is %q, want mine", got)
	}

	p.do(chromedp.Click("#save-case"), chromedp.WaitVisible("#dialog input"))
	p.keys("restarts" + kb.Enter)
	p.notice("Added to mapping_test.json")
	if got := read(t, filepath.Join(dir, "mapping_test.json")); !strings.Contains(got, `"rule": "firstly!"`) {
		t.Errorf("the case is %s", got)
	}
}

// notice waits for the page to say something.
func (p *page) notice(want string) {
	p.t.Helper()
	p.wait(`document.querySelector("#notice").textContent.includes(` + quote(want) + `)`)
	p.eval(`document.querySelector("#notice").textContent = ""`, nil)
}

// TestExamples opens each example and holds what is shown to its golden files.
func TestExamples(t *testing.T) {
	p := open(t, playground(t))
	var names []string
	p.eval(`[...document.querySelectorAll("#examples option")].map(o => o.value).filter(Boolean)`, &names)
	if len(names) < 16 {
		t.Fatalf("%d examples, want 16 or more", len(names))
	}
	for _, name := range names {
		p.then(func() {
			p.eval(`(() => {
				const menu = document.querySelector("#examples")
				menu.value = `+quote(name)+`
				menu.dispatchEvent(new Event("change"))
			})()`, nil)
		})
		dir := filepath.Join(root, "examples", name)
		var request struct {
			Method, URL string
			Headers     map[string]string
			Body        any
		}
		decode(t, filepath.Join(dir, "request.json"), &request)
		p.has("#request .method", request.Method)
		if got := p.text("#request .url"); got != request.URL {
			t.Errorf("%s: URL = %s, want %s", name, got, request.URL)
		}
		for header, value := range request.Headers {
			p.has("#request", header+"\t"+value)
		}
		var body any
		if text := p.text("#request pre"); json.Unmarshal([]byte(text), &body) != nil {
			body = text
		}
		if !reflect.DeepEqual(body, request.Body) {
			t.Errorf("%s: body = %v\nwant %v", name, body, request.Body)
		}
		for _, name := range []string{"report.json", "poll-report.json"} {
			var report map[string]any
			if file := filepath.Join(dir, name); exists(file) {
				decode(t, file, &report)
			}
			shown := p.text("#report")
			for field, value := range report {
				if text, ok := value.(string); ok && !strings.Contains(shown, text) {
					t.Errorf("%s of %s: the report shows %q, want %s %q", name, dir, shown, field, text)
				}
			}
		}
		p.has("#findings", "Nothing is wrong")
	}
	if *picture != "" {
		takePicture(t, p, names[0])
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func decode(t *testing.T, file string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(read(t, file)), v); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}
