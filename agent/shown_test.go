package agent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"port-agent/invoker"
	"port-agent/invoker/follow"
	"port-agent/invoker/follow/ci"
	"port-agent/invoker/wire"
)

func TestClean(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ü", 5000)
	tests := []struct {
		name      string
		rep, want Report
		notes     int
	}{
		{"what is fine stays", Report{Summary: "a – b", Link: "https://x/a?b=c&d#e", ExternalRunID: "7", StatusLabel: "👩‍💻 works"},
			Report{Summary: "a – b", Link: "https://x/a?b=c&d#e", ExternalRunID: "7", StatusLabel: "👩‍💻 works"}, 0},
		{"one line", Report{Summary: " a\r\n\tb  c ", StatusLabel: "a\u2028b"}, Report{Summary: "a b c", StatusLabel: "a b"}, 0},
		{"control characters", Report{Summary: "a\x1b[31mred\x00", ExternalRunID: "7\x7f"}, Report{Summary: "a [31mred", ExternalRunID: "7"}, 0},
		{"direction marks", Report{Summary: "safe\u202egpj.exe", StatusLabel: "\u2066a\u2069\u200f"}, Report{Summary: "safegpj.exe", StatusLabel: "a"}, 0},
		{"invalid UTF-8", Report{Summary: "a\xffb"}, Report{Summary: "a\uFFFDb"}, 0},
		{"long", Report{Summary: long}, Report{Summary: strings.Repeat("ü", 4096) + "…"}, 0},
		{"lines", Report{Lines: []LogLine{{LevelInfo, "a\nInvocation ended (SUCCESS): b"}}},
			Report{Lines: []LogLine{{LevelInfo, "a Invocation ended (SUCCESS): b"}}}, 0},
		{"link to run", Report{Link: "javascript:alert(1)"}, Report{}, 1},
		{"link of another kind", Report{Link: "file:///etc/passwd"}, Report{}, 1},
		{"link without a host", Report{Link: "https:///x"}, Report{}, 1},
		{"link that is a word", Report{Link: "job 7"}, Report{}, 1},
		{"link with a direction mark", Report{Link: "https://x/\u202ea"}, Report{}, 1},
		{"link that is long", Report{Link: "https://x/" + long}, Report{}, 1},
		{"links", Report{Link: []string{"HTTP://x/1", "", "data:,x", "https://x/2"}}, Report{Link: []string{"HTTP://x/1", "https://x/2"}}, 1},
		{"no link", Report{Link: ""}, Report{}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for range 2 { // what is clean stays as it is
				notes := tt.rep.Clean()
				if !reflect.DeepEqual(tt.rep, tt.want) || len(notes) != tt.notes {
					t.Errorf("got %+v, %q; want %+v, %d notes", tt.rep, notes, tt.want, tt.notes)
				}
				tt.notes = 0
			}
		})
	}
}

// The line that a next owner goes by names every job of a request, however long
// their names are. What only begins like it is cut like any other line.
func TestCleanKeepsAHandleWhole(t *testing.T) {
	t.Parallel()
	h := follow.Handle{Backend: invoker.Jenkins}
	for n := range ci.MaxJobs {
		h.Places = append(h.Places, fmt.Sprintf("https://ci.test/queue/item/%d/#%s", n, strings.Repeat("team%2Fdeploy-", 20)))
	}
	long := "Following " + strings.Repeat("the docs ", 1000)
	rep := Report{Lines: []LogLine{{LevelInfo, h.String()}, {LevelInfo, long}}}
	rep.Clean()
	if got := readLog([]string{rep.Lines[0].Message}).following; !reflect.DeepEqual(got, h) {
		t.Errorf("got %d places, want %d", len(got.Places), len(h.Places))
	}
	if got := utf8.RuneCountInString(rep.Lines[1].Message); got > maxShown+1 {
		t.Errorf("a line of %d characters has %d, want at most %d", len(long), got, maxShown+1)
	}
}

// What Port takes as a response is an object, a list or text, in calls below
// 1 MiB.
func TestResponseOf(t *testing.T) {
	t.Parallel()
	mib := strings.Repeat("x", 1<<20)
	tests := []struct {
		name, body, want string
	}{
		{"object as it came", "\n{\"b\": 1.50, \"a\": \"<\\u00fc>\", \"a\": 2} ", `{"b": 1.50, "a": "<\u00fc>", "a": 2}`},
		{"list", `[1,null]`, `[1,null]`},
		{"text", `"a"`, `"a"`},
		{"number", `12345678901234567890`, `"12345678901234567890"`},
		{"boolean", `true`, `"true"`},
		{"null", `null`, `"null"`},
		{"not JSON", `it's "done" <b>`, `"it's \"done\" <b>"`},
		{"two values", `{} {}`, `"{} {}"`},
		{"not UTF-8", "{\"a\":\"\xff\"}", `{"a":"` + "\uFFFD" + `"}`},
		{"byte order mark", "\xef\xbb\xbf{\"a\":1}", `{"a":1}`},
		{"UTF-16", "{\x00}\x00", `{}`},
		{"white space", " ", `" "`},
		{"large JSON", `["` + mib[:1<<20-4] + `"]`, `"The answer is 1048576 bytes of JSON, more than Port takes."`},
		{"large integer", mib[:0] + strings.Repeat("9", 1000), `"` + strings.Repeat("9", 1000) + `"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := string(responseOf(&invoker.Response{Response: wire.Response{Body: []byte(tt.body)}})); got != tt.want {
				t.Errorf("got %.200s, want %.200s", got, tt.want)
			}
		})
	}
	for name, body := range map[string]string{
		"letters": mib, "quotes": strings.Repeat(`"`, 1<<20), "control characters": strings.Repeat("\x01", 1<<20), "umlauts": strings.Repeat("ü", 1<<19), "not UTF-8": strings.Repeat("\xffa", 1<<19),
	} {
		got := responseOf(&invoker.Response{Response: wire.Response{Body: []byte(body), Truncated: true}})
		if !fits(got) || !bytes.Contains(got, []byte("[cut: ")) || len(got) < maxResponse-10 {
			t.Errorf("%s: got %d bytes that end in %q, want valid JSON of just below %d with a mark", name, len(got), got[max(0, len(got)-40):], maxResponse)
		}
	}
	just := strings.Repeat("x", maxResponse-2)
	if got := responseOf(&invoker.Response{Response: wire.Response{Body: []byte(just)}}); string(got) != `"`+just+`"` {
		t.Errorf("text that just fits: got %d bytes, want it whole", len(got))
	}
}

// fits reports whether Port takes a text as a response.
func fits(response []byte) bool {
	return json.Valid(response) && utf8.Valid(response) && len(response) <= maxResponse && strings.ContainsRune(`{["`, rune(response[0]))
}

func FuzzResponseOf(f *testing.F) {
	for _, body := range []string{``, ` `, `{"a":1}`, `[1]`, `"\ud800"`, "\xef\xbb\xbf{}", `1e999`, "\x00", `{"a":1}{`, "\xff\xfe{\x00}\x00"} {
		f.Add([]byte(body), false)
	}
	f.Fuzz(func(t *testing.T, body []byte, truncated bool) {
		if got := responseOf(&invoker.Response{Response: wire.Response{Body: body, Truncated: truncated}}); !fits(got) {
			t.Errorf("%q gives %q", body, got)
		}
	})
}
