package port_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"port-agent/agent"
	"port-agent/agent/port"
	"port-agent/agent/port/porttest"
	"port-agent/agent/redact"
)

func TestOneTokenForManyRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, porttest.Config{})
		f.server.Delay(20 * time.Millisecond)
		parallel(1000, func(i int) {
			run := fmt.Sprintf("r_%d", i)
			if err := f.Report(t.Context(), run, agent.Report{Status: agent.StatusSuccess, Response: json.RawMessage(`{}`)}); err != nil {
				t.Error(err)
			}
		})
		if got := f.server.Count(porttest.RouteToken); got != 1 {
			t.Errorf("tokens: got %d, want 1", got)
		}
		if got := testutil.ToFloat64(f.metrics.TokenRenewals.WithLabelValues("ok")); got != 1 {
			t.Errorf("renewals counted: got %v, want 1", got)
		}
	})
}

// The token is renewed before it expires, by one caller and without making the
// others wait.
func TestTokenIsRenewedInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, porttest.Config{TokenLife: time.Hour})
		if _, err := f.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(56 * time.Minute)
		f.server.Fault(porttest.RouteToken, porttest.Fault{Times: 1, Delay: 5 * time.Second})
		begun := time.Now()
		waited := make([]time.Duration, 50)
		parallel(len(waited), func(i int) {
			if _, err := f.Token(t.Context()); err != nil {
				t.Error(err)
			}
			waited[i] = time.Since(begun)
		})
		slow := 0
		for _, d := range waited {
			if d > 0 {
				slow++
			}
		}
		if slow != 1 {
			t.Errorf("callers that waited: got %d, want the one that asked", slow)
		}
		time.Sleep(10 * time.Minute)
		if err := f.Report(t.Context(), "r_1", agent.Report{Status: agent.StatusSuccess}); err != nil {
			t.Error(err)
		}
		if got := f.server.Count(porttest.RouteToken); got != 2 {
			t.Errorf("tokens: got %d, want 2", got)
		}
		if got := len(f.run(t, "r_1").History); got != 1 {
			t.Errorf("calls: got %d, want 1, without a 401", got)
		}
	})
}

// A renewal that fails while the token is good disturbs nobody.
func TestRenewalMayFailInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, porttest.Config{TokenLife: time.Hour})
		if _, err := f.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(56 * time.Minute)
		f.server.Fault(porttest.RouteToken, porttest.Fault{Status: 500})
		for range 60 {
			if err := f.Report(t.Context(), "r_1", agent.Report{Summary: "goes on"}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if got := f.server.Count(porttest.RouteToken); got < 3 || got > 12 {
			t.Errorf("token calls in a minute: got %d, want a few, further and further apart", got)
		}
	})
}

// Many calls find at once that the token is no longer taken; one asks.
func TestTokenThatPortNoLongerTakes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, porttest.Config{})
		f.server.Delay(time.Second)
		if _, err := f.Organization(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.server.ExpireTokens()
		parallel(200, func(i int) {
			if err := f.Report(t.Context(), fmt.Sprintf("r_%d", i), agent.Report{Status: agent.StatusSuccess}); err != nil {
				t.Error(err)
			}
		})
		if got := f.server.Count(porttest.RouteToken); got != 2 {
			t.Errorf("tokens: got %d, want 2", got)
		}
		if got := f.reports("status", "retried"); got != 0 {
			t.Errorf("retried: got %d, want 0: a new token is not a new report", got)
		}
	})
}

// A 401 is no refusal of a report: it is repeated until Port takes a token
// again, without asking for tokens all the time.
func TestReportsOutlastUnauthorized(t *testing.T) {
	t.Parallel()
	reports := func(t *testing.T, f *fixture, n int) {
		t.Helper()
		parallel(n, func(i int) {
			run := fmt.Sprintf("r_%d", i)
			f.server.AddRun(run)
			err := f.Report(t.Context(), run, agent.Report{Status: agent.StatusSuccess, Response: json.RawMessage(`"ok"`), Lines: someLines})
			if got := f.run(t, run); err != nil || !got.Succeeded() || got.Response == nil {
				t.Errorf("run %s: got %v, status %s; want it ended with its response", run, err, got.Status)
			}
		})
	}
	tests := []struct {
		name   string
		begin  func(f *fixture)
		runs   int
		tokens int // at most
		longer time.Duration
	}{
		{"the only token revoked before it worked", func(f *fixture) {
			_, _ = f.Token(context.Background())
			time.Sleep(3 * time.Second)
			f.server.ExpireTokens()
		}, 50, 2, time.Second},
		{"no token taken for 4 s", func(f *fixture) {
			f.unauthorized(porttest.RouteResponse, porttest.RouteStatus, porttest.RouteLog)
			time.AfterFunc(4*time.Second, f.server.ClearFaults)
		}, 200, 8, 12 * time.Second},
		{"no token taken for an hour", func(f *fixture) {
			f.unauthorized(porttest.RouteResponse, porttest.RouteStatus, porttest.RouteLog)
			time.AfterFunc(time.Hour, f.server.ClearFaults)
		}, 20, 200, time.Hour + time.Minute},
		{"credentials refused for an hour", func(f *fixture) {
			f.server.Fault(porttest.RouteToken, porttest.Fault{Status: http.StatusUnauthorized})
			time.AfterFunc(time.Hour, f.server.ClearFaults)
		}, 20, 200, time.Hour + time.Minute},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, porttest.Config{})
				f.server.Delay(50 * time.Millisecond)
				test.begin(f)
				begun := time.Now()
				reports(t, f, test.runs)
				if took := time.Since(begun); took > test.longer {
					t.Errorf("took %s, want at most %s", took, test.longer)
				}
				if got := f.server.Count(porttest.RouteToken); got > test.tokens {
					t.Errorf("tokens: got %d, want at most %d", got, test.tokens)
				}
			})
		})
	}
}

