package agent

import (
	"io"
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
)

const (
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
	index atomic.Pointer[index]
	full  bool // a run's secrets are more than are searched for

	mu   sync.Mutex     // held to change what is known
	refs map[string]int // secret → how many times it was added
}

// NewRedactor makes a Redactor that knows secrets; empty ones are passed over.
func NewRedactor(secrets ...string) *Redactor {
	r := &Redactor{refs: make(map[string]int)}
	for _, s := range secrets {
		if worthHiding(s) {
			r.refs[s]++
		}
	}
	r.rebuild()
	return r
}

// Run returns a Redactor that knows secrets on top of those that r knows, now
// or later. It is r itself where there are none.
//
// Secrets of up to 256 lines and 32 KiB together are searched for. Where there
// are more, the new Redactor replaces every text as a whole.
func (r *Redactor) Run(secrets ...string) *Redactor {
	lines, size, known := 0, 0, make(map[string]int, len(secrets))
	for _, s := range secrets {
		if worthHiding(s) && known[s] == 0 {
			known[s] = 1
			lines += 1 + strings.Count(s, "\n")
			size += len(s)
		}
	}
	if len(known) == 0 {
		return r
	}
	run := &Redactor{base: r, refs: known}
	if run.full = r.full || lines > maxRunLines || size > maxRunBytes; run.full {
		run.refs = nil
	}
	run.rebuild()
	return run
}

func worthHiding(secret string) bool {
	switch secret {
	case "", "true", "false", "null":
		return false
	}
	return true
}

// short reports whether secret is too short to be searched for inside of text.
func short(secret string) bool {
	return utf8.RuneCountInString(strings.TrimSpace(secret)) < minSecret
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
	r.refs[secret] += change
	if r.refs[secret] == 0 {
		delete(r.refs, secret)
	}
	if before == 0 || before+change == 0 {
		r.rebuild()
	}
}

func (r *Redactor) rebuild() {
	x := new(index)
	for s := range r.refs {
		x.add(s)
	}
	r.index.Store(x)
}

// String returns text without secrets.
func (r *Redactor) String(text string) string {
	for x := r; x != nil; x = x.base {
		if x.index.Load().short[text] {
			return redacted
		}
	}
	return r.inside(text)
}

// inside returns text without the secrets that are looked for inside of texts.
func (r *Redactor) inside(text string) string {
	if r.full && text != "" {
		return withheld
	}
	if spans := r.find([]byte(text)); len(spans) > 0 {
		return string(replace([]byte(text), spans))
	}
	return text
}

func (r *Redactor) find(text []byte) (spans []span) {
	for ; r != nil; r = r.base {
		spans = r.index.Load().search(text, spans)
	}
	return spans
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
