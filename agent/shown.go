package agent

import (
	"encoding/json"
	"fmt"
	"net/url"
	"sort"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"port-agent/invoker"
	"port-agent/invoker/follow"
	"port-agent/invoker/wire"
	"port-agent/transform"
)

const (
	// maxShown is how many characters the page of a run shows of one text.
	maxShown = 4 << 10
	// maxResponse is how many bytes of JSON a response may have: Port takes
	// calls below 1 MiB, and a node run's holds a summary and lines as well.
	maxResponse = 1<<20 - 64<<10
	cutMark     = "… [cut: Port takes no more]"
)

// Clean leaves of r what the page of a run can show. Texts that a backend or a
// user gave become one line of at most 4,096 characters without control
// characters and direction marks. The line that says where a pipeline is followed
// is the agent's own, and kept whole: a next owner goes by all of its URLs. A link
// that is not http or https is left out; notes say so, for the run's log.
func (r *Report) Clean() (notes []string) {
	for _, text := range []*string{&r.StatusLabel, &r.Summary, &r.ExternalRunID} {
		*text = wire.OneLine(*text, maxShown)
	}
	for i, line := range r.Lines {
		if _, handle := follow.ParseHandle(line.Message); !handle {
			r.Lines[i].Message = wire.OneLine(line.Message, maxShown)
		}
	}
	r.Link = editLinks(r.Link, func(link string) string {
		why := badLink(link)
		if link == "" || why == "" {
			return link
		}
		notes = append(notes, fmt.Sprintf("Link left out: %q %s", wire.OneLine(link, 100), why))
		return ""
	})
	return notes
}

// editLinks returns link, a string or a list of them, with each as edit returns
// it; nil where nothing is left. An empty string is left out.
func editLinks(link any, edit func(string) string) any {
	switch link := link.(type) {
	case string:
		if link = edit(link); link != "" {
			return link
		}
	case []string:
		var out []string
		for _, l := range link {
			if l = edit(l); l != "" {
				out = append(out, l)
			}
		}
		if out != nil {
			return out
		}
	}
	return nil
}

// badLink says why a link is not one to offer for a click, empty where it is.
func badLink(link string) string {
	u, err := url.Parse(link)
	switch {
	case err != nil || u.Host == "" && (u.Scheme == "http" || u.Scheme == "https"):
		return "is not a URL."
	case u.Scheme != "http" && u.Scheme != "https":
		return "is neither http nor https."
	case wire.OneLine(link, maxShown) != link:
		return "is too long, or holds what cannot be shown."
	}
	return ""
}

// responseOf returns what is reported to Port as the response: the answer's JSON as it
// came, where it is an object, a list or text, which is what Port takes; of
// other values, and of what is not JSON, the text. What Port has no room for is
// text that is cut, or of JSON a text that says how large it was.
func responseOf(res *invoker.Response) json.RawMessage {
	text, ok := res.RawJSON()
	body := jsontext.Value(text)
	switch {
	case !ok || !body.IsValid(jsontext.AllowDuplicateNames(true)):
		return textResponse(res.Text())
	case len(body) > maxResponse:
		return textResponse(fmt.Sprintf("The answer is %d bytes of JSON, more than Port takes.", len(body)))
	}
	switch body.Kind() {
	case '{', '[', '"':
		return json.RawMessage(body)
	}
	return textResponse(string(body))
}

// textResponse is text as JSON, cut where Port has no room for it. What is not
// UTF-8 becomes U+FFFD.
func textResponse(text string) json.RawMessage {
	quoted, _ := jsontext.AppendQuote(nil, text)
	if len(quoted) <= maxResponse {
		return quoted
	}
	n := sort.Search(len(text), func(n int) bool {
		quoted, _ = jsontext.AppendQuote(quoted[:0], text[:n+1])
		return len(quoted) > maxResponse-len(cutMark)
	})
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	quoted, _ = jsontext.AppendQuote(quoted[:0], text[:n]+cutMark)
	return quoted
}

// linkOf is a link, or a list of them.
func linkOf(v any) any {
	list, ok := v.([]any)
	if !ok {
		return transform.Text(v)
	}
	links := make([]string, 0, len(list))
	for _, l := range list {
		if l != nil {
			links = append(links, transform.Text(l))
		}
	}
	return links
}
