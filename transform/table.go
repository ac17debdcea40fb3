package transform

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// field is a member of an object of the mapping.
type field struct {
	name  string
	shape shape
	about string               // shown by editors
	check func(*parser, *node) // looks at the expressions that it holds; may be nil
}

// shape is a kind of values.
type shape struct {
	schema string // JSON Schema
	// read returns the value in the form that a rule keeps. It is nil where the
	// value is wrong, and a finding says why.
	read func(*parser, *node) any
}

// bad says that n is not what it has to be, and returns nil for it.
func (p *parser) bad(n *node, message, hint string) any {
	p.fail(n.place, message, hint)
	return nil
}

// wrong is bad for what is of the wrong kind.
func (p *parser) wrong(n *node, what, hint string) any {
	return p.bad(n, "is "+kind(n.value)+", "+what, hint)
}

var str = shape{`{"type": "string"}`, func(p *parser, n *node) any {
	if s, ok := n.value.(string); ok {
		return s
	}
	return p.wrong(n, "not text", "")
}}

// word is one of some words, in any case and with dashes for underscores.
func word(words ...string) shape {
	return shape{`{"enum": ["` + strings.Join(words, `", "`) + `"]}`, func(p *parser, n *node) any {
		s, _ := n.value.(string)
		s = strings.ReplaceAll(s, "-", "_")
		if i := slices.IndexFunc(words, func(w string) bool { return strings.EqualFold(s, w) }); i >= 0 {
			return words[i]
		}
		return p.bad(n, "is not one of "+strings.Join(words, ", "), "")
	}}
}

func integer(least, most int, what string) shape {
	return shape{fmt.Sprintf(`{"type": "integer", "minimum": %d, "maximum": %d}`, least, most), func(p *parser, n *node) any {
		if i, ok := n.value.(int); ok && i >= least && i <= most {
			return i
		}
		return p.bad(n, "is not "+what, "")
	}}
}

// seconds is a number of seconds, more than 0 and at most limit.
func seconds(limit time.Duration) shape {
	most := int(limit.Seconds())
	return shape{fmt.Sprintf(`{"type": "number", "exclusiveMinimum": 0, "maximum": %d}`, most), func(p *parser, n *node) any {
		if kind(n.value) != "a number" {
			return p.wrong(n, "not a number of seconds", "")
		}
		f, _ := strconv.ParseFloat(Text(n.value), 64)
		if f <= 0 || f > limit.Seconds() {
			return p.bad(n, fmt.Sprintf("is %v: it must be more than 0 and at most %d seconds", f, most), "")
		}
		return max(time.Duration(math.Round(f*float64(time.Second))), 1)
	}}
}

// listOf is a list of values that item reads as T.
func listOf[T any](what string, least int, item shape) shape {
	return shape{fmt.Sprintf(`{"type": "array", "minItems": %d, "items": %s}`, least, item.schema), func(p *parser, n *node) any {
		values, ok := n.value.(list)
		if !ok {
			return p.wrong(n, "not a list of "+what, "")
		}
		if len(values) < least {
			p.fail(n.place, "is an empty list of "+what, "")
		}
		var out []T
		for _, n := range values {
			if v, ok := item.read(p, n).(T); ok {
				out = append(out, v)
			}
		}
		return out
	}}
}

// path is names and indexes between dots, from the root of the event, with or
// without a dot in front.
var path = shape{`{"type": "string", "minLength": 1}`, func(p *parser, n *node) any {
	s, ok := n.value.(string)
	if !ok {
		return p.wrong(n, "not a path", "")
	}
	steps := strings.Split(strings.TrimPrefix(brackets.Replace(strings.TrimSpace(s)), "."), ".")
	if slices.Contains(steps, "") {
		return p.bad(n, "a step of the path is empty", "write it like payload.properties.password")
	}
	return steps
}}

// brackets turns indexes in brackets to steps: a[0].b[] is a.0.b.*.
var brackets = strings.NewReplacer(".[]", ".*", ".[", ".", "[]", ".*", "[", ".", "]", "", `"`, "")

// expression is text that is jq.
var expression = shape{`{"$ref": "#/$defs/jq"}`, func(p *parser, n *node) any {
	if _, ok := n.value.(string); ok {
		return p.template(n)
	}
	return p.wrong(n, "not a jq expression", "")
}}

