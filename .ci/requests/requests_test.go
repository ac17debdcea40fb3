// Package requests compares the agent's HTTP client with Python's requests,
// which the agent that people move here from is built on: both send the same
// requests to the same servers, and what arrives and what is made of the
// answers is compared. Differences that may stay are in accepted.txt with a
// reason; any other fails the test, and so does a line there that is no longer
// true.
//
// It is started by .ci/requests/run, which installs requests, and is no part of
// `go test ./...`.
package requests

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"port-agent/invoker"
	"port-agent/invoker/wire"
)

// arrived is one request as the server has read it.
type arrived struct {
	line    string
	headers []string // "name: value" as sent
	body    string
}

func (a arrived) header(name string) (lines []string) {
	for _, l := range a.headers {
		if n, _, _ := strings.Cut(l, ":"); strings.EqualFold(n, name) {
			lines = append(lines, l)
		}
	}
	return lines
}

// recorder answers every request with the same bytes, and closes. A request
// for /end, which redirects lead to, is answered with 200.
type recorder struct {
	host, port string
	mu         sync.Mutex
	seen       []arrived
	answer     string
}

func newRecorder(t *testing.T) *recorder {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{host: l.Addr().String()}
	_, r.port, _ = net.SplitHostPort(r.host)
	six, err := net.Listen("tcp", "[::1]:"+r.port)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []net.Listener{l, six} {
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go r.serve(c)
			}
		}()
	}
	return r
}

func (r *recorder) serve(c net.Conn) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	in := bufio.NewReader(c)
	var a arrived
	for {
		l, err := in.ReadString('\n')
		if err != nil {
			return
		}
		if l = strings.TrimRight(l, "\r\n"); l == "" {
			break
		}
		if a.line == "" {
			a.line = l
			continue
		}
		a.headers = append(a.headers, l)
	}
	var body io.Reader = strings.NewReader("")
	if n := a.header("Content-Length"); len(n) > 0 {
		_, v, _ := strings.Cut(n[0], ":")
		size, _ := strconv.Atoi(strings.TrimSpace(v))
		body = io.LimitReader(in, int64(size))
	}
	if len(a.header("Transfer-Encoding")) > 0 {
		body = httputil.NewChunkedReader(in)
	}
	b, _ := io.ReadAll(body)
	a.body = string(b)
	r.mu.Lock()
	r.seen = append(r.seen, a)
	answer := r.answer
	r.mu.Unlock()
	if strings.Contains(a.line, "end") {
		answer = ok
	}
	_, _ = io.WriteString(c, answer)
}

func (r *recorder) begin(answer string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen, r.answer = nil, strings.ReplaceAll(answer, "HOST", r.host)
}

func (r *recorder) end() []arrived {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen
}

// result is what a client made of a case.
type result struct {
	Outcome string `json:"outcome"`
	Text    string `json:"text"`
	JSON    string `json:"json"`
	Detail  string `json:"detail"`
}

// python is the client of client.py.
type python struct {
	in  io.Writer
	out *bufio.Reader
}

func newPython(t *testing.T) *python {
	t.Helper()
	program := os.Getenv("REQUESTS_PYTHON")
	if program == "" {
		t.Fatal("REQUESTS_PYTHON is not set: start this with .ci/requests/run")
	}
	cmd := exec.Command(program, "-W", "ignore", "client.py")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	return &python{in, bufio.NewReader(out)}
}

func (p *python) send(t *testing.T, c testCase) (r result) {
	t.Helper()
	line, err := json.Marshal(c)
	if err == nil {
		_, err = p.in.Write(append(line, '\n'))
	}
	if err == nil {
		line, err = p.out.ReadBytes('\n')
	}
	if err == nil {
		err = json.Unmarshal(line, &r)
	}
	if err != nil {
		t.Fatalf("%s: %v", c.Name, err)
	}
	return r
}

