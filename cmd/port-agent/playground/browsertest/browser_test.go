// Package browsertest drives the playground in a real Chromium. It is a module
// of its own, so that the product knows nothing of chromedp; .ci/browser runs it.
package browsertest

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

var (
	picture     = flag.String("picture", "", "write the picture of README.md to this file")
	screenshots = flag.String("screenshots", "", "write screenshots of the page into this folder")
)

const root = "../../../.."

// binary is the product, and browser a running Chromium.
var (
	binary  string
	browser context.Context
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	flag.Parse()
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "port-agent")
	if out, err := exec.Command("go", "build", "-C", root, "-o", binary, "./cmd/port-agent").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium()), chromedp.NoSandbox, chromedp.UserDataDir(filepath.Join(dir, "profile")))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	defer stop()
	var cancel context.CancelFunc
	browser, cancel = chromedp.NewContext(allocator)
	defer cancel()
	if err := chromedp.Do(browser); err != nil {
		fmt.Fprintln(os.Stderr, "start Chromium:", err)
		return 1
	}
	return m.Run()
}

// chromium is CHROMIUM, or the one of the system.
func chromium() string {
	if path := os.Getenv("CHROMIUM"); path != "" {
		return path
	}
	return "chromium"
}

// playground starts the command and gives the address that it prints.
func playground(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(binary, append([]string{"playground", "-no-open"}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			t.Errorf("playground: %v", err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// page is one tab, in a profile of its own. Every request that leaves
// 127.0.0.1 and every error on the console fails its test.
type page struct {
	t   *testing.T
	ctx context.Context
}

// open opens the playground and waits for its first result.
func open(t *testing.T, address string, actions ...step) *page {
	t.Helper()
	p := visit(t, address, actions...)
	p.evaluated(1)
	return p
}

// visit opens any page of the product.
func visit(t *testing.T, address string, actions ...step) *page {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	ctx, stop := context.WithTimeout(ctx, 60*time.Second)
	t.Cleanup(stop)
	p := &page{t, ctx}
	p.watch()
	p.do(append(actions, chromedp.EmulateViewport(1440, 900), chromedp.Navigate(address))...)
	return p
}

// watch fails the test for what a page must never do. It is told later than
// the test may end, so the complaints wait until then.
func (p *page) watch() {
	var mu sync.Mutex
	var complaints []string
	complain := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		complaints = append(complaints, fmt.Sprintf(format, args...))
	}
	err := chromedp.Listen(p.ctx, func(ev any) {
		switch ev := ev.(type) {
		case *network.EventRequestWillBeSent:
			if u, err := url.Parse(ev.Request.URL); err != nil || u.Scheme != "blob" && u.Scheme != "data" && u.Hostname() != "127.0.0.1" {
				complain("a request to %s", ev.Request.URL)
			}
		case *runtime.EventExceptionThrown:
			complain("exception: %s %+v", ev.ExceptionDetails.Text, ev.ExceptionDetails.Exception)
		case *runtime.EventConsoleAPICalled:
			if ev.Type == runtime.ConsoleAPICalledTypeError || ev.Type == runtime.ConsoleAPICalledTypeWarning {
				complain("console: %s %v", ev.Type, ev.Args)
			}
		case *log.EventEntryAdded:
			if ev.Entry.Level == log.EntryLevelError && !strings.Contains(ev.Entry.Text, "409 (Conflict)") {
				complain("log: %s %s", ev.Entry.Text, ev.Entry.URL)
			}
		}
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range complaints {
			p.t.Error(c)
		}
	})
}

// step is an action without a result.
type step = chromedp.Action[chromedp.Void]

func (p *page) do(steps ...step) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, steps...); err != nil {
		p.t.Fatal(err)
	}
}

// result runs an action and gives its result.
func result[T any](p *page, a chromedp.Action[T]) T {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, a)
	if err != nil {
		p.t.Fatal(err)
	}
	return v
}

// eval runs an expression of JavaScript, which may be a promise, and decodes
// its value into out, which may be nil.
func (p *page) eval(expression string, out any) {
	p.t.Helper()
	text := result(p, chromedp.Evaluate[string](`Promise.resolve(`+expression+`).then(v => JSON.stringify(v) ?? "null")`, chromedp.EvalAwaitPromise))
	if out == nil {
		return
	}
	if err := json.Unmarshal([]byte(text), out); err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
}

// evaluations is how often the page has shown a result.
func (p *page) evaluations() (n int) {
	p.t.Helper()
	p.eval(`Number(document.body?.dataset.evaluated ?? 0)`, &n)
	return n
}

// evaluated waits until the page has shown n results.
func (p *page) evaluated(n int) {
	p.t.Helper()
	p.wait(fmt.Sprintf(`Number(document.body?.dataset.evaluated ?? 0) >= %d`, n))
}

// wait waits until a condition holds.
func (p *page) wait(condition string) {
	p.t.Helper()
	result(p, chromedp.Poll[bool](condition, chromedp.WithPollingInterval(10*time.Millisecond), chromedp.WithPollingTimeout(10*time.Second)))
}

// then acts and waits for the result of it.
func (p *page) then(act func()) {
	p.t.Helper()
	n := p.evaluations()
	act()
	p.evaluated(n + 1)
}

// keys types, with the modifiers that are held.
func (p *page) keys(keys string, held ...chromedp.Modifier) {
	p.t.Helper()
	p.do(chromedp.KeyEvent(keys, chromedp.KeyModifiers(held...)))
}

// text is what an element shows.
func (p *page) text(selector string) (s string) {
	p.t.Helper()
	p.eval(fmt.Sprintf(`document.querySelector(%s)?.innerText ?? ""`, quote(selector)), &s)
	return s
}

// document is the text of an editor.
func (p *page) document(selector string) (s string) {
	p.t.Helper()
	p.eval(fmt.Sprintf(`[...document.querySelectorAll(%s)].map(l => l.textContent).join("\n")`, quote(selector+" .cm-line")), &s)
	return s
}

// has fails the test unless an element shows a text.
func (p *page) has(selector, want string) {
	p.t.Helper()
	if got := p.text(selector); !strings.Contains(got, want) {
		p.t.Errorf("%s shows %q, want %q in it", selector, got, want)
	}
}

// shot takes a screenshot, if they are wanted.
func (p *page) shot(name string) {
	p.t.Helper()
	if *screenshots == "" {
		return
	}
	png := result(p, chromedp.CaptureScreenshot())
	if err := os.WriteFile(filepath.Join(*screenshots, name+".png"), png, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// line moves the cursor of the mapping behind the first line that holds a text,
// and then back by some characters.
func (p *page) line(text string, back int) {
	p.t.Helper()
	at := -1
	for i, l := range strings.Split(p.document("#mapping"), "\n") {
		if strings.Contains(l, text) {
			at = i
			break
		}
	}
	if at < 0 {
		p.t.Fatalf("no line of the mapping holds %q", text)
	}
	p.keys("1", alt)
	p.keys(kb.Home, control)
	p.keys(strings.Repeat(kb.ArrowDown, at) + kb.End + strings.Repeat(kb.ArrowLeft, back))
}

const (
	alt     = chromedp.ModifierAlt
	control = chromedp.ModifierCtrl
)

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// dark makes the page prefer dark colours.
var dark = chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
	_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}},
	})
	return err
})
