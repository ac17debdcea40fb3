package wire

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
)

// maxAnswer is how much of an answer is read.
const maxAnswer = 1 << 20

// freeAnswer is how much of an answer is read without a reservation.
const freeAnswer = 32 << 10

// readBody reads at most maxAnswer bytes of an unpacked body, or freeAnswer
// where reserve refuses the rest; more reports that there were more. It calls
// progress whenever bytes have come.
func readBody(res *http.Response, reserve func(n int) bool, progress func()) (body []byte, more bool, err error) {
	if res.StatusCode == http.StatusSwitchingProtocols {
		return nil, false, nil // after a switch, what follows is a connection
	}
	size := res.ContentLength // of the body as it comes
	if size < 0 || size > maxAnswer || res.Header.Get("Content-Encoding") != "" {
		size = maxAnswer
	}
	r, err := unpack(res.Header, &progressReader{res.Body, progress})
	if err != nil {
		return nil, false, err
	}
	buf, limit := new(bytes.Buffer), maxAnswer
	_, err = buf.ReadFrom(io.LimitReader(r, freeAnswer))
	if err == nil && buf.Len() == freeAnswer && size > freeAnswer {
		if reserve != nil && !reserve(int(size-freeAnswer)) {
			limit = freeAnswer
		}
		progress()
		_, err = buf.ReadFrom(io.LimitReader(r, int64(limit-freeAnswer+1)))
	}
	if buf.Len() > limit {
		buf.Truncate(limit)
		return buf.Bytes(), true, nil
	}
	return buf.Bytes(), false, err
}

type progressReader struct {
	r        io.Reader
	progress func()
}

func (p *progressReader) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if n > 0 {
		p.progress()
	}
	return n, err
}

// unpack undoes gzip, asked for or not, and takes the header of what it undoes
// away. Any other encoding stays as it is, and so does an empty body.
func unpack(h http.Header, r io.Reader) (io.Reader, error) {
	switch strings.ToLower(strings.TrimSpace(h.Get("Content-Encoding"))) {
	case "gzip", "x-gzip":
		h.Del("Content-Encoding")
		h.Del("Content-Length")
		z, err := gzip.NewReader(r)
		if err == io.EOF {
			return r, nil
		}
		return z, err
	}
	return r, nil
}
