package event

import (
	"crypto/hmac"
	"errors"
	"fmt"

	"port-agent/invoker"
)

// ErrSignature is wrapped by the error of a message that Port did not sign, or
// that was altered since. Such a message is neither carried out nor reported.
var ErrSignature = errors.New("bad signature")

// Verify checks that m was signed by Port with the client secret. The
// comparison takes the same time wherever the signatures differ. A signer
// without a key verifies nothing.
func Verify(signer *invoker.Signer, m *Message) error {
	switch {
	case !signer.HasKey():
		return fmt.Errorf("%w: no secret to check it with", ErrSignature)
	case !m.HeadersOK:
		return fmt.Errorf("%w: no headers", ErrSignature)
	case m.Signature == "":
		return fmt.Errorf("%w: no X-Port-Signature", ErrSignature)
	case m.Timestamp == "":
		return fmt.Errorf("%w: no X-Port-Timestamp", ErrSignature)
	case !hmac.Equal([]byte(m.Signature), []byte(signer.V1(m.Timestamp, m.Body))):
		return fmt.Errorf("%w: it does not match the message", ErrSignature)
	}
	return nil
}
