package app

import (
	"bytes"
	"io"
)

// StandardLog is what the standard logger of the process should write to.
// Only libraries use that logger. Their lines go to the agent's log at level
// debug without what they quote: net/http quotes the beginning of an answer
// that a backend sent unasked.
func (a *App) StandardLog() io.Writer { return standardLog{a} }

type standardLog struct{ app *App }

func (l standardLog) Write(p []byte) (int, error) {
	text, _, _ := bytes.Cut(p, []byte{'"'})
	l.app.log.Debug().Bytes("text", bytes.TrimSpace(text)).Msg("library logged")
	return len(p), nil
}
