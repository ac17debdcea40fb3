package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/segmentio/kafka-go"
)

// aBatch is a record batch to be written.
type aBatch struct {
	first  int64
	codec  kafka.Compression
	values []io.Reader // nil: none
	sizes  []int64
	tail   int32 // offsets behind the last record that have none
	count  int32 // 0: as many as there are values
	packed []byte
}

func batchOf(first int64, codec kafka.Compression, values ...string) aBatch {
	b := aBatch{first: first, codec: codec}
	for _, v := range values {
		b.values, b.sizes = append(b.values, strings.NewReader(v)), append(b.sizes, int64(len(v)))
	}
	return b
}

// zeros is a batch of one record.
func zeros(first int64, codec kafka.Compression, size int64) aBatch {
	return aBatch{first: first, codec: codec, values: []io.Reader{io.LimitReader(nothing{}, size)}, sizes: []int64{size}}
}

// nothing is zeros without end.
type nothing struct{}

func (nothing) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func (b aBatch) bytes(t testing.TB) []byte {
	t.Helper()
	if b.packed == nil {
		var out bytes.Buffer
		var w io.WriteCloser = nopCloser{&out}
		if b.codec != 0 {
			w = b.codec.Codec().NewWriter(&out)
		}
		for i, v := range b.values {
			head := binary.AppendVarint([]byte{0}, 0)                          // attributes, timestamp
			head = binary.AppendVarint(binary.AppendVarint(head, int64(i)), 3) // offset, size of the key
			head = binary.AppendVarint(append(head, "key"...), b.sizes[i])
			tail := binary.AppendVarint(nil, 1)
			tail = append(binary.AppendVarint(append(binary.AppendVarint(tail, 1), 'h'), 2), "vv"...)
			w.Write(binary.AppendVarint(nil, int64(len(head)+len(tail))+b.sizes[i]))
			w.Write(head)
			if _, err := io.Copy(struct{ io.Writer }{w}, v); err != nil {
				t.Fatal(err)
			}
			w.Write(tail)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		b.packed = out.Bytes()
	}
	if b.count == 0 {
		b.count = int32(len(b.values))
	}
	raw := make([]byte, headerSize, headerSize+len(b.packed))
	binary.BigEndian.PutUint64(raw, uint64(b.first))
	binary.BigEndian.PutUint32(raw[8:], uint32(headerSize-lengthEnd+len(b.packed)))
	raw[16] = 2
	copy(raw[43:], bytes.Repeat([]byte{0xff}, 14)) // no producer id
	binary.BigEndian.PutUint16(raw[21:], uint16(b.codec))
	binary.BigEndian.PutUint32(raw[23:], uint32(b.count-1+b.tail))
	binary.BigEndian.PutUint32(raw[57:], uint32(b.count))
	raw = append(raw, b.packed...)
	return withChecksum(raw)
}

func withChecksum(raw []byte) []byte {
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], castagnoli))
	return raw
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// plenty is room for all.
func plenty(int) (func(), error) { return func() {}, nil }

// decoded prints the steps of data from an offset on.
func decoded(data []byte, from int64, limit int) (steps []string) {
	for rec, err := range Read(data, false, from, limit, plenty) {
		steps = append(steps, step(rec, err))
	}
	return steps
}

