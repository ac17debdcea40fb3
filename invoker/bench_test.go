package invoker

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// benchEvent is a run of usual size.
func benchEvent(b *testing.B, url string) Target {
	target := event(b, map[string]any{"type": "WEBHOOK", "url": url}, map[string]any{"text": strings.Repeat("lorem ipsum ", 200)})
	target.Rule.Headers = map[string]string{"Authorization": "Bearer x", "X-Team": "platform"}
	return target
}

func BenchmarkBuild(b *testing.B) {
	i := newInvoker(b, testConfig(), testDeps())
	for name, target := range targetsOf(b, "https://ci.test") {
		if name == PortAPI {
			continue // a webhook here
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := i.Build(target); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	target := benchEvent(b, "https://ci.test/hook")
	target.Rule.HasBody, target.Rule.Body = true, target.Root
	b.Run("body of the rule", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := i.Build(target); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkDo compares an attempt with a bare POST of the same body.
func BenchmarkDo(b *testing.B) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"ok":true}`)
	}))
	b.Cleanup(s.Close)
	i := newInvoker(b, testConfig(), testDeps())
	target := benchEvent(b, s.URL)
	b.Run("attempt", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(16)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				req, err := i.Build(target)
				if err == nil {
					_, err = i.Do(b.Context(), req)
				}
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}
	b.Cleanup(client.CloseIdleConnections)
	b.Run("bare", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(16)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				res, err := client.Post(s.URL, typeJSON, bytes.NewReader(target.Event))
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
		})
	})
}
