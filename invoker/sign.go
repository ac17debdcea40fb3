package invoker

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"io"
	"net/http"
	"strconv"
	"time"
)

// The two headers that belong to the agent: a rule cannot set them.
const (
	headerSignature = "X-Port-Signature"
	headerTimestamp = "X-Port-Timestamp"
)

// Signer makes the signatures that Port's webhooks, Azure DevOps and Jenkins
// check, with one key. It is safe for concurrent use.
type Signer struct{ key Secret }

// NewSigner makes a Signer. An empty key is one like any other: HasKey tells.
func NewSigner(key Secret) *Signer { return &Signer{key} }

// HasKey reports whether the key is not empty.
func (s *Signer) HasKey() bool { return s.key != "" }

// sum is the HMAC of a message that comes in two parts.
func (s *Signer) sum(h func() hash.Hash, begin string, rest []byte) []byte {
	m := hmac.New(h, []byte(s.key.Reveal()))
	_, _ = io.WriteString(m, begin)
	m.Write(rest)
	return m.Sum(nil)
}

// V1 is "v1," + base64(HMAC-SHA256(key, timestamp + "." + body)):
// https://docs.port.io/actions-and-automations/setup-backend/webhook/validate-webhook-signature.
func (s *Signer) V1(timestamp string, body []byte) string {
	return "v1," + base64.StdEncoding.EncodeToString(s.sum(sha256.New, timestamp+".", body))
}

// SHA1 is "sha1=" + hex(HMAC-SHA1(key, body)).
func (s *Signer) SHA1(body []byte) string {
	return "sha1=" + hex.EncodeToString(s.sum(sha1.New, "", body))
}

// Seal is a short checksum that only holders of the key can make: the first
// eight bytes of HMAC-SHA256(key, "seal" + 0 + text) in hex. No signature of
// a message begins like that.
func (s *Signer) Seal(text string) string {
	return hex.EncodeToString(s.sum(sha256.New, "seal\x00"+text, nil)[:8])
}

// addSHA1 adds a SHA1 signature.
func (s *Signer) addSHA1(h http.Header, body []byte) { h[headerSignature] = []string{s.SHA1(body)} }

// addV1 adds a V1 signature and its timestamp, in seconds.
func (s *Signer) addV1(h http.Header, body []byte) {
	timestamp := strconv.FormatInt(time.Now().Unix(), 10)
	h[headerSignature] = []string{s.V1(timestamp, body)}
	h[headerTimestamp] = []string{timestamp}
}
