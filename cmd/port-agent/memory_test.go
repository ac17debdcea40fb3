package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMemory has backlogs that are larger than the pod's memory. It is not
// parallel, so that the machine's other work does not decide what it finds.
func TestMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads the peak of a process's memory from /proc")
	}
	for _, c := range []struct {
		name             string
		events, size     int
		partitions, most int // MiB
		away             time.Duration
	}{
		{"1,000 events of 200 KB, 16 partitions", 1000, 200_000, 16, 200, 0},
		{"800 events of 20 KB, port 2 s away", 800, 20_000, 16, 200, 2 * time.Second},
		{"80 events of 4 MiB, 16 partitions", 80, 4<<20 - 4096, 16, 200, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, c.partitions)
			w.backend.forget = true
			w.port.Delay(c.away)
			events := syncRuns("", c.events)
			for i := range events {
				events[i].Properties = map[string]any{"text": strings.Repeat("lorem ipsum ", c.size/12)}
			}
			for i := 0; i < len(events); i += c.partitions {
				w.publish(events[i:min(i+c.partitions, len(events))]...)
			}
			for i := range events {
				events[i].Properties = nil
			}
			begun := time.Now()
			agent := w.agent()
			w.waitEnded(events)
			took, peak := time.Since(begun), agent.peak()
			agent.terminate()
			t.Logf("FAULT %s: %d MiB at the most, %.1f s", c.name, peak, took.Seconds())
			if peak > c.most {
				t.Errorf("the agent took %d MiB, want at most %d", peak, c.most)
			}
		})
	}
}

// peak gives the most memory that the process has had, in MiB.
func (p *process) peak() int {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	_, text1, _ := strings.Cut(string(text), "VmHWM:")
	var kb int
	if _, err := fmt.Sscan(text1, &kb); err != nil {
		p.t.Fatal(err)
	}
	return kb >> 10
}
