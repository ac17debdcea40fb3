package invoker

import "net/http"

// Judge does what Do does once an answer has been read, for an answer that was
// recorded before: it fills in link and external run id, and gives a
// *StatusError where the backend did not accept. A redirect that Do would
// follow counts as not accepted, since nobody can say where it would end.
func (i *Invoker) Judge(req *Request, res *Response) error {
	h := &hop{method: req.Method, url: req.url, header: req.Header, body: req.Body}
	if _, refusal := redirect(h, &http.Response{StatusCode: res.StatusCode, Header: res.Header}); refusal != "" {
		return &StatusError{Endpoint: req.Endpoint(), StatusCode: res.StatusCode, Reason: refusal}
	}
	_, err := i.judge(req, res, req.Header)
	return err
}