func newAgent(t *testing.T, cfg wire.Config) *invoker.Invoker {
	t.Helper()
	calls, err := wire.New(cfg, func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(calls.Close)
	i, err := invoker.New(invoker.Config{
		Timeout: 5, GitLabURL: "https://gitlab.test", AzureDevOpsURL: "https://azure.test", GitHubAPIURL: "https://github.test",
	}, invoker.Deps{Signer: "key", Wire: calls})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func sendAgent(i *invoker.Invoker, c testCase) result {
	body := c.Body
	req, err := i.Build(invoker.Target{NeedBody: true, Rule: invoker.Override{
		Backend: "WEBHOOK", URL: &c.URL, Method: &c.Method, Headers: c.Headers, Query: url.Values(c.Query), HasBody: true, Body: body,
	}})
	if err != nil {
		return result{Outcome: "failed", Detail: err.Error()}
	}
	res, err := i.Do(context.Background(), req)
	if res == nil {
		return result{Outcome: "failed", Detail: fmt.Sprint(err)}
	}
	r := result{Outcome: fmt.Sprintf("answered %d", res.StatusCode), Text: res.Text()}
	if status := (*invoker.StatusError)(nil); errors.As(err, &status) {
		r.Detail = err.Error()
	}
	if raw, ok := res.RawJSON(); ok {
		r.JSON = string(raw)
	}
	return r
}

// view is what is compared of a case, by field.
func view(c testCase, r result, seen []arrived) map[string]string {
	v := map[string]string{"outcome": r.Outcome}
	var lines []string
	for _, a := range seen {
		lines = append(lines, strings.TrimSuffix(a.line, " HTTP/1.1"))
	}
	v["request"] = strings.Join(lines, ", then ")
	if len(seen) > 0 {
		names := []string{"Host", "Content-Type", "Content-Length", "Transfer-Encoding", "Authorization", "Cookie"}
		for n := range c.Headers {
			if !slices.ContainsFunc(names, func(s string) bool { return strings.EqualFold(s, n) }) {
				names = append(names, n)
			}
		}
		if c.HasBody && !c.Form && !c.Text {
			names = slices.DeleteFunc(names, func(s string) bool { return s == "Content-Length" }) // Python writes JSON with spaces
		}
		var headers []string
		last := seen[len(seen)-1]
		for _, n := range names {
			headers = append(headers, last.header(n)...)
		}
		slices.Sort(headers)
		v["headers"] = strings.Join(headers, "; ")
		v["body"] = canonical(seen[0].body)
	}
	if strings.HasPrefix(c.Name, "answer") {
		v["text"], v["json"] = r.Text, canonical(r.JSON)
	}
	return v
}

// canonical prints a JSON text in one way, and any other as it is.
func canonical(s string) string {
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil || d.More() {
		return s
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(value)
	return strings.TrimSpace(b.String())
}

func TestRequests(t *testing.T) {
	rec, py, agent, d := newRecorder(t), newPython(t), newAgent(t, wire.Config{VerifySSL: true}), newDifferences(t)
	all := cases()
	for _, c := range all {
		c.URL = strings.NewReplacer("HOST", rec.host, "PORT", rec.port).Replace(c.URL)
		c.Verify = true
		rec.begin(c.answer)
		theirs := py.send(t, c)
		seen := rec.end()
		rec.begin(c.answer)
		ours := sendAgent(agent, c)
		d.compare(c.Name, view(c, theirs, seen), view(c, ours, rec.end()), rec, theirs.Detail, ours.Detail)
	}
	compareTLS(t, py, d)
	d.finish(t, len(all))
	d.stale(t)
}

// differences prints what differs and is not accepted.
type differences struct {
	accepted map[string]string // reason by "name\tfield"; a name may end in *
	used     map[string]bool
	rows     []string
	bad      int
}

func newDifferences(t *testing.T) *differences {
	t.Helper()
	data, err := os.ReadFile("accepted.txt")
	if err != nil {
		t.Fatal(err)
	}
	d := &differences{accepted: map[string]string{}, used: map[string]bool{}}
	for n, line := range strings.Split(string(data), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		parts := strings.SplitN(line, "\t", 3)
		if len(parts) != 3 {
			t.Fatalf("accepted.txt:%d: want name, field and reason with tabs between them", n+1)
		}
		d.accepted[parts[0]+"\t"+parts[1]] = parts[2]
	}
	return d
}

func (d *differences) reason(name, field string) string {
	for key, reason := range d.accepted {
		n, f, _ := strings.Cut(key, "\t")
		prefix, any := strings.CutSuffix(n, "*")
		if f == field && (n == name || any && strings.HasPrefix(name, prefix)) {
			d.used[key] = true
			return reason
		}
	}
	return ""
}

func (d *differences) compare(name string, theirs, ours map[string]string, rec *recorder, details ...string) {
	fields := []string{"outcome", "request", "headers", "body", "text", "json", "with TLS_LEGACY_HOSTS"}
	if theirs["outcome"] != ours["outcome"] {
		fields = fields[:1] // the rest follows from it
	}
	for _, f := range fields {
		a, b := theirs[f], ours[f]
		if a == b {
			continue
		}
		if rec != nil {
			hide := strings.NewReplacer(rec.host, "HOST", rec.port, "PORT")
			a, b = hide.Replace(a), hide.Replace(b)
		}
		row := fmt.Sprintf("| %s | %s | %.120q | %.120q |", strings.ReplaceAll(name, "|", `\|`), f, a, b)
		reason := d.reason(name, f)
		if reason == "" {
			d.bad++
			reason = "NOT ACCEPTED"
			if f == "outcome" {
				reason += fmt.Sprintf(" %q", details)
			}
		}
		d.rows = append(d.rows, row+" "+reason+" |")
	}
}

func (d *differences) finish(t *testing.T, cases int) {
	fmt.Println("| case | what | requests | agent | why it may stay |\n|---|---|---|---|---|")
	fmt.Println(strings.Join(d.rows, "\n"))
	fmt.Printf("%d cases, %d differences\n", cases, len(d.rows))
	if d.bad > 0 {
		t.Errorf("%d differences are not in accepted.txt", d.bad)
	}
}

// stale fails the test for lines of accepted.txt that no case has used.
func (d *differences) stale(t *testing.T) {
	for key := range d.accepted {
		if !d.used[key] {
			t.Errorf("accepted.txt: %q is no difference any more", key)
		}
	}
}
