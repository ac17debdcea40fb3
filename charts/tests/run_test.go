package tests

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// buildImage makes the files of the image: the binary, built as the
// Dockerfile builds it, and the working directory.
func buildImage(t *testing.T) fs.FS {
	t.Helper()
	root := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w -X main.version=1.2.3-test",
		"-o", filepath.Join(root, "usr/local/bin/port-agent"), "./cmd/port-agent")
	build.Dir = "../.."
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the agent: %v\n%s", err, out)
	}
	if err := os.Mkdir(filepath.Join(root, "app"), 0o755); err != nil {
		t.Fatal(err)
	}
	return os.DirFS(root)
}

// process is a started container.
type process struct {
	cmd  *exec.Cmd
	log  *output
	base string // of its health and metrics
	done chan struct{}
	err  error // once done is closed
}

// start runs the container. Where the test is root it is as good as one: the
// files are all that the process sees, and its user may write nowhere.
// Otherwise the process is told where its certificates lie.
func start(t *testing.T, image fs.FS, c container) *process {
	t.Helper()
	root := t.TempDir()
	if err := os.CopyFS(root, image); err != nil {
		t.Fatal(err)
	}
	for name, text := range c.files {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p := &process{log: new(output), done: make(chan struct{}), base: "http://127.0.0.1:" + strconv.Itoa(int(c.port))}
	p.cmd = &exec.Cmd{Path: "/usr/local/bin/port-agent", Args: []string{"port-agent"}, Dir: "/app", Env: c.env, Stdout: p.log, Stderr: p.log}
	if os.Getuid() == 0 {
		p.cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: c.user, Gid: c.user}}
		if err := os.Chmod(root, 0o755); err != nil {
			t.Fatal(err)
		}
	} else {
		p.cmd.Path, p.cmd.Dir = filepath.Join(root, p.cmd.Path), filepath.Join(root, p.cmd.Dir)
		p.cmd.Env = append(p.cmd.Env, "CA_CERTIFICATES_DIR="+filepath.Join(root, "usr/local/share/ca-certificates"))
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start the agent: %v", err)
	}
	go func() {
		defer close(p.done)
		p.err = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
	})
	return p
}

// ask makes the request of a probe until it succeeds, the process ends or the
// test does.
func (p *process) ask(ctx context.Context, path string) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		res, err := get(ctx, p.base+path)
		if err == nil && res == http.StatusOK {
			return nil
		}
		last = fmt.Errorf("status %d, %v", res, err)
		select {
		case <-p.done:
			return fmt.Errorf("the agent ended: %v", p.err)
		case <-ctx.Done():
			return fmt.Errorf("%w: last %w", context.Cause(ctx), last)
		case <-tick.C:
		}
	}
}

func get(ctx context.Context, url string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, res.Body.Close()
}

// freePort gives a port that nobody listened on a moment ago.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// output is a buffer that may be read while a process writes to it.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
