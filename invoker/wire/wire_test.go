package wire

import (
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

func env(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := vars[name]; return v, ok }
}

func newClient(t testing.TB, cfg Config, vars map[string]string, listeners ...net.Listener) *Client {
	t.Helper()
	c, err := New(cfg, env(vars), listeners...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// verified is the Config that most tests use.
var verified = Config{VerifySSL: true}

// post is a call with a body.
func post(t testing.TB, raw string) *Call {
	t.Helper()
	u, err := ParseURL(raw)
	if err != nil {
		t.Fatal(err)
	}
	return &Call{Method: http.MethodPost, URL: u, Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(`{"a":1}`)}
}

func get(t testing.TB, raw string) *Call {
	t.Helper()
	call := post(t, raw)
	call.Method, call.Body = http.MethodGet, nil
	return call
}

// limit is the time of a call that is not about time.
const limit = 10 * time.Second

func do(t testing.TB, c *Client, call *Call) (*Response, error) {
	t.Helper()
	ctx, clock := NewClock(t.Context(), limit)
	defer clock.Stop()
	return c.Do(ctx, clock, call)
}

// fault is the *Error that err is.
func fault(t testing.TB, err error) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *Error", err)
	}
	return e
}

// checkSecrets fails the test where a text holds one of the canaries.
func checkSecrets(t testing.TB, what, text string) {
	t.Helper()
	if strings.Contains(text, "-canary") {
		t.Errorf("%s holds a secret: %s", what, text)
	}
}

// TestMain silences the standard logger, as the agent does: net/http quotes
// there what the servers of these tests send unasked.
func TestMain(m *testing.M) {
	log.SetOutput(io.Discard)
	os.Exit(m.Run())
}
