package wire

import (
	"net/http"
	"net/url"
)

// Call is one request, and what its caller needs of the answer.
type Call struct {
	Method string
	URL    *url.URL // as ParseURL gives it, without user info
	// Header is sent as it is given, under canonical names. Accept and
	// Accept-Encoding are added where it lacks them.
	Header   http.Header
	Spelling map[string]string // of header names, by their canonical form; "" is that
	Body     []byte
	Verify   bool // check the certificate of the server even if Config.VerifySSL is false
	Pinned   bool // refuse a redirect to another origin
	NeedBody bool // a 2xx whose body breaks off is an error
	SkipBody bool // unless NeedBody: read the body of a 2xx for one second at most
	// OnAnswer, if not nil, is called once by the goroutine of Do, when the
	// header of the answer has come. A redirect that is followed is no answer.
	OnAnswer func()
	// Reserve, if not nil, is asked for room for n bytes of the answer's body
	// beyond its first 32 KiB, by the goroutine of Do. Where it returns false,
	// the rest of the body is cut off.
	Reserve func(n int) bool
}

// Endpoint is the method and the URL without query, for logs and errors.
func (c *Call) Endpoint() string { return c.Method + " " + Place(c.URL) }

// Response is an answer.
type Response struct {
	StatusCode int
	Header     http.Header
	Body       []byte // as it came, unpacked, at most 1 MiB; 32 KiB where Call.Reserve said so
	Truncated  bool   // there was more than Body holds
	Broken     bool   // the connection ended before the body did
	// Refusal says why the redirect that the answer asks for was not followed.
	Refusal string
}

// UTF8 is the body in UTF-8, without a mark where it ends. Its encoding is what
// the server says of it, or what it begins like.
func (r *Response) UTF8() []byte {
	return decodeText(r.Body, r.Header.Get("Content-Type"))
}

// Text is the body as text in UTF-8. A mark at its end says where the rest is
// missing.
func (r *Response) Text() string {
	s := string(r.UTF8())
	switch {
	case r.Truncated && len(r.Body) == freeAnswer:
		return s + "… [cut at 32 KiB]"
	case r.Truncated:
		return s + "… [cut at 1 MiB]"
	case r.Broken:
		return s + "… [the connection broke off]"
	}
	return s
}
