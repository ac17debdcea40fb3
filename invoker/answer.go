package invoker

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
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
	if res.StatusCode == http.StatusSwitchingProtocols || res.Body == http.NoBody {
		return nil, false, nil // after a switch, what follows is a connection
	}
	size := res.ContentLength // of the body as it comes
	if size < 0 || size > maxAnswer || res.Header.Get("Content-Encoding") != "" {
		size = maxAnswer
	}
	r := decompress(res.Header, &progressReader{res.Body, progress})
	buf, limit := new(bytes.Buffer), maxAnswer
	if res.ContentLength > 0 {
		buf.Grow(int(min(size, freeAnswer)) + bytes.MinRead)
	}
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

// decompress undoes the Content-Encoding of a body, asked for or not: gzip,
// and deflate with or without the frame of zlib, both of which servers send.
// It takes the header of what it undoes away. Anything else stays as it is.
func decompress(h http.Header, r io.Reader) io.Reader {
	var open func(*bufio.Reader) (io.Reader, error)
	switch strings.ToLower(strings.TrimSpace(h.Get("Content-Encoding"))) {
	case "gzip", "x-gzip":
		open = func(b *bufio.Reader) (io.Reader, error) { return newMembers(b) }
	case "deflate":
		open = func(b *bufio.Reader) (io.Reader, error) {
			if start, _ := b.Peek(2); len(start) == 2 && start[0]&0x0f == 8 && (int(start[0])<<8+int(start[1]))%31 == 0 {
				return zlib.NewReader(b)
			}
			return flate.NewReader(b), nil
		}
	default:
		return r
	}
	h.Del("Content-Encoding")
	h.Del("Content-Length")
	return &lazyReader{from: bufio.NewReader(r), open: open}
}

// members reads the members of a gzip stream, up to what is none: some servers
// let padding follow.
type members struct {
	from *bufio.Reader
	z    *gzip.Reader
}

func newMembers(from *bufio.Reader) (*members, error) {
	z, err := gzip.NewReader(from)
	if err != nil {
		return nil, err
	}
	z.Multistream(false)
	return &members{from, z}, nil
}

func (m *members) Read(p []byte) (int, error) {
	n, err := m.z.Read(p)
	if err != io.EOF {
		return n, err
	}
	if magic, _ := m.from.Peek(2); string(magic) != "\x1f\x8b" {
		return n, io.EOF
	}
	if err := m.z.Reset(m.from); err != nil {
		return n, err
	}
	m.z.Multistream(false)
	return n, nil
}

// lazyReader opens what it reads from at the first Read. An empty body stays
// empty, whatever its header says.
type lazyReader struct {
	from *bufio.Reader
	open func(*bufio.Reader) (io.Reader, error)
	r    io.Reader
}

func (l *lazyReader) Read(p []byte) (int, error) {
	if l.r == nil {
		if _, err := l.from.Peek(1); err != nil {
			return 0, err
		}
		r, err := l.open(l.from)
		if err != nil {
			return 0, err
		}
		l.r = r
	}
	n, err := l.r.Read(p)
	if err == io.EOF {
		_, _ = l.from.WriteTo(io.Discard) // what follows frees the connection
	}
	return n, err
}
