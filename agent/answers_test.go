package agent

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"testing"

	"port-agent/invoker"
	"port-agent/invoker/wire"
)

// Reports that Port does not take yet hold their answers once, as text: a
// hundred runs of 1 MiB fit beside everything else.
func TestAnswersThatWaitForPortAreHeldOnce(t *testing.T) {
	const runs = 100
	for name, unit := range map[string]string{"list of objects": "{},", "text": "it's done "} {
		f := newFixture(t, builtIn)
		f.backend.do = func(context.Context, *invoker.Request) (*invoker.Response, error) {
			body := bytes.Repeat([]byte(unit), (900<<10)/len(unit))
			if unit == "{}," {
				body = append(append([]byte("["), body...), "{}]"...)
			}
			return &invoker.Response{Response: wire.Response{StatusCode: 200, Header: http.Header{}, Body: body}}, nil
		}
		held := make(chan struct{})
		var waiting, all sync.WaitGroup
		waiting.Add(runs)
		f.port.onReport = func(_ context.Context, run string, rep Report) error {
			if len(rep.Response) < 900<<10-10 {
				t.Errorf("%s: run %s: a response of %d bytes, want the whole answer", name, run, len(rep.Response))
			}
			waiting.Done()
			<-held
			return nil
		}
		before := heap()
		for i := range runs {
			ev := runEvent(t, fmt.Sprintf("r_%d", i), synchronized, true)
			all.Go(func() {
				if err := f.Handle(t.Context(), ev); err != nil {
					t.Error(err)
				}
			})
		}
		waiting.Wait()
		if got := (heap() - before) >> 20; got > 120 {
			t.Errorf("%s: %d runs hold %d MiB, want 120 at most", name, runs, got)
		}
		close(held)
		all.Wait()
	}
}

// heap is what is in use after a collection.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse)
}