// anything is JSON whose strings are expressions.
var anything = shape{`{"$ref": "#/$defs/template"}`, func(p *parser, n *node) any { return p.template(n) }}

// texts is an object of expressions that return texts, or an expression that returns
// one. lists says whether it may hold lists of such expressions.
func texts(lists bool) shape {
	types := `"string", "number", "boolean", "null"`
	if lists {
		types += `, "array"`
	}
	return shape{`{"anyOf": [{"$ref": "#/$defs/jq"}, {"type": "object", "additionalProperties": {"type": [` + types + `]}}]}`, func(p *parser, n *node) any {
		o, ok := n.value.(object)
		if _, isText := n.value.(string); !ok && !isText {
			return p.wrong(n, "neither an object nor a jq expression", "")
		}
		for _, member := range o {
			_, isObject := member.value.(object)
			if _, isList := member.value.(list); isList && !lists || isObject {
				return p.wrong(member, "not a jq expression", "")
			}
		}
		return p.template(n)
	}}
}

// objectOf is an object of the fields of a table.
func objectOf(table []field) shape {
	return shape{tableSchema(table), func(p *parser, n *node) any {
		if o, ok := n.value.(object); ok {
			return p.members(n.place, o, table)
		}
		return p.wrong(n, "not an object", "its fields are "+strings.Join(names(table), ", "))
	}}
}

// words have always been taken for booleans where the mapping is read, whatever
// their case.
var words = map[string]bool{"true": true, "t": true, "yes": true, "y": true, "on": true, "1": true,
	"false": false, "f": false, "no": false, "n": false, "off": false, "0": false}

var enabled = shape{`{"anyOf": [{"type": ["boolean", "string"]}, {"enum": [0, 1]}]}`, func(p *parser, n *node) any {
	switch v := n.value.(type) {
	case bool:
	case string:
		if on, known := words[strings.ToLower(v)]; known {
			n.value = on
		}
	default:
		if v != 0 && v != 1 {
			p.wrong(n, "neither a boolean nor a jq expression", "")
		}
		n.value = v == 1
	}
	return p.template(n)
}}

var follow = shape{`{"anyOf": [{"type": "boolean"}, ` + tableSchema(followFields) + `]}`, func(p *parser, n *node) any {
	switch value := n.value.(type) {
	case bool:
		return value
	case object:
		v := p.members(n.place, value, followFields)
		p.checkFollow(n.place, value, v)
		return v
	}
	return p.wrong(n, "neither a boolean nor an object", "")
}}

// ruleFields are the fields of a rule, in the order in which they are read.
var ruleFields = []field{
	{"name", str, "Label of the rule in logs and metrics.", nil},
	{"enabled", enabled, "Whether the rule matches an event: a boolean, or a jq expression on the event that returns true. The default matches every event.", nil},
	{"backend", word("WEBHOOK", "AZURE_DEVOPS", "JENKINS", "GITLAB", "GITHUB", "PORT_API", "AZURE-DEVOPS"),
		"The kind of system that receives the request. The default depends on the action's invocation method and the URL.", nil},
	{"url", expression, "jq on the event that returns the URL. The default is the backend's own.", (*parser).web},
	{"method", expression, "jq on the event that returns GET, POST, PUT, PATCH or DELETE. The default is the action's own, or POST.", oneOf("GET", "POST", "PUT", "PATCH", "DELETE")},
	{"headers", texts(false), "Headers: an object of jq expressions, or one expression that returns an object. A null value is left out.", (*parser).sendable},
	{"query", texts(true), "Query of the URL: as headers; a list repeats its key.", nil},
	{"body", anything, "Body of the request: jq, or JSON whose strings are jq. null sends no body. The default is the backend's own; for a webhook, the event.", (*parser).ownBody},
	{"report", objectOf(reportFields), "What is reported to Port. jq on .body (the event), .request and .response.", nil},
	{"fieldsToDecryptPaths", listOf[[]string]("paths", 0, path), "Paths of encrypted inputs from the root of the event, such as payload.properties.password; * is every element.", nil},
	{"timeout", seconds(24 * time.Hour), "Seconds that one attempt may take. The default is WEBHOOK_INVOKER_TIMEOUT.", nil},
	{"orderBy", expression, "jq on the event that returns a key: events with the same key run one after another. null means no order.", nil},
	{"onInterrupted", word("fail", "retry"), "What happens to a run whose request was under way when the agent died.", nil},
	{"retry", objectOf(retryFields), "When an attempt is repeated.", nil},
	{"follow", follow, "Whether and how the agent follows the triggered pipeline to its end.", nil},
}