func step(rec Record, err error) string {
	switch {
	case err != nil:
		return "error " + err.Error()
	case rec.Err != nil:
		return fmt.Sprintf("%d: %d dropped: %v", rec.Next-1, rec.Count, rec.Err)
	case rec.Count == 0:
		return fmt.Sprintf("up to %d", rec.Next-1)
	default:
		return fmt.Sprintf("%d=%.9s", rec.Next-1, rec.Value)
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	whole := slices.Concat(batchOf(7, 0, "a", "b", "", "d").bytes(t), batchOf(11, 0, "e").bytes(t))
	for _, tc := range []struct {
		name string
		data []byte
		from int64
		want []string
	}{
		{"nothing", nil, 0, nil},
		{"two batches", whole, 7, []string{"7=a", "8=b", "9=", "10=d", "11=e"}},
		{"from within a batch", whole, 9, []string{"9=", "10=d", "11=e"}},
		{"from the second batch", whole, 11, []string{"11=e"}},
		{"the second is cut", whole[:len(whole)-1], 7, []string{"7=a", "8=b", "9=", "10=d"}},
		{"compacted to nothing", aBatch{first: 5, tail: 3, packed: []byte{}}.bytes(t), 5, []string{"up to 7"}},
		{"compacted at its end", func() []byte { b := batchOf(5, 0, "a"); b.tail = 4; return b.bytes(t) }(), 5, []string{"5=a", "up to 9"}},
		{"a record beyond the limit", batchOf(5, 0, "a", strings.Repeat("x", 11), "c").bytes(t), 5,
			[]string{"5=a", "6: 1 dropped: too large: a record of 11 bytes", "7=c"}},
		{"another format", func() []byte { b := batchOf(5, 0, "a").bytes(t); b[16] = 1; return b }(), 5,
			[]string{"error record batch is damaged: format 1, 77 bytes"}},
		{"a bit that flipped", func() []byte { b := batchOf(5, 0, "a").bytes(t); b[70] ^= 1; return b }(), 5,
			[]string{"error record batch is damaged: wrong checksum at offset 5"}},
		{"fewer records than it says", func() []byte { b := batchOf(5, 0, "a"); b.count = 3; return b.bytes(t) }(), 5,
			[]string{"5=a", "7: 2 dropped: EOF"}},
		{"a record outside of its batch", func() []byte {
			b := batchOf(5, 0, "a", "b").bytes(t)
			b[headerSize+3] = 40 // twice the distance of the first record from the batch's first offset
			return withChecksum(b)
		}(), 5, []string{"6: 2 dropped: record batch is damaged: it has offset 25"}},
		{"a compression that is not known", withChecksum(func() []byte { b := batchOf(5, 0, "a", "b").bytes(t); b[22] = 7; return b }()), 5,
			[]string{"6: 2 dropped: unpack: compression 7 is not known"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := decoded(tc.data, tc.from, 10); !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// TestReadCut has a first batch that is incomplete: because the broker sent no
// more of it, or because it was cut for being too large.
func TestReadCut(t *testing.T) {
	t.Parallel()
	data := batchOf(7, 0, "a", "b", strings.Repeat("x", 100)).bytes(t)
	data = data[:headerSize+20]
	for cut, want := range map[bool][]string{false: nil, true: {"9: 3 dropped: too large: a batch of 210 bytes"}} {
		var got []string
		for rec, err := range Read(data, cut, 7, 1000, plenty) {
			got = append(got, step(rec, err))
		}
		if !slices.Equal(got, want) {
			t.Errorf("cut %v: got %q, want %q", cut, got, want)
		}
	}
}

// TestReadCountThatLies has batches that claim fewer records than none, and more
// than they have offsets.
func TestReadCountThatLies(t *testing.T) {
	t.Parallel()
	for count, want := range map[int32]int{-1: 0, 1 << 30: 2} {
		b := batchOf(5, 0, "a")
		b.count, b.tail = count, 2-count
		for data, cut := b.bytes(t), 0; cut < 2; cut++ {
			got := 0
			for rec, err := range Read(data[:len(data)-cut], true, 5, 1000, plenty) {
				if got += rec.Count; err != nil {
					t.Error(err)
				}
			}
			if got != want {
				t.Errorf("%d records claimed, %d bytes missing: got %d, want %d", count, cut, got, want)
			}
		}
	}
}

func TestReadCompressed(t *testing.T) {
	t.Parallel()
	for _, codec := range []kafka.Compression{kafka.Gzip, kafka.Snappy, kafka.Lz4, kafka.Zstd} {
		t.Run(codec.String(), func(t *testing.T) {
			t.Parallel()
			large := strings.Repeat("0123456789", 20_000)
			got := decoded(batchOf(3, codec, "a", large, "c").bytes(t), 3, 1<<20)
			if want := []string{"3=a", "4=012345678", "5=c"}; !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// TestRecordOfZeros reads past a record that is small in the log and large when
// it is unpacked.
func TestRecordOfZeros(t *testing.T) {
	for _, codec := range []kafka.Compression{kafka.Gzip, kafka.Lz4, kafka.Zstd} {
		t.Run(codec.String(), func(t *testing.T) {
			data := slices.Concat(zeros(3, codec, 400<<20).bytes(t), batchOf(4, codec, "next").bytes(t))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			got := decoded(data, 3, 4<<20)
			runtime.ReadMemStats(&after)
			if len(got) != 2 || !strings.HasPrefix(got[0], "3: 1 dropped: too large") || got[1] != "4=next" {
				t.Errorf("got %q, want the first dropped and the second", got)
			}
			if n := (after.TotalAlloc - before.TotalAlloc) >> 20; n > 40 {
				t.Errorf("%d MiB were allocated for a batch of %d bytes", n, len(data))
			}
		})
	}
}

// TestSizesThatLie has batches claim sizes for which no room must be made.
func TestSizesThatLie(t *testing.T) {
	huge := binary.AppendUvarint(nil, 1<<31)
	framed := append([]byte("\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01"), 0x7f, 0xff, 0xff, 0xff)
	block := append([]byte("\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01"), 0, 0, 0, byte(len(huge)))
	var window bytes.Buffer
	w, err := zstd.NewWriter(&window, zstd.WithWindowSize(64<<20))
	if err != nil {
		t.Fatal(err)
	}
	io.CopyN(w, nothing{}, 70<<20)
	w.Close()
	for _, tc := range []struct {
		name   string
		codec  kafka.Compression
		packed []byte
	}{
		{"snappy block", kafka.Snappy, append(huge, make([]byte, 100)...)},
		{"snappy frame", kafka.Snappy, append(framed, make([]byte, 100)...)},
		{"snappy block in a frame", kafka.Snappy, append(block, huge...)},
		{"snappy of 100 MiB", kafka.Snappy, snappy.Encode(nil, make([]byte, 100<<20))},
		{"zstd window", kafka.Zstd, window.Bytes()},
		{"not zstd", kafka.Zstd, []byte("no zstd")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			data := aBatch{first: 3, codec: tc.codec, packed: tc.packed, count: 2}.bytes(t)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			got := decoded(data, 3, 4<<20)
			runtime.ReadMemStats(&after)
			if len(got) != 1 || !strings.HasPrefix(got[0], "4: 2 dropped: ") {
				t.Errorf("got %q, want one step that drops two records", got)
			}
			if n := (after.TotalAlloc - before.TotalAlloc) >> 20; n > 20 {
				t.Errorf("%d MiB were allocated", n)
			}
		})
	}
}

// TestReadStopsForRoom ends with the error that room gives.
func TestReadStopsForRoom(t *testing.T) {
	t.Parallel()
	stop := errors.New("stop")
	var got []error
	for _, err := range Read(batchOf(0, 0, "a", "b", "c").bytes(t), false, 0, 10, func(int) (func(), error) {
		if len(got) == 1 {
			return nil, stop
		}
		return plenty(0)
	}) {
		got = append(got, err)
	}
	if len(got) != 2 || got[0] != nil || got[1] != stop {
		t.Errorf("got %v, want a record and then %v", got, stop)
	}
}

func FuzzRead(f *testing.F) {
	for codec := range kafka.Compression(5) {
		f.Add(batchOf(3, codec, "a", "record").bytes(f)[21:], int64(3))
	}
	f.Fuzz(func(t *testing.T, data []byte, from int64) {
		if len(data) < headerSize-21 {
			return
		}
		raw := append(make([]byte, 21), data...)
		binary.BigEndian.PutUint64(raw, uint64(from))
		binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-lengthEnd))
		raw[16] = 2
		next, end := from, from+int64(int32(binary.BigEndian.Uint32(raw[23:])))+1
		for rec, err := range Read(withChecksum(raw), false, from, 1<<20, plenty) {
			if err != nil && rec.Count > 0 {
				t.Errorf("step at %d has records and the error %v", next, err)
			}
			if err == nil && (rec.Next < next || rec.Next == next && rec.Err == nil || rec.Next > end) {
				t.Errorf("after %d of a batch that ends at %d comes %d", next, end, rec.Next)
			}
			if int64(rec.Count) > max(0, end-from) {
				t.Errorf("%d records from %d on in a batch that ends at %d", rec.Count, from, end)
			}
			next = rec.Next
			if len(rec.Value) > 1<<20 {
				t.Errorf("a record of %d bytes", len(rec.Value))
			}
		}
	})
}
