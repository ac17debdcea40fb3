package explanation

import (
	"cmp"
	"net/url"
	"strings"

	"port-agent/cmd/terminal"
)

// Line is the explanation in one line: run, action, rule, backend and URL, or why
// nothing is sent.
func (v *View) Line() string {
	var parts []string
	if x := v.explanation; x != nil {
		parts = append(parts, cmp.Or(x.Run, "change"))
		for _, path := range [][]string{{"action"}, {"context", "entity"}} {
			if text := textAt(x.Root, path...); text != "" {
				parts = append(parts, v.conceal.text(text))
				break
			}
		}
	}
	if v.Rule != nil {
		parts = append(parts, "rule "+v.explanation.Rule.Label())
	}
	if v.Backend != nil {
		parts = append(parts, *v.Backend)
	}
	switch stopped := v.Details.Stopped; {
	case len(stopped) > 0:
		parts = append(parts, "stopped: "+stopped[0])
	case v.Rule == nil:
		parts = append(parts, "no rule matches")
	case v.Request != nil && v.Request.URL != nil:
		parts = append(parts, v.Request.Method, place(*v.Request.URL))
	}
	return terminal.Printable(strings.Join(parts, "  "))
}

// place is a URL without its query.
func place(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	return u.Scheme + "://" + u.Host + u.EscapedPath()
}
