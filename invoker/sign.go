package invoker

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// The two headers that belong to the agent: a rule cannot set them.
const (
	headerSignature = "X-Port-Signature"
	headerTimestamp = "X-Port-Timestamp"
)

// Signer makes the signatures that Port's webhooks, Azure DevOps and Jenkins
// check, with one key. It is safe for concurrent use.
type Signer struct {
	key          Secret
	sha256, sha1 sync.Pool // of *mac
}

// mac is a keyed hash with room for what surrounds it. Made once, the key's
// part of the work need not be done again.
type mac struct {
	hash.Hash
	buf []byte
}

// NewSigner makes a Signer. An empty key is one like any other: HasKey tells.
func NewSigner(key Secret) *Signer {
	keyed := func(h func() hash.Hash) func() any {
		return func() any { return &mac{Hash: hmac.New(h, []byte(key.Reveal()))} }
	}
	return &Signer{key: key, sha256: sync.Pool{New: keyed(sha256.New)}, sha1: sync.Pool{New: keyed(sha1.New)}}
}

// HasKey reports whether the key is not empty.
func (s *Signer) HasKey() bool { return s.key != "" }

// V1 is "v1," + base64(HMAC-SHA256(key, timestamp + "." + body)):
// https://docs.port.io/actions-and-automations/setup-backend/webhook/validate-webhook-signature.
func (s *Signer) V1(timestamp string, body []byte) string {
	m := s.sha256.Get().(*mac)
	defer s.sha256.Put(m)
	m.buf = append(append(m.buf[:0], timestamp...), '.')
	m.Reset()
	m.Write(m.buf)
	m.Write(body)
	m.buf = m.Sum(m.buf[:0])
	return "v1," + base64.StdEncoding.EncodeToString(m.buf)
}

// SHA1 is "sha1=" + hex(HMAC-SHA1(key, body)).
func (s *Signer) SHA1(body []byte) string {
	m := s.sha1.Get().(*mac)
	defer s.sha1.Put(m)
	m.Reset()
	m.Write(body)
	m.buf = m.Sum(m.buf[:0])
	return "sha1=" + hex.EncodeToString(m.buf)
}

// Seal is a short checksum that only holders of the key can make: the first
// eight bytes of HMAC-SHA256(key, "seal" + 0 + text) in hex. No signature of
// a message begins like that.
func (s *Signer) Seal(text string) string {
	m := hmac.New(sha256.New, []byte(s.key.Reveal()))
	m.Write([]byte("seal\x00" + text))
	return hex.EncodeToString(m.Sum(nil)[:8])
}

// addV1 adds a V1 signature and its timestamp, in seconds.
func (s *Signer) addV1(h http.Header, now time.Time, body []byte) {
	timestamp := strconv.FormatInt(now.Unix(), 10)
	h[headerSignature] = []string{s.V1(timestamp, body)}
	h[headerTimestamp] = []string{timestamp}
}