// A token that lasts for a few calls alone is no reason to wait.
func TestTokensThatExpireEarly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, porttest.Config{})
		begun := time.Now()
		for i := range 40 {
			run := fmt.Sprintf("r_%d", i)
			if err := errors.Join(f.Log(t.Context(), run, someLines), f.Report(t.Context(), run, agent.Report{Status: agent.StatusSuccess})); err != nil {
				t.Errorf("run %d: got %v, want none", i, err)
			}
			f.server.ExpireTokens()
		}
		if took := time.Since(begun); took > 0 {
			t.Errorf("took %s, want no wait", took)
		}
	})
}

// One route that refuses every token neither makes the others wait nor makes
// the agent ask for new tokens without end.
func TestTokenCallsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, porttest.Config{})
		f.unauthorized(porttest.RouteResponse)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		parallel(40, func(i int) {
			if run := fmt.Sprintf("r_%d", i); i%2 == 0 {
				if err := f.Report(ctx, run, agent.Report{Response: json.RawMessage(`{}`)}); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("run %s: got %v, want it repeated until the deadline", run, err)
				}
				return
			}
			for n := range 60 {
				begun := time.Now()
				if err := f.Report(ctx, fmt.Sprintf("r_%d_%d", i, n), agent.Report{Summary: "goes on"}); err != nil || time.Since(begun) > time.Second {
					t.Errorf("another call: got %v after %s", err, time.Since(begun))
				}
				time.Sleep(30 * time.Second)
			}
		})
		if got := f.server.Count(porttest.RouteToken); got > 51*12 {
			t.Errorf("tokens: got %d in an hour, want at most 51 in 5 minutes", got)
		}
	})
}

func TestWrongCredentials(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, porttest.Config{Kafka: &porttest.KafkaCredentials{Brokers: []string{"b:9092"}}})
		client, _ := f.client(t, port.Config{ClientID: "client", ClientSecret: "hunter2"})
		begun := time.Now()
		_, err := client.KafkaCredentials(t.Context())
		if !errors.Is(err, port.ErrCredentials) || time.Since(begun) > time.Second {
			t.Errorf("got %v after %s, want ErrCredentials at once", err, time.Since(begun))
		}
		text := fmt.Sprint(err)
		for _, want := range []string{"PORT_CLIENT_ID", "PORT_CLIENT_SECRET", "answered 401"} {
			if !strings.Contains(text, want) {
				t.Errorf("got %q, want it to name %s", text, want)
			}
		}
		if strings.Contains(text, "hunter2") {
			t.Errorf("got %q, which holds the secret", text)
		}
		if got := f.server.Count(porttest.RouteToken); got != 1 {
			t.Errorf("token calls: got %d, want 1", got)
		}
	})
}

// Port allows 100 token calls in 5 minutes to everybody behind one address.
func TestTokenCallsAreFewWhenRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, porttest.Config{})
		f.server.Fault(porttest.RouteToken, porttest.Fault{Status: 500})
		begun := time.Now()
		time.AfterFunc(5*time.Minute, f.server.ClearFaults)
		parallel(100, func(i int) {
			if err := f.Report(t.Context(), fmt.Sprintf("r_%d", i), agent.Report{Status: agent.StatusSuccess}); err != nil {
				t.Error(err)
			}
		})
		if took := time.Since(begun); took > 6*time.Minute+5*time.Second {
			t.Errorf("took %s, want little more than the 5 minutes of the outage", took)
		}
		if got := f.server.Count(porttest.RouteToken); got > 30 {
			t.Errorf("token calls: got %d, want at most 30", got)
		}
	})
}

func TestTokenCallsObeyTheirLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, porttest.Config{})
		f.server.Fault(porttest.RouteToken, porttest.Fault{Times: 1, Status: 429, Header: http.Header{"X-Ratelimit-Reset": {"120"}}})
		begun := time.Now()
		if err := f.Report(t.Context(), "r_1", agent.Report{Status: agent.StatusSuccess}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took < 120*time.Second || took > 151*time.Second {
			t.Errorf("took %s, want two minutes", took)
		}
		if got := f.server.Count(porttest.RouteToken); got != 2 {
			t.Errorf("token calls: got %d, want 2", got)
		}
	})
}

// The redactor knows the token in use and the one before.
func TestTokensAreHidden(t *testing.T) {
	t.Parallel()
	f := newFixture(t, porttest.Config{})
	redactor := redact.New()
	client, _ := f.client(t, port.Config{ClientID: "client", ClientSecret: "secret", Redactor: redactor})
	var tokens []string
	for range 3 {
		token, err := client.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, token)
		for _, expired := range []bool{false, true} {
			if expired {
				f.server.ExpireTokens()
			}
			if _, err := client.Organization(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	last, err := client.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, token := range append(tokens, last) {
		hidden := !strings.Contains(redactor.String("the token "+token), token)
		if want := i >= 2; hidden != want {
			t.Errorf("token %d: hidden %v, want %v", i, hidden, want)
		}
	}
}
