package app

import (
	"bytes"
	"log"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

// What a backend sends unasked is quoted by net/http, and must not be logged.
func TestStandardLogLeavesQuotesOut(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	a := &App{log: zerolog.New(&out)}
	log.New(a.StandardLog(), "", 0).Printf("Unsolicited response received on idle HTTP channel starting with %q; err=%v", "HTTP/1.1 200 canary", nil)
	if got := out.String(); strings.Contains(got, "canary") || !strings.Contains(got, `"text":"Unsolicited response received on idle HTTP channel starting with"`) {
		t.Errorf("got %s", got)
	}
}
