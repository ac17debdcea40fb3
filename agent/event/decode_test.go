package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"port-agent/invoker"
)

func TestDecodeBody(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, record, want string }{
		{"empty object", " { } ", `{}`},
		{"white space", "\t{ \"a\" :\r\n [ 1 , 2 ] }\n", `{"a":[1,2]}`},
		{"order of names", `{"b":1,"a":2,"10":3,"9":4}`, `{"b":1,"a":2,"10":3,"9":4}`},
		{"text of numbers", `{"n":[1.0,1E2,-0,-0.0,1e400,0.10,9007199254740993]}`, `{"n":[1.0,1E2,-0,-0.0,1e400,0.10,9007199254740993]}`},
		{"escapes", `{"\u0061":"\u0022\u005c\u002f\/\u0008\u000C\u000a\u000D\u0009\u001F\u007F\u00e9\u2028"}`, `{"a":"\"\\//\b\f\n\r\t\u001f` + "\x7fé\u2028" + `"}`},
		{"no escape to take off", `{"a":"\\u0041\\\\"}`, `{"a":"\\u0041\\\\"}`},
		{"surrogates", `{"a":"\uD83D\uDE80 \uD83D\uD83D \uDE80 \ud83dx"}`, `{"a":"🚀 \ud83d\ud83d \ude80 \ud83dx"}`},
		{"surrogate before another escape", `{"a":"\ud83d\u0041\ud83d\n"}`, `{"a":"\ud83dA\ud83d\n"}`},
		{"signature and timestamp", `{"headers":{"X-Port-Signature":"s","X-Port-Timestamp":1}}`, `{"headers":{}}`},
		{"other headers", `{"headers":{"a":1,"X-Port-Signature":"s","b":2,"X-Port-Timestamp":1,"c":3},"z":0}`, `{"headers":{"a":1,"b":2,"c":3},"z":0}`},
		{"headers in other cases", `{"headers":{"x-port-signature":"s","X-PORT-TIMESTAMP":1},"Headers":{"X-Port-Signature":"s"}}`, `{"headers":{"x-port-signature":"s","X-PORT-TIMESTAMP":1},"Headers":{"X-Port-Signature":"s"}}`},
		{"headers further down", `{"payload":{"headers":{"X-Port-Signature":"s"}},"X-Port-Signature":"t"}`, `{"payload":{"headers":{"X-Port-Signature":"s"}},"X-Port-Signature":"t"}`},
		{"headers within headers", `{"headers":{"headers":{"X-Port-Signature":"s"}}}`, `{"headers":{"headers":{"X-Port-Signature":"s"}}}`},
		{"headers of another type", `{"headers":["X-Port-Signature"]}`, `{"headers":["X-Port-Signature"]}`},
		{"signature of another type", `{"headers":{"X-Port-Signature":{"a":[1]},"X-Port-Timestamp":null}}`, `{"headers":{}}`},
		{"gitlab, headers alone", `{"headers":{"a":1},"payload":{"action":{"invocationMethod":{"type":"GITLAB"}}}}`, `{"payload":{"action":{"invocationMethod":{"type":"GITLAB"}}}}`},
		{"gitlab, headers last", `{"payload":{"action":{"invocationMethod":{"type":"GITLAB"}}},"headers":{}}`, `{"payload":{"action":{"invocationMethod":{"type":"GITLAB"}}}}`},
		{"gitlab, headers between", `{"a":1,"headers":{"a":1},"payload":{"action":{"invocationMethod":{"type":"GITLAB"}}}}`, `{"a":1,"payload":{"action":{"invocationMethod":{"type":"GITLAB"}}}}`},
		{"gitlab, headers of another type", `{"headers":1,"payload":{"action":{"invocationMethod":{"type":"GITLAB"}}}}`, `{"payload":{"action":{"invocationMethod":{"type":"GITLAB"}}}}`},
		{"gitlab in another case", `{"headers":{},"payload":{"action":{"invocationMethod":{"type":"GitLab"}}}}`, `{"headers":{},"payload":{"action":{"invocationMethod":{"type":"GitLab"}}}}`},
		{"gitlab elsewhere", `{"headers":{},"changelogDestination":{"type":"GITLAB"}}`, `{"headers":{},"changelogDestination":{"type":"GITLAB"}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			record := []byte(tt.record)
			m, err := Decode(record)
			if err != nil {
				t.Fatal(err)
			}
			if got := string(m.Body); got != tt.want {
				t.Errorf("got %s\nwant %s", got, tt.want)
			}
			if string(record) != tt.record {
				t.Errorf("the record itself was changed to %s", record)
			}
			if got, want := m.Root, decoded(t, m.Body); !reflect.DeepEqual(got, want) {
				t.Errorf("tree: got %#v\nwant that of the body, %#v", got, want)
			}
		})
	}
}

// decoded reads a body with the standard library, to compare its tree.
func decoded(t *testing.T, body []byte) map[string]any {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var v map[string]any
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return numbered(v).(map[string]any)
}

func numbered(v any) any {
	switch v := v.(type) {
	case json.Number:
		return invoker.Number(v.String())
	case map[string]any:
		for name := range v {
			v[name] = numbered(v[name])
		}
	case []any:
		for i := range v {
			v[i] = numbered(v[i])
		}
	}
	return v
}

func TestDecodeHeaders(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, record, signature, timestamp string
		ok                                 bool
	}{
		{"both", `{"headers":{"X-Port-Signature":"v1,s","X-Port-Timestamp":"17"}}`, "v1,s", "17", true},
		{"number", `{"headers":{"X-Port-Timestamp":1767612505.0}}`, "", "1767612505.0", true},
		{"names with escapes", `{"\u0068eaders":{"X-Port-\u0053ignature":"v1,\u0073"}}`, "v1,s", "", true},
		{"other types", `{"headers":{"X-Port-Signature":1,"X-Port-Timestamp":["1"]}}`, "", "", true},
		{"null", `{"headers":{"X-Port-Signature":null,"X-Port-Timestamp":true}}`, "", "", true},
		{"no headers", `{}`, "", "", false},
		{"headers null", `{"headers":null}`, "", "", false},
		{"headers a list", `{"headers":[{"X-Port-Signature":"s"}]}`, "", "", false},
		{"gitlab", `{"headers":{"X-Port-Signature":"s"},"payload":{"action":{"invocationMethod":{"type":"GITLAB"}}}}`, "s", "", true},
	}
	for _, tt := range tests {
		m, err := Decode([]byte(tt.record))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if m.Signature != tt.signature || m.Timestamp != tt.timestamp || m.HeadersOK != tt.ok {
			t.Errorf("%s: got %q, %q, %t, want %q, %q, %t", tt.name, m.Signature, m.Timestamp, m.HeadersOK, tt.signature, tt.timestamp, tt.ok)
		}
	}
}

func TestDecodeValues(t *testing.T) {
	t.Parallel()
	huge, ok := new(big.Int).SetString("-12345678901234567890", 10)
	if !ok {
		t.Fatal("no number")
	}
	tests := []struct {
		text string
		want any
	}{
		{"null", nil},
		{"true", true},
		{"false", false},
		{"0", 0},
		{"-0", 0},
		{"9223372036854775807", math.MaxInt64},
		{"-9223372036854775808", math.MinInt64},
		{"9223372036854775808", new(big.Int).SetUint64(1 << 63)},
		{"-12345678901234567890", huge},
		{"1.0", 1.0},
		{"1e3", 1000.0},
		{"1E400", math.MaxFloat64},
		{"-1e400", -math.MaxFloat64},
		{"1e-400", 0.0},
		{"[]", []any{}},
		{"{}", map[string]any{}},
		{`"\ud800 \ud83d\ude80"`, "\ufffd 🚀"},
		{`"\u0000"`, "\x00"},
	}
	for _, tt := range tests {
		m, err := Decode([]byte(`{"v":` + tt.text + `}`))
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		if got := m.Root["v"]; !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %T %v, want %T %v", tt.text, got, got, tt.want, tt.want)
		}
		if _, err := json.Marshal(m.Root); err != nil {
			t.Errorf("%s: %v", tt.text, err)
		}
	}
}

func TestDecodeMalformed(t *testing.T) {
	t.Parallel()
	nested := func(depth int) string { // the object that holds it is a level of its own
		return `{"a":` + strings.Repeat("[", depth-1) + strings.Repeat("]", depth-1) + `}`
	}
	tests := []struct{ name, record, want string }{
		{"no bytes", "", "empty"},
		{"white space", " \r\n\t ", "empty"},
		{"zero byte", "\x00", "not a JSON object"},
		{"text", "hello", "not a JSON object"},
		{"array", `[{"a":1}]`, "not a JSON object"},
		{"string", `"{}"`, "not a JSON object"},
		{"null", `null`, "not a JSON object"},
		{"byte order mark", "\ufeff{}", "not a JSON object"},
		{"UTF-16", "{\x00}\x00", "invalid JSON at byte 1"},
		{"cut", `{"a":1`, "invalid JSON"},
		{"cut in a string", `{"a":"x`, "invalid JSON"},
		{"cut in an escape", `{"a":"\u00`, "invalid JSON"},
		{"second object", `{"a":1} {"b":2}`, "data after the object"},
		{"trailing text", `{"a":1}x`, "data after the object"},
		{"trailing comma", `{"a":1,}`, "invalid JSON"},
		{"trailing comma in array", `{"a":[1,]}`, "invalid JSON"},
		{"comment", `{"a":1 /* x */}`, "invalid JSON"},
		{"NaN", `{"a":NaN}`, "invalid JSON"},
		{"leading zero", `{"a":01}`, "invalid JSON"},
		{"bare name", `{a:1}`, "invalid JSON"},
		{"single quotes", `{'a':1}`, "invalid JSON"},
		{"raw control character", "{\"a\":\"\n\"}", "invalid JSON"},
		{"unknown escape", `{"a":"\x41"}`, "invalid JSON"},
		{"mismatched brackets", `{"a":[1}`, "invalid JSON"},
		{"name twice", `{"a":1,"a":2}`, "a name occurs twice in an object, again before byte 10"},
		{"name twice, one escaped", `{"a":1,"\u0061":2}`, "a name occurs twice"},
		{"name twice in depth", `{"a":[{"b":1,"b":1}]}`, "a name occurs twice"},
		{"headers twice", `{"headers":{},"headers":{"X-Port-Signature":"s"}}`, "a name occurs twice"},
		{"signature twice", `{"headers":{"X-Port-Signature":"s","X-Port-Signature":"t"}}`, "a name occurs twice"},
		{"invalid UTF-8", "{\"a\":\"\xff\"}", "invalid UTF-8"},
		{"invalid UTF-8 in a name", "{\"\xc3\":1}", "invalid UTF-8"},
		{"surrogate in UTF-8", "{\"a\":\"\xed\xa0\x80\"}", "invalid UTF-8"},
		{"invalid UTF-8 between tokens", "{\xa0\"a\":1}", "invalid UTF-8"},
		{"too deep", nested(maxDepth + 1), "nested deeper than 512 levels"},
		{"far too deep", nested(100_000), "nested deeper than 512 levels"},
		{"far too deep, never closed", strings.Repeat(`{"a":`, 100_000), "nested deeper than 512 levels"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m, err := Decode([]byte(tt.record))
			if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, %v, want ErrMalformed that says %q", m, err, tt.want)
			}
			if len(err.Error()) > 100 {
				t.Errorf("the error is %d bytes long", len(err.Error()))
			}
		})
	}
	for _, record := range []string{nested(maxDepth), `{"a":` + strings.Repeat("9", 1<<20) + `}`} {
		if _, err := Decode([]byte(record)); err != nil {
			t.Errorf("at the limit: %v", err)
		}
	}
}

