package browsertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// axe is the accessibility checker, as npm ci installs it; AXE names another
// place.
func axe(t *testing.T) string {
	t.Helper()
	file := os.Getenv("AXE")
	if file == "" {
		file = "../web/node_modules/axe-core/axe.min.js"
	}
	return read(t, file)
}

// accessible fails the test for what axe-core finds serious in the page as it
// is now.
func (p *page) accessible(state string) {
	p.t.Helper()
	result(p, chromedp.Evaluate[int](axe(p.t)+"; 0"))
	var found []string
	p.eval(`axe.run(document, {resultTypes: ["violations"]}).then(r => r.violations.filter(v => v.impact === "serious" || v.impact === "critical")
		.flatMap(v => v.nodes.map(n => v.id + ": " + n.html + " " + n.failureSummary)))`, &found)
	for _, f := range found {
		p.t.Errorf("%s: %s", state, f)
	}
}

// TestAccessibility has axe-core look at the page, its tabs and its dialogs, in
// light and dark.
func TestAccessibility(t *testing.T) {
	address := playground(t)
	for _, scheme := range []string{"light", "dark"} {
		t.Run(scheme, func(t *testing.T) {
			var before []step
			if scheme == "dark" {
				before = append(before, dark)
			}
			p := open(t, address, before...)
			look := func(state string) {
				t.Helper()
				p.accessible(state)
				p.shot(scheme + "-" + state)
			}
			look("page")
			for i, tab := range []string{"answer", "poll", "environment"} {
				p.keys(fmt.Sprint(i+3), alt)
				look(tab)
			}
			p.line(`"url"`, 3)
			p.then(func() { p.keys(" (") })
			look("mistake")
			p.keys(kb.F1)
			p.do(chromedp.WaitVisible("#dialog dl"))
			look("help")
		})
	}
}

// TestKeyboard reaches everything by the keyboard, at the narrowest width.
func TestKeyboard(t *testing.T) {
	p := open(t, playground(t))
	p.do(chromedp.EmulateViewport(900, 700))
	p.shot("narrow")
	var wide bool
	if p.eval(`document.documentElement.scrollWidth > innerWidth`, &wide); wide {
		t.Error("the page is wider than 900 px")
	}
	want := []string{"Mapping", "Event", "Answer", "Poll", "Name of variable 1", "jq expression on the event", "rules", "request", "report"}
	for i, name := range want {
		p.keys(fmt.Sprint(i+1), alt)
		var got string
		if p.eval(`document.activeElement.ariaLabel ?? document.activeElement.id`, &got); got != name {
			t.Errorf("Alt-%d leads to %q, want %q", i+1, got, name)
		}
	}
	var before, after float64
	width := `document.querySelector("#mapping-pane").getBoundingClientRect().width`
	p.eval(width, &before)
	p.eval(`document.querySelector(".split[data-var='--left']").focus()`, nil)
	p.keys(kb.ArrowLeft + kb.ArrowLeft + kb.ArrowLeft)
	if p.eval(width, &after); after > before-20 {
		t.Errorf("the bar moved the mapping from %.0f to %.0f px", before, after)
	}
}

// TestLatency measures from the end of the pause after the last key to the
// result on the screen: an event of 20 KB, 50 rules. The figure is printed and
// not judged: it is the machine's as much as the page's.
func TestLatency(t *testing.T) {
	dir := t.TempDir()
	var rules []map[string]any
	for i := range 50 {
		rules = append(rules, map[string]any{
			"name": fmt.Sprint("rule ", i), "enabled": fmt.Sprintf(`.action == "action_%d" and (.payload.entity.properties.region // "") != "none"`, i),
			"url": `"https://ci.internal/" + .context.entity`, "headers": map[string]string{"Authorization": `"Bearer " + env.TOKEN`},
			"body":   map[string]string{"inputs": ".payload.properties | with_entries(.value |= tostring)", "by": ".trigger.by.user.email", "n": "[.payload.properties[]] | length"},
			"report": map[string]string{"link": ".response.json.url"},
		})
	}
	properties := map[string]any{}
	for i := range 150 {
		properties[fmt.Sprint("property_", i)] = strings.Repeat("text of it ", 10)
	}
	event := map[string]any{
		"action": "action_49", "context": map[string]any{"entity": "e", "runId": "r_1"},
		"payload": map[string]any{"entity": map[string]any{"properties": map[string]any{"region": "x"}}, "properties": properties,
			"action": map[string]any{"invocationMethod": map[string]any{"type": "WEBHOOK", "agent": true, "url": "https://h.example"}}},
	}
	files := map[string]any{"m.json": rules, "event.json": event}
	for name, v := range files {
		data, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name), string(data))
	}
	p := open(t, playground(t, "-mapping", filepath.Join(dir, "m.json"), "-event", filepath.Join(dir, "event.json")))
	p.has("#rules", "49 rule 49")
	p.line(`"name": "rule 0"`, len(`",`))
	for range 40 {
		p.then(func() { p.keys("x") })
	}
	var took []float64
	p.eval(`new Promise(done => requestAnimationFrame(() => done(performance.getEntriesByName("result").map(e => e.duration))))`, &took)
	if len(took) < 41 {
		t.Fatalf("%d measurements, want 41", len(took))
	}
	took = took[1:] // the first opens the page
	slices.Sort(took)
	t.Logf("from the pause to the result: p50 %.0f ms, p95 %.0f ms (event %d KB, %d rules)", took[len(took)/2], took[len(took)*95/100],
		len(read(t, filepath.Join(dir, "event.json")))>>10, len(rules))
}

// takePicture makes the picture of README.md: the first example.
func takePicture(t *testing.T, p *page, name string) {
	t.Helper()
	p.do(chromedp.EmulateViewport(1280, 800))
	p.then(func() {
		p.eval(`(() => {
			const menu = document.querySelector("#examples")
			menu.value = `+quote(name)+`
			menu.dispatchEvent(new Event("change"))
		})()`, nil)
	})
	p.eval(`new Promise(done => requestAnimationFrame(() => setTimeout(done, 300)))`, nil) // the editors measure themselves
	screen, err := png.Decode(bytes.NewReader(result(p, chromedp.CaptureScreenshot())))
	if err != nil {
		t.Fatal(err)
	}
	var data bytes.Buffer
	smallest := png.Encoder{CompressionLevel: png.BestCompression}
	if err := smallest.Encode(&data, reduced(screen)); err != nil {
		t.Fatal(err)
	}
	if data.Len() > 200_000 {
		t.Errorf("the picture has %d bytes, want 200,000 at most", data.Len())
	}
	if err := os.WriteFile(*picture, data.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// reduced gives a picture in the 256 colours that it has most of.
func reduced(screen image.Image) image.Image {
	count := map[color.Color]int{}
	b := screen.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			count[screen.At(x, y)]++
		}
	}
	colours := slices.SortedFunc(maps.Keys(count), func(a, b color.Color) int { return count[b] - count[a] })
	palette := color.Palette(colours[:min(len(colours), 256)])
	nearest := make(map[color.Color]uint8, len(colours))
	for _, c := range colours {
		nearest[c] = uint8(palette.Index(c))
	}
	out := image.NewPaletted(b, palette)
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			out.SetColorIndex(x, y, nearest[screen.At(x, y)])
		}
	}
	return out
}
