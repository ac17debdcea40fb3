package explanation

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"port-agent/invoker"
	"port-agent/invoker/follow"
	"port-agent/invoker/wire"
)

// Answer is a recorded answer of a backend, as in a file. If only text or only json
// is given, the other is made from it.
type Answer struct {
	StatusCode int               `json:"statusCode"` // 0: 200
	Headers    map[string]string `json:"headers"`
	Text       string            `json:"text"`
	JSON       json.RawMessage   `json:"json"`
}

func (a *Answer) hasJSON() bool { return len(a.JSON) > 0 && string(a.JSON) != "null" }

// response is the answer as it came in. With both text and json, its body is the
// json of a success, from which link and id are read, and the text of a failure,
// which the summary quotes.
func (a *Answer) response() *invoker.Response {
	res := &invoker.Response{Response: wire.Response{StatusCode: a.StatusCode, Header: make(http.Header, len(a.Headers)), Body: []byte(a.Text)}}
	if res.StatusCode == 0 {
		res.StatusCode = http.StatusOK
	}
	for name, value := range a.Headers {
		res.Header.Set(name, value)
	}
	if a.hasJSON() && (a.Text == "" || res.StatusCode/100 == 2) {
		res.Body = a.JSON
	}
	return res
}

// value is the answer as the expressions of a report see it.
func (a *Answer) value() map[string]any {
	v := a.response().Value()
	if a.Text != "" {
		v["text"] = a.Text
	}
	if a.hasJSON() {
		given := invoker.Response{Response: wire.Response{Body: a.JSON}}
		v["json"], _ = given.JSON()
	}
	return v
}

// recording answers polls with recorded answers and sends nothing. Its credentials
// have the addresses of the real ones and no secrets.
type recording struct {
	live    *invoker.Invoker
	answers []Answer
}

func (r *recording) Fetch(_ context.Context, f invoker.FetchRequest) (*invoker.Response, error) {
	if len(r.answers) == 0 {
		place, _, _ := strings.Cut(f.URL, "?")
		return nil, fmt.Errorf("no answer is recorded for %s", place)
	}
	answer := &r.answers[0]
	r.answers = r.answers[1:]
	return answer.response(), nil
}

func (r *recording) Credential(backend string) *invoker.Credential {
	live := r.live.Credential(backend)
	if live == nil {
		return nil
	}
	// Not the live one: that of a GitHub App would ask GitHub for a token.
	c, err := invoker.NewCredential(live.Base(), func(context.Context, *url.URL, http.Header) error { return nil })
	if err != nil {
		return nil
	}
	return c
}

func (r *recording) Seal(string) string { return "seal" }

var _ follow.Invoker = (*recording)(nil)
