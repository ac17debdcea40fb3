package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
)

// TestMemory has a backlog that is larger than the pod's memory; cmd/bench has
// others, which take longer. It is not parallel, so that the machine's other
// work does not decide what it finds.
func TestMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads the peak of a process's memory from /proc")
	}
	const partitions, most = 16, 200 // MiB
	w := newWorld(t, partitions)
	w.backend.forget = true
	events := syncRuns("", 1000)
	for i := range events {
		events[i].Properties = map[string]any{"text": strings.Repeat("lorem ipsum ", 200_000/12)}
	}
	for i := 0; i < len(events); i += partitions {
		w.publish(events[i:min(i+partitions, len(events))]...)
	}
	for i := range events {
		events[i].Properties = nil
	}
	agent := w.agent()
	w.waitEnded(events)
	peak := agent.peak()
	agent.terminate()
	t.Logf("FAULT 1,000 events of 200 KB on 16 partitions: %d MiB at the most", peak)
	if peak > most && !underRace { // the race detector keeps books of its own about each byte
		t.Errorf("the agent took %d MiB, want at most %d", peak, most)
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
