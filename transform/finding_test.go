package transform

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, file string
		want       []string
	}{
		{"nothing to find", `[{"enabled": ".a == 1", "url": "env.TOKEN"}]`, nil},
		{"byte order mark", "\ufeff" + `[{"enabled": true}]`, nil},
		{"empty", "  \n", []string{`the file is empty; [{"enabled": true}] takes every event as it is`}},
		{"UTF-16", "\xff\xfe[\x00", []string{`the file is in UTF-16; save it as UTF-8`}},
		{"not UTF-8", "[{\"name\":\n \"\xff\"}]", []string{`the file is not valid UTF-8; save it as UTF-8`}},
		{"trailing comma in an object", `[{"enabled": true, }]`, []string{`a trailing comma, or one too many; remove the comma`}},
		{"trailing comma in a list", "[\n {\"enabled\": true},\n]", []string{`a trailing comma, or one too many; remove the comma`}},
		{"missing comma", `[{"a": 1 "b": 2}]`, []string{`a comma is missing before this text`}},
		{"comment", "[\n// one\n]", []string{`JSON has no comments; remove the comment`}},
		{"single quotes", `[{'a': 1}]`, []string{`JSON has no single quotes; write "…"`}},
		{"line in a text", "[{\"url\": \".a |\n.b\"}]", []string{`a text goes over the end of its line or holds a tab; write \n or \t in it, or close its quote`}},
		{"no JSON", `[{"timeout": NaN}]`, []string{`not JSON: invalid character 'N' at start of value`}},
		{"cut off", `[{"enabled": true`, []string{`the file ends before the mapping does; a bracket, a brace or a quote is not closed`}},
		{"text behind", `[] []`, []string{`there is more text after the mapping; a mapping is one list of rules`}},
		{"one rule alone", `{"enabled": true}`, []string{`the mapping is an object, not a list of rules; put the rule between [ and ]`}},
		{"no list", `3`, []string{`the mapping is a number, not a list of rules`}},
		{"no rules", `[]`, []string{`warning: the mapping has no rules: no event is taken; [{"enabled": true}] takes every event as it is`}},
		{"no rule", `[true]`, []string{`rule 0: the rule is a boolean, not an object`}},
		{"key twice", `[{"url": ".a", "url": ".b"}]`, []string{`warning: key "url" occurs twice in one object; the last one counts; remove the other`}},
		{"unknown keys", `[{"boddy": 1, "Enabled": false, "report": {"Link": "1"}, "retry": {"max": 3}}]`, []string{
			`warning: rule 0: report: unknown key "Link" is ignored; did you mean "link"?`,
			`warning: rule 0: retry: unknown key "max" is ignored`,
			`warning: rule 0: unknown key "boddy" is ignored; did you mean "body"?`,
			`warning: rule 0: unknown key "Enabled" is ignored; did you mean "enabled"?`,
		}},
		{"a NUL character, at which gojq stops to read", `[{"enabled": ".x\u0000 == nonsense("}]`, []string{
			`rule 0: enabled: the expression holds a NUL character; remove it`,
		}},
		{"reached behind one that does not compile", `[{"enabled": ".x =="}, {"enabled": ".y"}]`, []string{
			`rule 0: enabled: the expression ends too early`,
		}},
		{"never reached", `[{"enabled": ".x"}, {"name": "all"}, {"enabled": ".y"}, {"name": "last"}]`, []string{
			`warning: rule 2: never reached: rule 1 takes every event; move it up, or narrow enabled of that rule`,
			`warning: rule 3 "last": never reached: rule 1 takes every event; move it up, or narrow enabled of that rule`,
		}},
		{"unset", `[{"url": "env.NONE + $ENV.NONE2 + env[\"a-b\"]", "body": {"a": "env.NONE // 1", "b": "env.EMPTY", "c": "\"\\(env.NONE)\""}}]`, []string{
			`warning: rule 0: url: environment variable NONE is not set; set it, or give another value: env.NONE // "…"`,
			`warning: rule 0: url: environment variable NONE2 is not set; set it, or give another value: env.NONE2 // "…"`,
			`warning: rule 0: url: environment variable a-b is not set; set it, or give another value: env["a-b"] // "…"`,
			`warning: rule 0: body.c: environment variable NONE is not set; set it, or give another value: env.NONE // "…"`,
		}},
		{"plain text", `[{"name": "n", "method": "POST", "headers": {"A": "Bearer x"}, "query": {"v": "2024-01-01"}, "body": {"type": "runs", "list": ["first", {"u": "https://x.y/z"}]}}]`, []string{
			`rule 0 "n": method: function not defined: POST/0; for this very text write "\"POST\""`,
			`rule 0 "n": headers.A: unexpected token "x"; for this very text write "\"Bearer x\""`,
			`warning: rule 0 "n": query.v: 2024-01-01 looks like plain text, but is evaluated; for this very text write "\"2024-01-01\""`,
			`rule 0 "n": body.type: function not defined: runs/0; for this very text write "\"runs\""`,
			`warning: rule 0 "n": body.list[0]: first looks like plain text, but is evaluated; for this very text write "\"first\""`,
			`rule 0 "n": body.list[1].u: unexpected token ":"; for this very text write "\"https://x.y/z\""`,
		}},
		{"expressions", `[{"enabled": ".a ==", "url": ".a | ]", "method": "$x", "orderBy": ".run-id", "body": {"a": "if .a then .b.c else", "b": "\"abc", "c": ".a | nope(1; 2)", "d": "@foo", "e": "import \"x\" as x; .", "g": ".payload.x | .a.b.c[", "h": "break $x"}}]`, []string{
			`rule 0: enabled: the expression ends too early`,
			`rule 0: url: unexpected token "]"`,
			`rule 0: method: variable not defined: $x`,
			`rule 0: body.a: the expression ends too early`,
			`rule 0: body.b: unterminated string literal`,
			`rule 0: body.c: function not defined: nope/2`,
			`rule 0: body.d: format not defined: @foo`,
			`rule 0: body.e: cannot load module: "x"`,
			`rule 0: body.g: the expression ends too early`,
			`rule 0: body.h: label not defined: $x`,
			`rule 0: orderBy: function not defined: id/0; a key with a dash is written ."run-id"`,
		}},
		{"types", `[{"name": 1, "enabled": [], "backend": "ftp", "url": 1, "headers": 1, "query": {"a": {"b": "1"}}, "report": "x", "fieldsToDecryptPaths": [1, "", "a..b"], "timeout": "5", "onInterrupted": "stop", "retry": {"attempts": 0.5, "statuses": [200, "x"]}}]`, []string{
			`rule 0: name: is a number, not text`,
			`rule 0: enabled: is a list, neither a boolean nor a jq expression`,
			`rule 0: backend: is not one of WEBHOOK, AZURE_DEVOPS, JENKINS, GITLAB, GITHUB, PORT_API, AZURE-DEVOPS`,
			`rule 0: url: is a number, not a jq expression`,
			`rule 0: headers: is a number, neither an object nor a jq expression`,
			`rule 0: query.a: is an object, not a jq expression`,
			`rule 0: report: is text, not an object; its fields are status, link, summary, externalRunId, statusLabel`,
			`rule 0: fieldsToDecryptPaths[0]: is a number, not a path`,
			`rule 0: fieldsToDecryptPaths[1]: a step of the path is empty; write it like payload.properties.password`,
			`rule 0: fieldsToDecryptPaths[2]: a step of the path is empty; write it like payload.properties.password`,
			`rule 0: timeout: is text, not a number of seconds`,
			`rule 0: onInterrupted: is not one of fail, retry`,
			`rule 0: retry.attempts: is not an integer of 1 or more`,
			`rule 0: retry.statuses[0]: is not a status from 400 to 599`,
			`rule 0: retry.statuses[1]: is not a status from 400 to 599`,
		}},
		{"ranges", `[{"timeout": 0, "retry": {"attempts": 0}}, {"timeout": -1}, {"timeout": 86401}]`, []string{
			`rule 0: timeout: is 0: it must be more than 0 and at most 86400 seconds`,
			`rule 0: retry.attempts: is not an integer of 1 or more`,
			`rule 1: timeout: is -1: it must be more than 0 and at most 86400 seconds`,
			`warning: rule 1: never reached: rule 0 takes every event; move it up, or narrow enabled of that rule`,
			`rule 2: timeout: is 86401: it must be more than 0 and at most 86400 seconds`,
			`warning: rule 2: never reached: rule 0 takes every event; move it up, or narrow enabled of that rule`,
		}},
		{"hostile", `[{"url": "` + strings.Repeat("(", 30_000) + "1" + strings.Repeat(")", 30_000) + `"}, {"url": "` + strings.Repeat("1+", 40_000) + `1"}]`, []string{
			`rule 1: url: the expression is longer than 65536 bytes`,
			`warning: rule 1: never reached: rule 0 takes every event; move it up, or narrow enabled of that rule`,
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m, findings := Parse("m.json", []byte(test.file), Config{}, testEnv)
			var want strings.Builder
			for _, w := range test.want {
				want.WriteString("m.json: " + w + "\n")
			}
			var got strings.Builder
			wrong := false
			for _, f := range findings {
				f.Line = 0 // TestFindingPlace looks at places
				got.WriteString(f.Error() + "\n")
				wrong = wrong || !f.Warning
			}
			if got.String() != want.String() {
				t.Errorf("got\n%s\nwant\n%s", got.String(), want.String())
			}
			if (m == nil) != wrong || m != nil && len(m.Warnings) != len(findings) {
				t.Errorf("Parse gives %+v, want nil: %t", m, wrong)
			}
		})
	}
}

