package app

import (
	"io"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// setTimeFormat sets what zerolog keeps for the whole process: once, for other
// loggers may be at work by then.
var setTimeFormat = sync.OnceFunc(func() { zerolog.TimeFieldFormat = time.RFC3339Nano })

// logOutput returns what writes lines of the log to out in the form that the
// settings ask for.
func logOutput(p Process, out io.Writer) io.Writer {
	if p.LogFormat == "console" {
		return zerolog.ConsoleWriter{Out: out, TimeFormat: time.TimeOnly, NoColor: true}
	}
	return out
}

func newLogger(p Process, out io.Writer) zerolog.Logger {
	setTimeFormat()
	return zerolog.New(out).Level(logLevels[strings.ToUpper(p.LogLevel)]).With().Timestamp().Logger()
}
