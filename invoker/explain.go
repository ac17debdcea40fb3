package invoker

// Judge does what Do does once an answer has been read, for an answer that was
// recorded before: it fills in link and external run id, and gives a
// *StatusError where the backend did not accept. A redirect that Do would
// follow counts as not accepted, since nobody can say where it would end.
func (i *Invoker) Judge(req *Request, res *Response) error {
	res.Refusal = i.call(req, req.Header).Refusal(&res.Response)
	_, err := i.judge(req, res, req.Header)
	return err
}