func TestLoadErrorJoinsFindings(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "m.json")
	if err := os.WriteFile(file, []byte(`[{"url": ".a |"}, {"method": "POST", "what": 1}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := Load(Config{Path: file}, nil)
	if m != nil {
		t.Errorf("loaded %+v", m)
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("error %v joins nothing", err)
	}
	var got []Finding
	for _, err := range joined.Unwrap() {
		f, ok := err.(Finding)
		if !ok {
			t.Fatalf("%v is no Finding", err)
		}
		got = append(got, f)
	}
	if len(got) != 2 || got[0].Rule != 0 || got[0].Field != "url" || got[0].Column != 15 || got[1].Rule != 1 || got[1].Field != "method" {
		t.Errorf("findings %+v", got)
	}
}

// TestFindingPlace compares where a finding is with the text it underlines.
func TestFindingPlace(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, file string
		line, col  int
		text       string
	}{
		{"of JSON", "[\n {\"enabled\": true},\n]", 2, 19, ","},
		{"not UTF-8", "[{\"name\":\n \"\xff\"}]", 2, 3, "\xff"},
		{"end of the file", `[{"enabled": true`, 1, 18, ""},
		{"key twice", `[{"url": ".a", "url": ".b"}]`, 1, 16, `"url"`},
		{"unknown key", "[\n  {\"boddy\": 1}\n]", 2, 4, `"boddy"`},
		{"key with a slash", `[{"a/~b": 1}]`, 1, 3, `"a/~b"`},
		{"name in an expression", `[{"url": ".a + nope(1)"}]`, 1, 16, "nope"},
		{"behind escapes", `[{"url": "\"\u00e9\ud83d\ude00\" + nope"}]`, 1, 36, "nope"},
		{"columns are UTF-16", `[{"name": "é😀", "url": "nope"}]`, 1, 26, "nope"},
		{"byte order mark", "\ufeff" + `[{"url": "nope"}]`, 1, 11, "nope"},
		{"of JSON behind a byte order mark", "\ufeff[\n {\"enabled\": true},\n]", 2, 19, ","},
		{"key twice behind a byte order mark", "\ufeff" + `[{"url": ".a", "url": ".b"}]`, 1, 16, `"url"`},
		{"line behind an escape", "[{\"url\":\n\"\\n .a | ]\"}]", 2, 10, "]"},
		{"end of an expression", `[{"url": ".a |"}]`, 1, 15, ``},
		{"deep", `[{"body": {"a": [1, {"b": "x y"}]}}]`, 1, 30, "y"},
		{"a value", `[{"timeout": "5"}]`, 1, 14, `"5"`},
		{"a number", `[{"timeout": -1 }]`, 1, 14, `-1`},
		{"a list", `[{"enabled": [ 1, [2] ], "url": "1"}]`, 1, 14, `[ 1, [2] ]`},
		{"the last of two keys", `[{"timeout": 1, "timeout": -2}]`, 1, 28, `-2`},
		{"an object of rules", `{"$schema": "x", "rules": [{"url": 1}]}`, 1, 36, `1`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			findings := check(test.file, nil)
			if len(findings) == 0 {
				t.Fatal("no finding")
			}
			f := findings[len(findings)-1]
			if strings.HasPrefix(test.name, "key twice") {
				f = findings[0]
			}
			if got := test.file[f.Start:f.End]; f.Line != test.line || f.Column != test.col || got != test.text {
				t.Errorf("%s: %d:%d %q, want %d:%d %q", f, f.Line, f.Column, got, test.line, test.col, test.text)
			}
		})
	}
}

// TestCheckConstants looks at what is constant in a mapping and cannot work.
func TestCheckConstants(t *testing.T) {
	t.Parallel()
	const web = `; write it like "https://host/path"`
	tests := []struct {
		rule string
		want []string // the text underlined, and the finding
	}{
		// regular expressions
		{`{"enabled": ".action | test(\"^(?!x)a\")"}`, []string{`\"^(?!x)a\"`, `enabled: invalid regular expression: invalid or unsupported Perl syntax; look-ahead and look-behind do not exist here: match more and take a group of it, or use two tests`}},
		{`{"enabled": ".action | test(\"(?<=x)a\")"}`, []string{`\"(?<=x)a\"`, `enabled: invalid regular expression: invalid named capture; look-ahead and look-behind do not exist here: match more and take a group of it, or use two tests`}},
		{`{"body": {"a": ".a | gsub(\"\\\\u00e9\"; \"e\")"}}`, []string{`\"\\\\u00e9\"`, `body.a: invalid regular expression: invalid escape sequence; write \x{00e9}`}},
		{`{"body": {"a": ".a | sub(\"(a)\\\\1\"; .x)"}}`, []string{`\"(a)\\\\1\"`, `body.a: invalid regular expression: invalid escape sequence; references to groups do not exist here`}},
		{`{"body": ["[scan(\"[\")]"]}`, []string{`\"[\"`, `body[0]: invalid regular expression: missing closing ]`}},
		{`{"orderBy": ".a | capture(\"a\"; \"x\")"}`, []string{`\"a\"`, `orderBy: a regular expression has no flag "x": there are g, i and m`}},
		{`{"query": {"a": "[splits(\"a{2000}\")]"}}`, []string{`\"a{2000}\"`, `query.a: invalid regular expression: invalid repeat count`}},
		{`{"report": {"summary": ".a | [match(\"(\"; \"g\")] | length"}}`, []string{`\"(\"`, `warning: report.summary: invalid regular expression: missing closing )`}},
		{`{"enabled": "def test(x): true; test(\"(\")"}`, nil},
		{`{"enabled": ".a | test(\"\\\\x{00e9}\\\\bfoo$\"; \"gi\")"}`, nil},
		// times
		{`{"body": ".a | strptime(\"%Y-%m-%dT%H:%M:%Q\")"}`, []string{`\"%Y-%m-%dT%H:%M:%Q\"`, `body: the format of a time has no %Q`}},
		{`{"body": "now | strftime(\"%Y %E\")"}`, []string{`\"%Y %E\"`, `body: the format of a time has no %E`}},
		{`{"body": "now | strftime(\"100%% %-d %:z %T\")"}`, nil},
		// methods, statuses
		{`{"method": "\"POTS\""}`, []string{`\"POTS\"`, `method: "POTS" is not one of GET, POST, PUT, PATCH, DELETE`}},
		{`{"method": "if .a then \"put\" elif .b then \"HEAD\" else .m // \"GET\" end"}`, []string{`\"HEAD\"`, `method: "HEAD" is not one of GET, POST, PUT, PATCH, DELETE`}},
		{`{"report": {"status": "if .a then \"SUCCESS\" else \"FAILED\" end"}}`, []string{`\"FAILED\"`, `warning: report.status: "FAILED" is not one of SUCCESS, FAILURE, IN_PROGRESS`}},
		{`{"report": {"status": ".a | if . then \"success\" else .x end"}}`, nil},
		{`{"follow": {"url": "\"https://h\"", "done": "true", "status": "\"IN_PROGRESS\"", "method": "\"PUT\""}}`, []string{
			`\"PUT\"`, `follow.method: "PUT" is not one of GET, POST`, `\"IN_PROGRESS\"`, `follow.status: "IN_PROGRESS" is not one of SUCCESS, FAILURE`}},
		// URLs
		{`{"url": "\"htps://h/x\""}`, []string{`\"htps://h/x\"`, `url: "htps://h/x" is not an http(s) URL` + web}},
		{`{"url": "\"ops.internal/\" + .x"}`, []string{`\"ops.internal/\"`, `url: a URL that begins with "ops.internal/" is not an http(s) URL` + web}},
		{`{"url": "\"/api/\\(.x)\""}`, []string{`"\"/api/\\(.x)\""`, `url: a URL that begins with "/api/" is not an http(s) URL` + web}},
		{`{"url": ".x // \"https:///path\""}`, []string{`\"https:///path\"`, `url: "https:///path" is not an http(s) URL` + web}},
		{`{"url": "\"\""}`, []string{`\"\"`, `url: "" is not an http(s) URL` + web}},
		{`{"url": "\"HTTP\" + (if .tls then \"S\" else \"\" end) + \"://h\""}`, nil},
		{`{"url": "env.TOKEN + \"/x\""}`, nil},
		{`{"report": {"link": ["\"ftp://h/\"", ".x // \"\""]}}`, []string{`\"ftp://h/\"`, `warning: report.link[0]: "ftp://h/" is not an http(s) URL` + web}},
		// headers
		{`{"headers": {"X Y": "\"1\"", "Ünï": "1"}}`, []string{`"X Y"`, `headers: "X Y" is not a header name; letters, digits and dashes`, `"Ünï"`, `headers: "Ünï" is not a header name; letters, digits and dashes`}},
		{`{"headers": {"A": "\"a\\nb\""}}`, []string{`\"a\\nb\"`, `headers.A: a header cannot hold this text; line ends and control characters cannot be sent`}},
		// a body that a user writes
		{`{"body": ".payload.properties.x"}`, []string{`".payload.properties.x"`, `warning: body: the whole body is a single user input: the user who runs the action writes what the agent signs; put it into an object, such as {"input": …}`}},
		{`{"body": " .payload.properties[\"x y\"] | fromjson "}`, []string{`" .payload.properties[\"x y\"] | fromjson "`, `warning: body: the whole body is a single user input: the user who runs the action writes what the agent signs; put it into an object, such as {"input": …}`}},
		{`{"body": {"a": ".payload.properties.x"}}`, nil},
		{`{"body": ".payload.properties"}`, nil},
	}
	for _, test := range tests {
		t.Run(test.rule, func(t *testing.T) {
			t.Parallel()
			file := "[" + test.rule + "]"
			var got []string
			for _, f := range check(file, testEnv) {
				f.File, f.Rule = "", -1
				got = append(got, file[f.Start:f.End], f.Error())
			}
			if strings.Join(got, "\n") != strings.Join(test.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

func TestCheckYAML(t *testing.T) {
	t.Parallel()
	for file, line := range map[string]int{"- name: a\n  enabled: true\n": 1, "# rules\n\n- enabled: true\n": 3, "rules:\n  - name: a\n": 1, "---\n- a\n": 1} {
		f := check(file, nil)
		if len(f) != 1 || f[0].Message != "the file looks like YAML" || f[0].Hint == "" || f[0].Line != line {
			t.Errorf("%q gives %v, want line %d", file, f, line)
		}
	}
}
