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
