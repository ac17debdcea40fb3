package port_test

import (
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
)

func TestOneTokenForManyRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, porttest.Config{})
		f.server.Delay(20 * time.Millisecond)
		parallel(1000, func(i int) {
			run := fmt.Sprintf("r_%d", i)
			if err := f.Report(t.Context(), run, agent.Report{Status: agent.StatusSuccess, HasResponse: true}); err != nil {
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

// Calls that are refused with every new token are given up, without asking
// for tokens for ever.
func TestCallsThatNoTokenHelps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, porttest.Config{})
		f.server.Delay(50 * time.Millisecond)
		f.server.Fault(porttest.RouteStatus, porttest.Fault{Status: http.StatusUnauthorized})
		parallel(100, func(i int) {
			err := f.Report(t.Context(), fmt.Sprintf("r_%d", i), agent.Report{Status: agent.StatusSuccess})
			if !errors.Is(err, agent.ErrRejected) {
				t.Errorf("got %v, want an error that wraps ErrRejected", err)
			}
		})
		if got := f.server.Count(porttest.RouteToken); got > 20 {
			t.Errorf("tokens: got %d, want few", got)
		}
	})
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

// One route that refuses every token does not make the others ask for new
// ones without end.
func TestTokenCallsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, porttest.Config{})
		f.server.Fault(porttest.RouteResponse, porttest.Fault{Status: http.StatusUnauthorized})
		begun := time.Now()
		for i := range 200 {
			run := fmt.Sprintf("r_%d", i)
			err := f.Report(t.Context(), run, agent.Report{Status: agent.StatusSuccess, HasResponse: true})
			if got := f.run(t, run); !errors.Is(err, agent.ErrRejected) || !got.Succeeded() {
				t.Errorf("run %d: got %v and status %s, want the response refused and the status accepted", i, err, got.Status)
			}
		}
		windows := int(time.Since(begun)/(5*time.Minute)) + 1
		if got := f.server.Count(porttest.RouteToken); got > 51*windows {
			t.Errorf("tokens: got %d in %d windows of 5 minutes, want at most 51 in each", got, windows)
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
	redactor := agent.NewRedactor()
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
