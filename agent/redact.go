package agent

import (
	"io"
	"strings"
	"sync"
)

// redacted stands where a secret stood.
const redacted = "[redacted]"

const (
	// minSecret is the length in bytes, without white space around, from which
	// a secret is looked for inside of text. Shorter ones occur in any text by
	// chance; they are replaced only where they are the whole of a string.
	minSecret = 4
	// minLine is the same for one line of a secret of several lines, such as
	// a private key: enough to leave its formatting alone.
	minLine = 16
)

// Redactor takes secrets out of what leaves the agent for its log or for Port.
// It finds a secret as it is, in base64 (standard and URL alphabet, also as a
// part of what is encoded, as in Basic credentials), and escaped for URLs or
// JSON in whatever way and up to three layers deep. Of a secret of several
// lines it finds each long line as well.
//
// A Redactor may be used by many goroutines at once. The texts true, false and
// null are never taken for secrets.
type Redactor struct {
	mu    sync.RWMutex
	refs  map[string]int // secret → how many times it was added
	forms formIndex
	short int // how many of refs are short
}

// NewRedactor makes a Redactor that knows secrets; empty ones are passed over.
func NewRedactor(secrets ...string) *Redactor {
	r := &Redactor{refs: make(map[string]int)}
	for _, s := range secrets {
		r.Add(s)
	}
	return r
}

// Add makes a secret known until remove is called; remove may be called more
// than once. A secret that was added several times stays until each is removed.
func (r *Redactor) Add(secret string) (remove func()) {
	switch secret {
	case "", "true", "false", "null":
		return func() {}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refs[secret]++; r.refs[secret] == 1 {
		if short(secret) {
			r.short++
		}
		for _, f := range formsOf(secret) {
			r.forms.add(f)
		}
	}
	return sync.OnceFunc(func() { r.drop(secret) })
}

func (r *Redactor) drop(secret string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refs[secret]--; r.refs[secret] > 0 {
		return
	}
	delete(r.refs, secret)
	if short(secret) {
		r.short--
	}
	for _, f := range formsOf(secret) {
		r.forms.remove(f)
	}
}

// short reports whether secret is too short to be looked for inside of text.
func short(secret string) bool { return len(strings.TrimSpace(secret)) < minSecret }

// String returns text without secrets.
func (r *Redactor) String(text string) string {
	spans := r.find(text)
	if len(spans) == 0 {
		return text
	}
	var b strings.Builder
	end := 0
	for _, s := range spans {
		b.WriteString(text[end:s.start])
		b.WriteString(redacted)
		end = s.end
	}
	b.WriteString(text[end:])
	return b.String()
}

// Writer returns a writer that passes on what is written without secrets. A
// secret is found only within one call of Write: it is for writers of whole
// lines, such as a logger.
func (r *Redactor) Writer(w io.Writer) io.Writer { return redactingWriter{r: r, w: w} }

type redactingWriter struct {
	r *Redactor
	w io.Writer
}

func (w redactingWriter) Write(p []byte) (int, error) {
	if _, err := w.w.Write(w.r.Bytes(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}
