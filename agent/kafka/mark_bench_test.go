package kafka

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"port-agent/agent"
	"port-agent/agent/kafka/kafkatest"
)

// BenchmarkStartedMark measures what a lone event pays for its started mark:
// one commit, from the call to the broker's answer.
func BenchmarkStartedMark(b *testing.B) {
	for name, delay := range map[string]time.Duration{"loopback": 0, "broker 50 ms away": 50 * time.Millisecond} {
		b.Run(name, func(b *testing.B) {
			c, err := kafkatest.Start(kfake.ListenFn(func(network, address string) (net.Listener, error) {
				l, err := net.Listen(network, address)
				return distantListener{l, delay}, err
			}))
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(c.Close)
			cfg := configOf(c.Brokers, "bench")
			cfg.watchInterval = 0
			for _, topic := range cfg.topics() {
				if err := c.CreateTopic(b.Context(), topic, 1); err != nil {
					b.Fatal(err)
				}
			}
			marked := make(chan time.Duration)
			start(b, cfg, func(ctx context.Context, ev *agent.Event) error {
				begun := time.Now()
				err := ev.Ledger.Start(ctx)
				marked <- time.Since(begun)
				return err
			})
			var total time.Duration
			for b.Loop() {
				if err := c.Produce(b.Context(), cfg.RunsTopic, 0, []byte("event")); err != nil {
					b.Fatal(err)
				}
				total += <-marked
			}
			b.ReportMetric(float64(total.Microseconds())/float64(b.N), "µs/mark")
		})
	}
}

// distantListener delays what its connections send, as a way of that length
// does.
type distantListener struct {
	net.Listener
	delay time.Duration
}

func (l distantListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if l.delay == 0 || err != nil {
		return c, err
	}
	return distantConn{c, l.delay}, nil
}

type distantConn struct {
	net.Conn
	delay time.Duration
}

func (c distantConn) Write(p []byte) (int, error) {
	time.Sleep(c.delay)
	return c.Conn.Write(p)
}
