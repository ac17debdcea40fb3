package explanation

import (
	"encoding/json"
	"reflect"
	"testing"
)

func TestAnswer(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, file string
		body       string
		text, json any
	}{
		{"text alone", `{"text":"done"}`, "done", "done", nil},
		{"text that is JSON", `{"text":"{\"id\": 7}"}`, `{"id": 7}`, `{"id": 7}`, map[string]any{"id": 7}},
		{"json alone", `{"json":{"id":7}}`, `{"id":7}`, `{"id":7}`, map[string]any{"id": 7}},
		{"json is null", `{"text":"done","json":null}`, "done", "done", nil},
		{"the same", `{"text":"{\"id\": 7}","json":{"id":7}}`, `{"id":7}`, `{"id": 7}`, map[string]any{"id": 7}},
		{"not the same", `{"text":"done","json":{"id":7}}`, `{"id":7}`, "done", map[string]any{"id": 7}},
		{"not the same, refused", `{"statusCode":500,"text":"oops","json":{"id":7}}`, "oops", "oops", map[string]any{"id": 7}},
		{"nothing", `{}`, "", "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var a Answer
			if err := json.Unmarshal([]byte(tt.file), &a); err != nil {
				t.Fatal(err)
			}
			res := a.response()
			if got := string(res.Body); got != tt.body {
				t.Errorf("body = %q, want %q", got, tt.body)
			}
			if want := 200; a.StatusCode == 0 && res.StatusCode != want {
				t.Errorf("status = %d, want %d", res.StatusCode, want)
			}
			v := a.value()
			if !reflect.DeepEqual(v["text"], tt.text) || !reflect.DeepEqual(v["json"], tt.json) {
				t.Errorf("text, json = %v, %v; want %v, %v", v["text"], v["json"], tt.text, tt.json)
			}
		})
	}
}

// A fault of the file is named in its words, and a misspelt key is no answer of
// status 200.
func TestParseAnswerFaults(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"misspelt", `{"statusCod":500}`, `f.json: unknown field "statusCod"`},
		{"list", `[1]`, "f.json: the answer is a JSON array, where an object is needed"},
		{"status as text", `{"statusCode":"500"}`, "f.json: statusCode is a JSON string, where a whole number is needed"},
		{"header of another type", `{"headers":{"a":1}}`, "f.json: headers is a JSON number, where a string is needed"},
		{"headers of another type", `{"headers":[]}`, "f.json: headers is a JSON array, where an object is needed"},
		{"more", `{} {}`, "f.json: more after the JSON value"},
		{"cut", `{"text":`, "f.json: unexpected EOF"},
	} {
		if _, err := ParseAnswer("f.json", []byte(tt.text)); err == nil || err.Error() != tt.want {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
	}
}
