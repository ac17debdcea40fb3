package invoker

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
)

// TestSentTellsTheTruth sends requests to a server that drops connections at
// every moment: before it has read anything, after a request, after an answer.
// Whatever happens, no request arrives twice, one that was accepted arrived,
// and one that counts as not sent did not arrive.
func TestSentTellsTheTruth(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			testTruth(t, scheme)
		})
	}
}

func testTruth(t *testing.T, scheme string) {
	a := newAuthority(t)
	cfg := testConfig()
	cfg.CADir = t.TempDir()
	write(t, filepath.Join(cfg.CADir, "ca.crt"), a.pem)
	pair := a.pair(t)
	var mu sync.Mutex
	arrived := map[string]int{}
	address := rawServer(t, func(_ int, c net.Conn) {
		if scheme == "https" {
			c = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{pair}})
			defer c.Close()
		}
		r := bufio.NewReader(c)
		for rand.IntN(8) > 0 {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			if _, err := io.Copy(io.Discard, req.Body); err != nil {
				return
			}
			mu.Lock()
			arrived[req.Header.Get("X-Port-Run-Id")]++
			mu.Unlock()
			if rand.IntN(8) == 0 {
				return
			}
			_, _ = io.WriteString(c, []string{okAnswer, "HTTP/1.1 204 No Content\r\n\r\n"}[rand.IntN(2)])
		}
	})
	i := newInvoker(t, cfg, testDeps())
	target := hook(t, scheme+"://"+address)
	type end struct {
		key string
		err error
	}
	ends := make(chan end)
	var wg sync.WaitGroup
	const workers, each = 8, 25
	for worker := range workers {
		wg.Go(func() {
			for n := range each {
				target := target
				target.Key = fmt.Sprintf("r_%d_%d", worker, n)
				if n%2 == 0 {
					target.Rule = Override{HasBody: true}
				}
				req, err := i.Build(t.Context(), target)
				if err == nil {
					_, err = i.Do(t.Context(), req)
				}
				ends <- end{target.Key, err}
			}
		})
	}
	go func() { wg.Wait(); close(ends) }()
	var all []end
	for e := range ends {
		all = append(all, e)
	}
	mu.Lock()
	defer mu.Unlock()
	var accepted, unsent int
	for _, e := range all {
		got := arrived[e.key]
		switch {
		case got > 1:
			t.Errorf("%s arrived %d times: %v", e.key, got, e.err)
		case e.err == nil && got != 1:
			t.Errorf("%s was accepted and did not arrive", e.key)
		case e.err != nil && !Sent(e.err) && got != 0:
			t.Errorf("%s arrived and counts as not sent: %v", e.key, e.err)
		}
		if e.err == nil {
			accepted++
		} else if !Sent(e.err) {
			unsent++
		}
	}
	if len(all) != workers*each || accepted == 0 {
		t.Errorf("got %d ends, %d accepted, want %d", len(all), accepted, workers*each)
	}
	t.Logf("%d accepted, %d not sent, %d uncertain", accepted, unsent, len(all)-accepted-unsent)
}
