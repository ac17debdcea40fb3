package app

import (
	"io"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// setTimeFormat sets a variable of zerolog, once: other loggers may already be
// reading it.
var setTimeFormat = sync.OnceFunc(func() { zerolog.TimeFieldFormat = time.RFC3339Nano })

// logOutput returns a writer of log lines to out in the format of the settings.
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
