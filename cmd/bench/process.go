package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// child is a process of the benchmark.
type child struct {
	cmd   *exec.Cmd
	stdin io.Closer
	start time.Time
}

// usage is what a process has taken.
type usage struct {
	CPU     time.Duration
	Peak    int64 // resident, bytes
	Current int64 // resident, bytes
}

// ticks is the kernel's unit of CPU time in /proc, 100 a second on every
// Linux.
const ticks = 100

// usage reads /proc; the figures are zero where there is none.
func (c *child) usage() (u usage) {
	folder := filepath.Join("/proc", strconv.Itoa(c.cmd.Process.Pid))
	if stat, err := os.ReadFile(filepath.Join(folder, "stat")); err == nil {
		// Behind the name, which may hold anything, utime and stime are the
		// fields 14 and 15.
		if i := bytes.LastIndexByte(stat, ')'); i > 0 {
			f := strings.Fields(string(stat[i+1:]))
			user, _ := strconv.Atoi(f[11])
			system, _ := strconv.Atoi(f[12])
			u.CPU = time.Duration(user+system) * time.Second / ticks
		}
	}
	status, err := os.Open(filepath.Join(folder, "status"))
	if err != nil {
		return u
	}
	defer status.Close()
	for lines := bufio.NewScanner(status); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) < 2 {
			continue
		}
		kib, _ := strconv.ParseInt(f[1], 10, 64)
		switch f[0] {
		case "VmHWM:":
			u.Peak = kib << 10
		case "VmRSS:":
			u.Current = kib << 10
		}
	}
	return u
}

// startChild starts a process that ends with its standard input or by stop.
func startChild(file string, args, env []string, folder string, out, errs io.Writer) (*child, error) {
	cmd := exec.Command(file, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = folder, out, errs
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + folder}, env...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: cmd, stdin: stdin, start: time.Now()}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", file, err)
	}
	return c, nil
}

// stop ends the process as a cluster does and waits for it.
func (c *child) stop() {
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	timer := time.AfterFunc(20*time.Second, func() { _ = c.cmd.Process.Kill() })
	defer timer.Stop()
	_ = c.cmd.Wait()
	_ = c.stdin.Close()
}
