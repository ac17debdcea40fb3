package invoker

import (
	"fmt"
	"math"
	"math/big"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/text/encoding/unicode"

	"port-agent/invoker/wire"
	"port-agent/invoker/wire/wiretest"
)

// An error quotes the answer in its own characters.
func TestCharsetInSummary(t *testing.T) {
	t.Parallel()
	s := wiretest.New(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=iso-8859-1")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte("caf\xe9 closed"))
	})
	i := newInvoker(t, testConfig(), testDeps())
	_, err := i.Do(t.Context(), build(t, i, hook(t, s.URL)))
	if want := "POST " + s.URL + " answered 400: café closed"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// An answer whose tree would take much more memory or time than its text goes
// through as text.
func TestAnswerBounds(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, body string
		decoded    bool
	}{
		{"objects without end", "[{}" + strings.Repeat(",{}", maxAnswer/3-2) + "]", false},
		{"lists without end", "[" + strings.Repeat("[],", maxAnswer/3-2) + "0]", false},
		{"a million digits", strings.Repeat("7", maxAnswer-10), true},
		{"many digits of a fraction", "0." + strings.Repeat("7", 5000), true},
		{"a large text of commas", `"` + strings.Repeat(",", 500_000) + `"`, true},
		{"a large list of use", "[" + strings.Repeat(`{"id":12345,"name":"a name"},`, 30_000) + "0]", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			res := &Response{Response: wire.Response{Body: []byte(tc.body)}}
			if _, ok := res.JSON(); ok != tc.decoded {
				t.Errorf("decoded: got %t, want %t", ok, tc.decoded)
			}
			if raw, ok := res.RawJSON(); !ok || len(raw) != len(tc.body) {
				t.Errorf("raw: got %d bytes, %t", len(raw), ok)
			}
		})
	}
	for _, res := range []wire.Response{{Body: []byte("12"), Truncated: true}, {Body: []byte("12"), Broken: true}, {Body: []byte("1 2")}, {}} {
		res := &Response{Response: res}
		_, decoded := res.JSON()
		if _, raw := res.RawJSON(); raw || decoded {
			t.Errorf("%+v is taken for JSON", res)
		}
	}
}

func TestNumber(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("7", 1000)
	big, _ := new(big.Int).SetString("-"+long, 10)
	for text, want := range map[string]any{
		"0": 0, "-5": -5, "9007199254740993": 9007199254740993, "-" + long: big,
		"1.0": 1.0, "1e2": 100.0, "1e1000": math.MaxFloat64, "-1E1000": -math.MaxFloat64, "1e-1000": 0.0,
		// To read and to use more digits takes more than linear time.
		long + "7": math.MaxFloat64, "-" + long + "7": -math.MaxFloat64,
	} {
		if got := Number(text); !reflect.DeepEqual(got, want) {
			t.Errorf("%.20s…: got %v (%T), want %v (%T)", text, got, got, want, want)
		}
	}
}

// JSON is read in whatever encoding it comes.
func TestJSONInItsCharset(t *testing.T) {
	t.Parallel()
	const json = `{"a":"é€"}`
	for _, tc := range []struct{ contentType, body string }{
		{"application/json", json},
		{"application/json", "\xef\xbb\xbf" + json},
		{"application/json", utf16(t, json)},
		{"application/json; charset=utf-8", utf16(t, json)},
		{"text/plain; charset=utf-16le", utf16(t, json)},
	} {
		res := &Response{Response: wire.Response{Header: http.Header{"Content-Type": {tc.contentType}}, Body: []byte(tc.body)}}
		if v, ok := res.JSON(); !ok || v.(map[string]any)["a"] != "é€" {
			t.Errorf("%s %q: JSON: got %v, %t", tc.contentType, tc.body, v, ok)
		}
		if raw, ok := res.RawJSON(); !ok || string(raw) != json {
			t.Errorf("%s %q: raw: got %s, %t", tc.contentType, tc.body, raw, ok)
		}
	}
}

func utf16(t *testing.T, s string) string {
	t.Helper()
	out, err := unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM).NewEncoder().String(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// FuzzJSON gives strangers' bytes and labels to what decodes answers.
func FuzzJSON(f *testing.F) {
	f.Add("text/html; charset=utf-16", []byte("\xff\xfe<\x00"))
	f.Add("application/json", []byte("\x00\x00\x00{"))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		res := &Response{Response: wire.Response{Header: http.Header{"Content-Type": {contentType}}, Body: body}}
		raw, rawOK := res.RawJSON()
		if v, ok := res.JSON(); ok && !rawOK {
			t.Errorf("%s decodes to %s and is not JSON", raw, fmt.Sprint(v))
		}
	})
}
