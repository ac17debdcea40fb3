package kafka

import (
	"errors"
	"slices"
	"testing"

	"github.com/segmentio/kafka-go"
)

// answerOf is the answer to a fetch of partition 0 of topic t, with an aborted
// transaction before the batches.
func answerOf(topError, partitionError byte, batches string) []byte {
	return slices.Concat([]byte{0, 0, 0, 0, 0, topError, 0, 0, 0, 0, 0, 0, 0, 1}, []byte{0, 1, 't'}, // throttle, error, session, topics; topic
		[]byte{0, 0, 0, 1, 0, 0, 0, 0, 0, partitionError}, make([]byte, 24), // partitions, partition, error; offsets
		[]byte{0, 0, 0, 1}, make([]byte, 16), []byte{0, 0, 0, byte(len(batches))}, []byte(batches))
}

func TestRecordsOf(t *testing.T) {
	t.Parallel()
	whole := answerOf(0, 0, "batches")
	for _, tc := range []struct {
		name   string
		topic  string
		answer []byte
		want   string
		err    error
	}{
		{"whole", "t", whole, "batches", nil},
		{"cut in the batches", "t", whole[:len(whole)-3], "batc", nil},
		{"no batches", "t", answerOf(0, 0, ""), "", nil},
		{"cut before them", "t", whole[:len(whole)-len("batches")-1], "", errAnswer},
		{"cut in the offsets", "t", whole[:30], "", errAnswer},
		{"nothing", "t", nil, "", errAnswer},
		{"another topic", "u", whole, "", errAnswer},
		{"refused", "t", answerOf(0, 1, ""), "", kafka.OffsetOutOfRange},
		{"refused as a whole", "t", answerOf(1, 0, "")[:14], "", kafka.OffsetOutOfRange},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got, err := recordsOf(tc.topic, tc.answer); string(got) != tc.want || !errors.Is(err, tc.err) {
				t.Errorf("got %q, %v, want %q, %v", got, err, tc.want, tc.err)
			}
		})
	}
}

func FuzzRecordsOf(f *testing.F) {
	f.Add(answerOf(0, 0, "batches"))
	f.Fuzz(func(t *testing.T, answer []byte) {
		if batches, err := recordsOf("t", answer); err != nil && batches != nil {
			t.Errorf("got %d bytes and %v", len(batches), err)
		}
	})
}