var reportFields = []field{
	{"status", anything, "SUCCESS, FAILURE or IN_PROGRESS.", oneOf("SUCCESS", "FAILURE", "IN_PROGRESS")},
	{"link", anything, "One http(s) link or a list of them.", (*parser).web},
	{"summary", anything, "Text on the run's page.", nil},
	{"externalRunId", anything, "Id of the run in the backend.", nil},
	{"statusLabel", anything, "Text beside the status.", nil},
}

var retryFields = []field{
	{"attempts", integer(1, math.MaxInt32, "an integer of 1 or more"), "Maximum of attempts.", nil},
	{"statuses", listOf[int]("statuses", 0, integer(400, 599, "a status from 400 to 599")), "Answers after which the request is sent again.", nil},
}

var followFields = []field{
	{"url", expression, "jq on .body, .request and .response, evaluated once after the trigger: the URL to poll. null: the run is not followed. The default is the backend's own follower.", (*parser).web},
	{"method", expression, "GET (the default) or POST, of each poll.", oneOf("GET", "POST")},
	{"headers", texts(false), "Headers of each poll.", func(p *parser, t *node) { p.sendable(t); p.afterRestart(t) }},
	{"body", anything, "Body of each poll.", (*parser).afterRestart},
	{"done", expression, "jq on .poll (statusCode, headers, text, json), .body, .request and .response: true: the pipeline is over.", nil},
	{"status", expression, "SUCCESS (the default) or FAILURE, read when done.", oneOf("SUCCESS", "FAILURE")},
	{"statusLabel", expression, "Text beside the status, sent when it changes.", nil},
	{"summary", expression, "Text on the run's page, sent when it changes.", nil},
	{"link", anything, "One http(s) link or a list of them, sent when it changes.", (*parser).web},
	{"log", expression, "Text or a list of texts; each line is written once.", nil},
	{"interval", seconds(24 * time.Hour), "Seconds between two polls.", nil},
	{"timeout", seconds(7 * 24 * time.Hour), "Seconds after which the run fails as still running. The default is FOLLOW_TIMEOUT_SECONDS.", nil},
	{"success", listOf[string]("end states", 1, str), `End states that count as success for the backend's own follower, such as ["SUCCESS", "UNSTABLE"].`, nil},
	{"project", expression, "Azure incoming webhook: the project that contains the build.", nil},
}

func names(table []field) []string {
	out := make([]string, len(table))
	for i, f := range table {
		out[i] = f.name
	}
	return out
}

// tableSchema makes the JSON Schema of an object of a table's fields.
func tableSchema(table []field) string {
	members := make([]string, len(table))
	for i, f := range table {
		members[i] = fmt.Sprintf(`%q: {"description": %q, %s`, f.name, f.about, f.shape.schema[1:])
	}
	return `{"type": "object", "additionalProperties": false, "properties": {` + strings.Join(members, ", ") + `}}`
}

// Schema returns the JSON Schema (2020-12) of a mapping file, made of the tables
// that the parser uses.
func Schema() []byte {
	list := `{"type": "array", "items": ` + tableSchema(ruleFields) + `}`
	text := `{
"$schema": "https://json-schema.org/draft/2020-12/schema",
"title": "Mapping of the Port agent",
"description": "A list of rules, or an object that holds it. The first rule that is enabled for an event decides what is sent.",
"anyOf": [{"$ref": "#/$defs/rules"}, {"type": "object", "required": ["rules"], "additionalProperties": false,
"properties": {"$schema": {"description": "Where editors find this schema.", "type": "string"}, "rules": {"$ref": "#/$defs/rules"}}}],
"$defs": {
"jq": {"type": "string", "description": "A jq expression. Text is quoted twice: \"\\\"text\\\"\"."},
"template": {"description": "JSON whose strings are jq expressions."},
"rules": ` + list + `}}`
	var v json.RawMessage = []byte(text)
	out, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic("transform: schema: " + err.Error()) // it is part of the program
	}
	return append(out, '\n')
}
