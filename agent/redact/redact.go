// Package redact takes secrets out of what leaves the agent for its log or for
// Port.
package redact

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"
)

const (
	// Mark stands where a secret stood.
	Mark = "[redacted]"
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

// Redactor finds a secret as it is, escaped for URLs and for JSON, and in
// base64; see formsOf. What is no secret stays as it is, byte for byte. The
// texts true, false and null are never taken for secrets.
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
	whole  map[string]bool   // short secrets
}

// New makes a Redactor that knows secrets; empty ones are passed over.
func New(secrets ...string) *Redactor {
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
	secrets = slices.DeleteFunc(slices.Clone(secrets), func(s string) bool { return !worthHiding(s) || r.String(s) == Mark }) // known
	lines, size := 0, 0
	for _, s := range secrets {
		lines, size = lines+1+strings.Count(s, "\n"), size+len(s)
	}
	full := r.full || lines > maxRunLines || size > maxRunBytes
	switch {
	case len(secrets) == 0 && full == r.full:
		return r
	case full:
		secrets = nil
	}
	run := New(secrets...)
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
	if r.refs[secret] += change; r.refs[secret] == 0 {
		delete(r.refs, secret)
	}
	r.prepare()
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
	slices.SortFunc(forms, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), strings.Compare(a, b)) })
	var pairs []string
	for _, form := range slices.Compact(forms) {
		pairs = append(pairs, form, Mark)
	}
	if len(pairs) > 0 {
		n.inside = strings.NewReplacer(pairs...)
	}
	r.known.Store(n)
}

// String returns text without secrets.
func (r *Redactor) String(text string) string {
	if r.short(text) {
		return Mark
	}
	return r.inside(text)
}

// short reports whether text is a short secret.
func (r *Redactor) short(text string) bool {
	return r != nil && (r.known.Load().whole[text] || r.base.short(text))
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

// in reports whether text has one of the needles inside. It copies nothing: a
// Replacer copies a text twice, and answers are large.
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
	if len(s) != int(n) || s == Mark {
		return 0, errTouched
	}
	return len(s), nil
}
