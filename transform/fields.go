package transform

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/itchyny/gojq"
)

func (p *ruleParser) name(v any) {
	s, ok := v.(string)
	if !ok {
		p.fail("name", "is "+kind(v)+", not text", "")
		return
	}
	p.rule.Name = s
}

// Texts that have always been taken for booleans where the mapping is read,
// whatever their case.
var (
	trueWords  = []string{"true", "t", "yes", "y", "on", "1"}
	falseWords = []string{"false", "f", "no", "n", "off", "0"}
)

func (p *ruleParser) enabled(v any) {
	p.rule.always = false // also where what follows is wrong: the rule takes nothing then
	switch v := v.(type) {
	case bool:
		p.rule.always = v
		return
	case string:
		word := strings.ToLower(v)
		on := slices.Contains(trueWords, word)
		if on || slices.Contains(falseWords, word) {
			p.rule.always = on
			return
		}
		p.rule.enabled = p.expr(v, "enabled")
		return
	}
	if v == 0 || v == 1 {
		p.rule.always = v == 1
		return
	}
	p.fail("enabled", "is "+kind(v)+", neither a boolean nor a jq expression", "")
}

// backends maps what a mapping may write to what a Rule says.
var backends = map[string]string{
	"WEBHOOK":      "WEBHOOK",
	"AZURE_DEVOPS": "AZURE_DEVOPS",
	"AZURE-DEVOPS": "AZURE_DEVOPS",
	"JENKINS":      "JENKINS",
	"GITLAB":       "GITLAB",
	"GITHUB":       "GITHUB",
}

func (p *ruleParser) backend(v any) {
	s, _ := v.(string)
	if b, ok := backends[strings.ToUpper(s)]; ok {
		p.rule.Backend = b
		return
	}
	p.fail("backend", "names no backend", "it is one of WEBHOOK, AZURE_DEVOPS, JENKINS, GITLAB and GITHUB")
}

func (p *ruleParser) url(v any)     { p.rule.url = p.jq(v, "url") }
func (p *ruleParser) method(v any)  { p.rule.method = p.jq(v, "method") }
func (p *ruleParser) orderBy(v any) { p.rule.orderBy = p.jq(v, "orderBy") }
func (p *ruleParser) body(v any)    { p.rule.body = p.template(v, "body") }
func (p *ruleParser) headers(v any) { p.rule.headers = p.object(v, "headers", false) }
func (p *ruleParser) query(v any)   { p.rule.query = p.object(v, "query", true) }

// object reads headers or query: an object of expressions, or an expression
// that gives one.
func (p *ruleParser) object(v any, field string, lists bool) *template {
	switch v := v.(type) {
	case string:
	case map[string]any:
		for name, v := range v {
			_, list := v.([]any)
			if !scalar(v) && !(lists && list) {
				p.fail(field+"."+name, "is "+kind(v)+", not a jq expression", "")
				return nil
			}
		}
	default:
		p.fail(field, "is "+kind(v)+", neither an object nor a jq expression", "")
		return nil
	}
	return p.template(v, field)
}

func (p *ruleParser) report(v any) {
	m, ok := v.(map[string]any)
	if !ok {
		p.fail("report", "is "+kind(v)+", not an object", "its fields are "+strings.Join(reportFields, ", "))
		return
	}
	for _, name := range reportFields {
		if v := m[name]; v != nil {
			p.rule.report = append(p.rule.report, reportField{name, p.template(v, "report."+name)})
		}
	}
	p.unknown("report", m, reportFields)
}

func (p *ruleParser) decryptPaths(v any) {
	const field = "fieldsToDecryptPaths"
	list, ok := v.([]any)
	if !ok {
		p.fail(field, "is "+kind(v)+", not a list of paths", "")
		return
	}
	for i, v := range list {
		at := fmt.Sprintf("%s[%d]", field, i)
		s, ok := v.(string)
		if !ok {
			p.fail(at, "is "+kind(v)+", not a path", "")
			continue
		}
		path, err := parsePath(s)
		if err != nil {
			p.fail(at, err.Error(), "write it like payload.properties.password")
			continue
		}
		p.rule.paths = append(p.rule.paths, path)
	}
}

// maxTimeout bounds a rule's timeout.
const maxTimeout = 24 * time.Hour

func (p *ruleParser) timeout(v any) {
	f, ok := gojq.ToFloat64(v)
	if !ok {
		p.fail("timeout", "is "+kind(v)+", not a number of seconds", "")
		return
	}
	if f <= 0 || f > maxTimeout.Seconds() {
		p.fail("timeout", fmt.Sprintf("is %v: it must be more than 0 and at most %v seconds", f, maxTimeout.Seconds()), "")
		return
	}
	p.rule.Timeout = max(time.Duration(math.Round(f*float64(time.Second))), 1)
}

func (p *ruleParser) onInterrupted(v any) {
	s, _ := v.(string)
	if s != "fail" && s != "retry" {
		p.fail("onInterrupted", `is neither "fail" nor "retry"`, "")
		return
	}
	p.rule.OnInterrupted = s
}

func (p *ruleParser) retry(v any) {
	m, ok := v.(map[string]any)
	if !ok {
		p.fail("retry", "is "+kind(v)+", not an object", `write it like {"attempts": 3, "statuses": [502, 504]}`)
		return
	}
	p.rule.Retry = &Retry{}
	if v := m["attempts"]; v != nil {
		n, ok := v.(int)
		if !ok || n < 1 {
			p.fail("retry.attempts", "is not an integer of 1 or more", "")
		}
		p.rule.Retry.Attempts = n
	}
	if v := m["statuses"]; v != nil {
		p.rule.Retry.Statuses = p.statuses(v)
	}
	p.unknown("retry", m, []string{"attempts", "statuses"})
}

func (p *ruleParser) statuses(v any) (out []int) {
	list, ok := v.([]any)
	if !ok {
		p.fail("retry.statuses", "is "+kind(v)+", not a list of statuses", "")
		return nil
	}
	for i, v := range list {
		n, ok := v.(int)
		if !ok || n < 400 || n > 599 {
			p.fail(fmt.Sprintf("retry.statuses[%d]", i), "is not a status from 400 to 599", "")
			continue
		}
		out = append(out, n)
	}
	return out
}