// FuzzDecode: never a panic, the body is JSON and its own canonical text, and
// the tree is that of the body.
func FuzzDecode(f *testing.F) {
	_, cases := signedCases(f)
	for _, c := range cases {
		f.Add([]byte(c.Record))
	}
	f.Add([]byte(`{"headers":{"X-Port-Signature":"\ud800","X-Port-Timestamp":-0e1},"a":[1E999,{}]}`))
	f.Fuzz(func(t *testing.T, record []byte) {
		given := bytes.Clone(record)
		m, err := Decode(record)
		if !bytes.Equal(record, given) {
			t.Errorf("the record itself was changed from %q to %q", given, record)
		}
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("got %v, want ErrMalformed", err)
			}
			return
		}
		if !json.Valid(record) || !json.Valid(m.Body) || !utf8.Valid(m.Body) {
			t.Errorf("%q became %q", record, m.Body)
		}
		if got, want := m.Root, decoded(t, m.Body); !reflect.DeepEqual(got, want) {
			t.Errorf("tree: got %v, want %v", got, want)
		}
		again, err := Decode(m.Body)
		if err != nil {
			t.Fatalf("the body %q does not decode: %v", m.Body, err)
		}
		if !bytes.Equal(again.Body, m.Body) {
			t.Errorf("the body %q became %q", m.Body, again.Body)
		}
		if again.Signature != "" || again.Timestamp != "" {
			t.Errorf("the body %q still holds a signature", m.Body)
		}
	})
}

