package wire

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// moments is when a server of TestSentTellsTheTruth drops a connection that
// has served one request before.
var moments = []string{"before", "during", "after", "early"}

// dropper counts the requests of which it has read a byte, by path, and drops
// connections at the moment that the path names.
type dropper struct {
	mu   sync.Mutex
	seen map[string]int
}

func (d *dropper) serve(c net.Conn) {
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		path := strings.Fields(line)[1]
		d.mu.Lock()
		d.seen[path]++
		d.mu.Unlock()
		moment, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
		switch moment {
		case "during":
			_, _ = r.Discard(rand.IntN(40))
			return
		case "early":
			_, _ = io.WriteString(c, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\n\r\nlarge")
			return
		}
		req, err := http.ReadRequest(bufio.NewReader(io.MultiReader(strings.NewReader(line), r)))
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, req.Body); err != nil || moment == "after" {
			return
		}
		// The body of a request may be in req's own reader: nothing follows it.
		_, _ = io.WriteString(c, okAnswer)
		if strings.HasSuffix(path, "/closing") {
			return
		}
		r = bufio.NewReader(c)
	}
}

// TestSentTellsTheTruth sends requests on used connections to a server that
// drops them before, during and after a request. Whatever happens, no request
// arrives twice, one that was accepted arrived, and none of which the server
// has read a byte counts as not sent.
func TestSentTellsTheTruth(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"http", "https"} {
		for _, method := range []string{"POST", "PUT", "GET", "DELETE"} {
			for _, moment := range moments {
				t.Run(scheme+" "+method+" "+moment, func(t *testing.T) {
					t.Parallel()
					testTruth(t, scheme, method, moment)
				})
			}
		}
	}
}

func testTruth(t *testing.T, scheme, method, moment string) {
	const workers = 4
	each := 125
	if scheme == "https" {
		each = 10 // handshakes take their time
	}
	a := newAuthority(t)
	cfg := verified
	cfg.CADir = t.TempDir()
	write(t, filepath.Join(cfg.CADir, "ca.crt"), a.pem)
	pair := a.pair(t)
	d := &dropper{seen: map[string]int{}}
	address := rawServer(t, func(_ int, c net.Conn) {
		if tcp := c.(*net.TCPConn); rand.IntN(2) == 0 {
			_ = tcp.SetLinger(0) // reset instead of FIN
		}
		if scheme == "https" {
			c = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{pair}})
			defer c.Close()
		}
		d.serve(c)
	})
	var mu sync.Mutex
	counts := map[string]int{}
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			c := newClient(t, cfg, nil)
			for n := range each {
				warm := fmt.Sprintf("/warm/%d/%d", worker, n)
				if moment == "before" {
					warm += "/closing"
				}
				path := fmt.Sprintf("/%s/%d/%d", moment, worker, n)
				for _, p := range []string{warm, path} {
					call := post(t, scheme+"://"+address+p)
					if call.Method = method; n%2 == 0 {
						call.Body = nil
					}
					res, err := do(t, c, call)
					d.mu.Lock()
					got := d.seen[p]
					d.mu.Unlock()
					outcome := "uncertain"
					switch {
					case got > 1:
						t.Errorf("%s arrived %d times: %v", p, got, err)
					case err == nil && got != 1:
						t.Errorf("%s was accepted and did not arrive", p)
					case err != nil && !fault(t, err).Sent && got != 0:
						t.Errorf("%s arrived and counts as not sent: %v", p, err)
					case err != nil && !fault(t, err).Sent:
						outcome = "not sent"
					case err == nil && res.StatusCode == http.StatusOK:
						outcome = "accepted"
					case err == nil:
						outcome = "answered"
					}
					mu.Lock()
					if p == path {
						counts[outcome]++
					}
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if total := counts["uncertain"] + counts["accepted"] + counts["not sent"] + counts["answered"]; total != workers*each {
		t.Errorf("got %d ends, want %d", total, workers*each)
	}
	t.Log(counts)
}
