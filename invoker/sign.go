package invoker

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
	"time"
)

// The two headers that belong to the agent: a rule cannot set them.
const (
	headerSignature = "X-Port-Signature"
	headerTimestamp = "X-Port-Timestamp"
)

// signV1 adds "v1," + base64(HMAC-SHA256(key, timestamp + "." + body)) and
// the timestamp, in seconds.
func signV1(h http.Header, key Secret, now time.Time, body []byte) {
	timestamp := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(key.Reveal()))
	mac.Write([]byte(timestamp))
	mac.Write([]byte{'.'})
	mac.Write(body)
	h[headerSignature] = []string{"v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))}
	h[headerTimestamp] = []string{timestamp}
}

// signSHA1 adds "sha1=" + hex(HMAC-SHA1(key, body)).
func signSHA1(h http.Header, key Secret, body []byte) {
	mac := hmac.New(sha1.New, []byte(key.Reveal()))
	mac.Write(body)
	h[headerSignature] = []string{"sha1=" + hex.EncodeToString(mac.Sum(nil))}
}