// Every string is its own, whatever was decoded before it and beside it, and a
// message keeps its text when the decoder goes on.
func TestDecodeKeepsNothingOfOthers(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			first, err := Decode([]byte(`{"first":"of many"}`))
			if err != nil {
				t.Error(err)
				return
			}
			for i := range 2000 {
				name, value := fmt.Sprintf("n%d", i%700), fmt.Sprintf("%d of %d", i, g)
				m, err := Decode([]byte(fmt.Sprintf(`{"%s":"%s","same":["%s"]}`, name, value, name)))
				if err != nil {
					t.Error(err)
					return
				}
				if want := map[string]any{name: value, "same": []any{name}}; !reflect.DeepEqual(m.Root, want) {
					t.Errorf("got %v, want %v", m.Root, want)
				}
			}
			if got, want := string(first.Body), `{"first":"of many"}`; got != want || first.Root["first"] != "of many" {
				t.Errorf("the first message became %s %v", got, first.Root)
			}
		})
	}
	wg.Wait()
}

// benchEvent is an event of about 2 KB.
func benchEvent() []byte {
	var properties []string
	for i := range 24 {
		properties = append(properties, fmt.Sprintf(`"property_%d":"value of property %d"`, i, i))
	}
	return []byte(`{"action":"deploy","resourceType":"run","status":"TRIGGERED","trigger":{"by":{"orgId":"org_1","userId":"auth0|1","user":{"email":"dev@example.com","firstName":"De","lastName":"Veloper"}},"origin":"UI","at":"2026-01-05T10:00:00.000Z"},` +
		`"context":{"entity":"svc-19","blueprint":"service","runId":"r_a6a36513270e"},"payload":{"entity":{"identifier":"svc-19","title":"Service \"19\"","properties":{"language":"Go","replicas":3,"ratio":0.5,"tags":["a","b","c"]},"relations":{"team":"platform"}},` +
		`"action":{"identifier":"deploy","invocationMethod":{"type":"WEBHOOK","agent":true,"url":"http://127.0.0.1:1/hook","synchronized":true}},"properties":{` + strings.Join(properties, ",") + `,"description":"two\nlines"},"censoredProperties":[]},` +
		`"headers":{"X-Port-Signature":"v1,Ko//CEwuu7P1gM+RDX+hgzRFC3+nDIkEryHNpmyOicQ=","X-Port-Timestamp":1767612505}}`)
}

func BenchmarkDecode(b *testing.B) {
	record := benchEvent()
	b.ReportAllocs()
	b.SetBytes(int64(len(record)))
	for b.Loop() {
		if _, err := Decode(record); err != nil {
			b.Fatal(err)
		}
	}
}
