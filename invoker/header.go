package invoker

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// setHeader applies the headers of the rule, then those of the backend, then
// those of every request.
func (r *Request) setHeader(t *Target, userAgent string) error {
	h := make(http.Header, len(t.Rule.Headers)+6)
	r.Spelling = make(map[string]string, len(t.Rule.Headers))
	for _, k := range slices.Sorted(maps.Keys(t.Rule.Headers)) {
		v := t.Rule.Headers[k]
		if err := checkHeader(k, v); err != nil {
			return err
		}
		if c := http.CanonicalHeaderKey(k); !reserved(c) {
			h[c] = []string{v}
			r.Spelling[c] = k
		}
	}
	setDefault(h, "Authorization", r.Header.Get("Authorization"))
	setDefault(h, "User-Agent", userAgent)
	if httpguts.ValidHeaderFieldValue(t.Key) {
		setDefault(h, "Idempotency-Key", t.Key)
		setDefault(h, "X-Port-Run-Id", t.Key)
	}
	r.Header = h
	return r.backend.Header(r)
}

func setDefault(h http.Header, key, value string) {
	if _, ok := h[key]; !ok && value != "" {
		h[key] = []string{value}
	}
}

// reserved reports headers that are not the rule's: the signature, its
// timestamp and the framing of the message.
func reserved(key string) bool {
	return slices.Contains([]string{headerSignature, headerTimestamp, "Content-Length", "Transfer-Encoding", "Trailer"}, key)
}

// checkHeader refuses a header that would change how the request is framed, or
// that Port has not completed.
func checkHeader(k, v string) error {
	switch {
	case !httpguts.ValidHeaderFieldName(k):
		return fmt.Errorf("header name %.50q is not valid", k)
	case strings.ContainsAny(v, "\r\n"):
		return fmt.Errorf("header %s holds a line break", k)
	case !httpguts.ValidHeaderFieldValue(v):
		return fmt.Errorf("header %s holds a control character", k)
	}
	return resolved("header "+k, v)
}

// collectSecrets adds what headers and query parameters hold whose names say
// that it is secret.
func (r *Request) collectSecrets() {
	for k, values := range r.Header {
		if !NamesSecret(k) {
			continue
		}
		for _, v := range values {
			if _, password, ok := (&http.Request{Header: http.Header{"Authorization": {v}}}).BasicAuth(); ok {
				r.secrets = append(r.secrets, password)
			}
			if _, credentials, ok := strings.Cut(v, " "); ok && strings.HasSuffix(k, "Authorization") {
				v = credentials // its scheme is no secret
			}
			r.secrets = append(r.secrets, v)
		}
	}
	for k, values := range r.URL.Query() {
		if NamesSecret(k) {
			r.secrets = append(r.secrets, values...)
		}
	}
	r.secrets = slices.DeleteFunc(r.secrets, func(s string) bool { return len(s) < minSecret })
}

// minSecret is the length below which a value is not treated as a secret: it
// would take half the text with it.
const minSecret = 6
