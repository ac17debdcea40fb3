package agent

import (
	"cmp"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"
)

const (
	// redacted stands where a secret stood.
	redacted = "[redacted]"
	// withheld stands for a whole text of a run that has more secrets than are
	// searched for.
	withheld = "[redacted: this run has more secrets than the agent searches for]"
	// minSecret is the length in characters, without white space around, from
	// which a secret is searched for inside of text. Shorter ones occur in any
	// text by chance; they are replaced only where they are the whole of it.
	minSecret = 6
	// maxRunLines and maxRunBytes bound what one run can have searched for.
	maxRunLines = 256
	maxRunBytes = 32 << 10
)

// Redactor takes secrets out of what leaves the agent for its log or for Port.
// It finds a secret as it is, escaped for URLs and for JSON, and in base64; see
// formsOf. What is no secret stays as it is, byte for byte. The texts true,
// false and null are never taken for secrets.
//
// The Redactor of the process knows the secrets that apply to everything. Run
// makes one for a run, which knows that run's secrets as well. A Redactor may
// be used by many goroutines at once; none waits for another.
type Redactor struct {
	base  *Redactor // applies as well; nil: none
	known atomic.Pointer[needles]
	full  bool // a run's secrets are more than are searched for

	mu   sync.Mutex     // held to change refs and known
	refs map[string]int // secret → how many times it was added
}

// needles are what is searched for.
type needles struct {
	inside *strings.Replacer // nil: nothing
	whole  map[string]bool // short secrets
}

// NewRedactor makes a Redactor that knows secrets; empty ones are passed over.
func NewRedactor(secrets ...string) *Redactor {
	r := &Redactor{refs: make(map[string]int)}
	for _, s := range secrets {
		if worthHiding(s) {
			r.refs[s]++
		}
	}
	r.prepare()
	return r
}

func worthHiding(secret string) bool {
	return secret != "" && secret != "true" && secret != "false" && secret != "null"
}

// Run returns a Redactor that knows secrets on top of those that r knows, now
// or later. It is r itself where there are none.
//
// Secrets of up to 256 lines and 32 KiB together are searched for. Where there
// are more, the new Redactor replaces every text as a whole.
func (r *Redactor) Run(secrets ...string) *Redactor {
	secrets = slices.DeleteFunc(slices.Clone(secrets), func(s string) bool { return r.String(s) == redacted }) // known
	lines, size := 0, 0
	for _, s := range secrets {
		lines, size = lines+1+strings.Count(s, "\n"), size+len(s)
	}
	full := r.full || lines > maxRunLines || size > maxRunBytes
	if full {
		secrets = nil
	}
	run := NewRedactor(secrets...)
	if len(run.refs) == 0 && full == r.full {
		return r
	}
	run.base, run.full = r, full
	return run
}

// Add makes a secret known until remove is called; remove may be called more
// than once. A secret that was added several times stays until each is removed.
// Each change costs time in proportion to all secrets that r knows.
func (r *Redactor) Add(secret string) (remove func()) {
	if !worthHiding(secret) {
		return func() {}
	}
	r.count(secret, 1)
	return sync.OnceFunc(func() { r.count(secret, -1) })
}

func (r *Redactor) count(secret string, change int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.refs[secret]
	if r.refs[secret] += change; r.refs[secret] == 0 {
		delete(r.refs, secret)
	}
	if before == 0 || before+change == 0 {
		r.prepare()
	}
}

// prepare makes what is searched for from refs.
func (r *Redactor) prepare() {
	n := &needles{whole: make(map[string]bool)}
	var forms []string
	for s := range r.refs {
		if utf8.RuneCountInString(strings.TrimSpace(s)) < minSecret {
			n.whole[s] = true
			continue
		}
		forms = append(forms, formsOf(s)...)
	}
	// Of forms that begin alike the Replacer takes the first.
	slices.SortFunc(forms, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	pairs := make([]string, 0, 2*len(forms))
	for _, f := range forms {
		pairs = append(pairs, f, redacted)
	}
	if len(pairs) > 0 {
		n.inside = strings.NewReplacer(pairs...)
	}
	r.known.Store(n)
}

// String returns text without secrets.
func (r *Redactor) String(text string) string {
	for x := r; x != nil; x = x.base {
		if x.known.Load().whole[text] {
			return redacted
		}
	}
	return r.inside(text)
}

// links returns a link, or a list of them, without secrets.
func (r *Redactor) links(v any) any {
	switch v := v.(type) {
	case string:
		return r.String(v)
	case []string:
		clean := make([]string, len(v))
		for i := range v {
			clean[i] = r.String(v[i])
		}
		return clean
	}
	return v
}

// inside returns text without the secrets that are searched for inside of it.
func (r *Redactor) inside(text string) string {
	if r.full && text != "" {
		return withheld
	}
	for ; r != nil; r = r.base {
		if n := r.known.Load(); n.in(text) {
			text = n.inside.Replace(text)
		}
	}
	return text
}

// in reports whether text has one of the needles inside. It copies nothing.
func (n *needles) in(text string) bool {
	if n.inside == nil {
		return false
	}
	_, err := n.inside.WriteString(untouched(len(text)), text)
	return err != nil
}

// untouched is a writer that refuses a text in several parts: a Replacer writes
// one without needles as a whole. It takes the mark itself for a needle found.
type untouched int

var errTouched = errors.New("a needle was found")

func (n untouched) Write(p []byte) (int, error) { return n.WriteString(string(p)) }

func (n untouched) WriteString(s string) (int, error) {
	if len(s) != int(n) || s == redacted {
		return 0, errTouched
	}
	return len(s), nil
}

// Writer returns a writer for the lines of a JSON log, which passes them on
// without secrets. A secret is found only within one call of Write.
func (r *Redactor) Writer(w io.Writer) io.Writer { return redactingWriter{r: r, w: w} }

type redactingWriter struct {
	r *Redactor
	w io.Writer
}

func (w redactingWriter) Write(p []byte) (int, error) {
	if _, err := w.w.Write(w.r.line(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}
