package invoker

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"port-agent/invoker/wire/wiretest"
)

func TestWebhook(t *testing.T) {
	t.Parallel()
	s := wiretest.New(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"ok":true}`)) })
	i := newInvoker(t, testConfig(), testDeps())
	target := hook(t, s.URL+"/hook?x=1")
	res, err := i.Do(t.Context(), build(t, i, target))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(res.Body), `{"ok":true}`; got != want {
		t.Errorf("answer: got %s, want %s", got, want)
	}
	seen := s.Only(t)
	if got, want := seen.Method+" "+seen.URI, "POST /hook?x=1"; got != want {
		t.Errorf("request: got %s, want %s", got, want)
	}
	if got, want := string(seen.Body), string(target.Event); got != want {
		t.Errorf("body: got %s, want %s", got, want)
	}
	for k, want := range map[string]string{
		"Content-Type": "application/json", "User-Agent": testUserAgent,
		"Idempotency-Key": "r_1", "X-Port-Run-Id": "r_1",
	} {
		if got := seen.Header.Get(k); got != want {
			t.Errorf("%s: got %q, want %q", k, got, want)
		}
	}
	checkV1(t, seen)
}

// checkV1 checks a signature as the receiver of a webhook does.
func checkV1(t *testing.T, seen wiretest.Exchange) {
	t.Helper()
	timestamp := seen.Header.Get(headerTimestamp)
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		t.Fatalf("timestamp: %v", err)
	}
	if age := time.Since(time.Unix(seconds, 0)); age < -time.Second || age > time.Minute {
		t.Errorf("timestamp: %v old", age)
	}
	if got, want := seen.Header.Get(headerSignature), NewSigner(testSigner).V1(timestamp, seen.Body); got != want {
		t.Errorf("signature: got %s, want %s", got, want)
	}
}
