package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestLogLevels(t *testing.T) {
	t.Parallel()
	tests := []struct{ level, want string }{
		{"TRACE", "debug info warn error"},
		{"debug", "debug info warn error"},
		{"INFO", "info warn error"},
		{"warn", "warn error"},
		{"WARNING", "warn error"},
		{"ERROR", "error"},
		{"CRITICAL", ""},
	}
	for _, tt := range tests {
		var out bytes.Buffer
		log := newLogger(Process{LogLevel: tt.level}, &out)
		log.Debug().Msg("")
		log.Info().Msg("")
		log.Warn().Msg("")
		log.Error().Msg("")
		var got []string
		for line := range strings.Lines(out.String()) {
			var fields struct{ Level string }
			if err := json.Unmarshal([]byte(line), &fields); err != nil {
				t.Fatal(err)
			}
			got = append(got, fields.Level)
		}
		if got := strings.Join(got, " "); got != tt.want {
			t.Errorf("%s logs %q, want %q", tt.level, got, tt.want)
		}
	}
}

func TestLogFormats(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := newLogger(Process{LogLevel: "INFO"}, &out)
	log.Error().Err(errors.New("disk full")).Str("run", "r_1").Msg("run failed")
	var fields map[string]string
	if err := json.Unmarshal(out.Bytes(), &fields); err != nil {
		t.Fatal(err)
	}
	if _, err := time.Parse(time.RFC3339Nano, fields["time"]); err != nil {
		t.Error(err)
	}
	delete(fields, "time")
	for name, want := range map[string]string{"level": "error", "message": "run failed", "run": "r_1", "error": "disk full"} {
		if fields[name] != want {
			t.Errorf("%s is %q, want %q", name, fields[name], want)
		}
		delete(fields, name)
	}
	if len(fields) > 0 {
		t.Errorf("there are further fields: %v", fields)
	}

	out.Reset()
	log = newLogger(Process{LogLevel: "INFO"}, logOutput(Process{LogFormat: "console"}, &out))
	log.Warn().Str("run", "r_1").Msg("attempt failed")
	if got, want := out.String(), " WRN attempt failed run=r_1\n"; !strings.HasSuffix(got, want) || strings.HasPrefix(got, "{") {
		t.Errorf("the console shows %q, want the time and %q", got, want)
	}
}
