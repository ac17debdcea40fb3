package agent

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
)

// ErrSignature is wrapped by the error of a message that Port did not sign, or
// that was altered since. Such a message is neither carried out nor reported.
var ErrSignature = errors.New("bad signature")

// Verify checks that m was signed by Port with the client secret. The
// comparison takes the same time wherever the signatures differ. An empty
// secret verifies nothing.
func Verify(secret string, m *Message) error {
	switch {
	case secret == "":
		return fmt.Errorf("%w: no secret to check it with", ErrSignature)
	case !m.HeadersOK:
		return fmt.Errorf("%w: no headers", ErrSignature)
	case m.Signature == "":
		return fmt.Errorf("%w: no X-Port-Signature", ErrSignature)
	case m.Timestamp == "":
		return fmt.Errorf("%w: no X-Port-Timestamp", ErrSignature)
	case !hmac.Equal([]byte(m.Signature), []byte(sign(secret, m))):
		return fmt.Errorf("%w: it does not match the message", ErrSignature)
	}
	return nil
}

// sign gives the signature that Port gives a message.
func sign(secret string, m *Message) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(m.Timestamp))
	mac.Write([]byte{'.'})
	mac.Write(m.Body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
