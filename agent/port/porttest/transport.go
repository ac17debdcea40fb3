package porttest

import (
	"errors"
	"net/http"
	"net/http/httptest"
)

// Transport calls the stand-in without a network, so that a test may run it in
// a testing/synctest bubble; any host will do.
func (s *Server) Transport() http.RoundTripper { return transport{s} }

type transport struct{ s *Server }

var errClosed = errors.New("connection closed by the stand-in")

// RoundTrip serves the call in the caller's goroutine.
func (t transport) RoundTrip(r *http.Request) (res *http.Response, err error) {
	rec := httptest.NewRecorder()
	defer func() {
		switch fault := recover(); fault {
		case nil:
		case http.ErrAbortHandler:
			res, err = nil, errClosed
			if r.Context().Err() != nil {
				err = r.Context().Err()
			}
		default:
			panic(fault)
		}
	}()
	in := r.Clone(r.Context())
	if in.Body == nil {
		in.Body = http.NoBody
	}
	t.s.mux.ServeHTTP(rec, in)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return rec.Result(), nil
}
