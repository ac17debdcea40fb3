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

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// container is what the kubelet would make of the rendered pod: variables
// resolved, files in their places.
type container struct {
	env    []string
	files  map[string]string // by absolute path
	port   int32
	user   uint32
	probes map[string]*corev1.Probe
	grace  time.Duration
}

func newContainer(t *testing.T, all []object) container {
	t.Helper()
	pod := only[*appsv1.Deployment](t, all).Spec.Template.Spec
	spec := pod.Containers[0]
	if spec.Command != nil || spec.Args != nil || spec.EnvFrom != nil || spec.WorkingDir != "" {
		t.Fatalf("the container has %v %v %v %q, want the image's own command and folder", spec.Command, spec.Args, spec.EnvFrom, spec.WorkingDir)
	}
	c := container{
		files: map[string]string{},
		port:  spec.Ports[0].ContainerPort,
		user:  uint32(*pod.SecurityContext.RunAsUser),
		grace: time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second,
		probes: map[string]*corev1.Probe{
			"startup": spec.StartupProbe, "liveness": spec.LivenessProbe, "readiness": spec.ReadinessProbe,
		},
	}
	for _, v := range spec.Env {
		value := v.Value
		if v.ValueFrom != nil {
			value = content(t, all, v.ValueFrom.SecretKeyRef.Name, v.ValueFrom.SecretKeyRef.Key)
		}
		c.env = append(c.env, v.Name+"="+value)
	}
	for _, mount := range spec.VolumeMounts {
		for _, volume := range pod.Volumes {
			if volume.Name == mount.Name {
				c.mount(t, all, mount, volume)
			}
		}
	}
	return c
}

func (c container) mount(t *testing.T, all []object, mount corev1.VolumeMount, volume corev1.Volume) {
	t.Helper()
	var source string
	var items []corev1.KeyToPath
	switch {
	case volume.ConfigMap != nil:
		source, items = volume.ConfigMap.Name, volume.ConfigMap.Items
	case volume.Secret != nil:
		source, items = volume.Secret.SecretName, volume.Secret.Items
	}
	for _, item := range items {
		switch mount.SubPath {
		case "":
			c.files[filepath.Join(mount.MountPath, item.Path)] = content(t, all, source, item.Key)
		case item.Path:
			c.files[mount.MountPath] = content(t, all, source, item.Key)
		}
	}
}

// content gives a key of a rendered ConfigMap or Secret.
func content(t *testing.T, all []object, name, key string) string {
	t.Helper()
	for _, config := range every[*corev1.ConfigMap](all) {
		if value, ok := config.Data[key]; ok && config.Name == name {
			return value
		}
	}
	for _, secret := range every[*corev1.Secret](all) {
		if value, ok := secret.Data[key]; ok && secret.Name == name {
			return string(value)
		}
	}
	t.Fatalf("nothing rendered has key %s of %s", key, name)
	return ""
}

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
